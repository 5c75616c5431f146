"""Exact match: the share of greedy answers that are their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import share, share_difference
from fewtune.records import Score

__all__ = ["ExactMatch"]


class ExactMatch(Measure):
    """Answers of the tuned model that are their targets, over answers, in [0, 1].

    White space counts as one space between words and nothing around them; case counts. It says
    most where one answer is right, such as a code, a name or a number. The part ``base`` is the
    base's share, ``gain`` tuned less base, paired.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share, or ``None`` where no answer was written."""
        seen = evidence.written
        if seen is None or not len(seen):
            return None
        return self.named(*share(_hits(seen.tuned, seen.targets), seen.groups), len(seen))

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the base's share, and tuned less base."""
        seen = evidence.written
        if seen is None or not len(seen):
            return {}
        tuned, base = (_hits(answers, seen.targets) for answers in (seen.tuned, seen.base))
        return {
            "base": self.named(*share(base, seen.groups), len(seen)),
            "gain": self.named(*share_difference(tuned, base, seen.groups), len(seen)),
        }


def _hits(answers: Sequence[str], targets: Sequence[str]) -> NDArray[np.bool_]:
    return np.asarray([a.split() == t.split() for a, t in zip(answers, targets, strict=True)])
