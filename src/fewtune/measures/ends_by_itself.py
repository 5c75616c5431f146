"""Ends by itself: the share of sampled answers that end before they are cut off."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["EndsByItself"]


class EndsByItself(Measure):
    """Answers that end with an end token over answers sampled, in [0, 1]."""

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share, or ``None`` where nothing was sampled."""
        if not evidence.ended:
            return None
        ended = np.asarray(evidence.ended, dtype=float)
        value, low, high = bootstrap(
            lambda weights: weights @ ended / weights.sum(axis=1), np.arange(len(ended)), seed=seed
        )
        return self.named(value, low, high, len(ended))
