"""General loss: rise of the loss per byte of general text by tuning, as a share of the base's."""

from __future__ import annotations

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["GeneralLoss"]


class GeneralLoss(Measure):
    """Tuned over base less one, paired by passage: 0.01 is one percent worse at general text."""

    direction = "lower"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the rise, or ``None`` where no general text was read."""
        read = evidence.general
        if read is None or not len(read):
            return None

        def rise(weights: Floats) -> Floats:
            shares: Floats = weights @ read.tuned / (weights @ read.base) - 1
            return shares

        value, low, high = bootstrap(rise, read.groups, seed=seed)
        return self.named(value, low, high, len(read))
