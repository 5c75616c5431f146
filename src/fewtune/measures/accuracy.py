"""Accuracy: the share of rows whose most likely class is the right one."""

from __future__ import annotations

from fewtune.measures.base import Floats, RowMeasure
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Accuracy"]


class Accuracy(RowMeasure):
    """Right rows over rows, in [0, 1]."""

    direction = "higher"
    unit = "share"
    tasks = frozenset({"text_classification", "image_classification"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the weighted share of right rows."""
        right = (outcomes.predicted == outcomes.truth).astype(float)
        shares: Floats = weights @ right / weights.sum(axis=1)
        return shares
