"""Ends by itself: the share of sampled answers that end before they are cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy.stats import binomtest

from fewtune.measures.base import Evidence, Measure
from fewtune.records import Score

__all__ = ["EndsByItself"]


class EndsByItself(Measure):
    """Answers that end with an end token over answers sampled, in [0, 1].

    The part ``base`` is the base's on the same rows.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share, or ``None`` where nothing was sampled."""
        return self._share(evidence.ended)

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the base's share."""
        base = self._share(evidence.ended_base)
        return {} if base is None else {"base": base}

    def _share(self, answers: Sequence[bool]) -> Score | None:
        if not answers:
            return None
        count, ended = len(answers), sum(answers)
        # Wilson's interval: a bootstrap of answers that all end has no width, however few they are.
        bounds = binomtest(ended, count).proportion_ci(0.95, method="wilson")
        return self.named(ended / count, float(bounds.low), float(bounds.high), count)
