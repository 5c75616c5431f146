"""Log loss: mean negative log-likelihood of the right class, in nats."""

from __future__ import annotations

from fewtune.measures.base import Floats, RowMeasure
from fewtune.tasks.outcomes import Outcomes

__all__ = ["LogLoss"]


class LogLoss(RowMeasure):
    """Mean loss of the rows, in nats; ln(classes) is what knowing nothing costs."""

    direction = "lower"
    unit = "nats"
    tasks = frozenset({"text_classification", "image_classification"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the weighted mean loss."""
        means: Floats = weights @ outcomes.losses / weights.sum(axis=1)
        return means
