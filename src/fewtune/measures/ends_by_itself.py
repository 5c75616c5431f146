"""Ends by itself: the share of sampled answers that end before they are cut off."""

from __future__ import annotations

from scipy.stats import binomtest

from fewtune.measures.base import Evidence, Measure
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
        count, ended = len(evidence.ended), sum(evidence.ended)
        # Wilson's interval: a bootstrap of answers that all end has no width, however few they are.
        bounds = binomtest(ended, count).proportion_ci(0.95, method="wilson")
        return self.named(ended / count, float(bounds.low), float(bounds.high), count)
