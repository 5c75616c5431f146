"""Conformal coverage: how often a set of labels that promises 90% holds the right one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.calibration import least_share, likely
from fewtune.measures.intervals import share
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["COVERAGE", "ConformalCoverage", "sets"]

COVERAGE = 0.9
"""What the sets promise."""


class ConformalCoverage(Measure):
    """Share of test rows whose 90% set holds the truth, in [0, 1]; near 0.9 where all is well.

    The sets come from out-of-fold outcomes of the known rows, so no row is held out for them.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"text_classification", "image_classification"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share; ``None`` without bounds for sets, which ask for 9 rows or more."""
        found = sets(evidence)
        if found is None:
            return None
        test: Outcomes = evidence.test
        hits = found[np.arange(len(test)), test.truth]
        return self.named(*share(hits, test.groups), len(test))


def sets(evidence: Evidence) -> NDArray[np.bool_] | None:
    """Return the set of each test row, of shape (rows, classes); ``None`` where it is unknown."""
    if not len(evidence.test):
        return None
    least = evidence.least
    if evidence.out_of_fold is not None:
        least = least_share(evidence.out_of_fold, COVERAGE)
    return None if least is None else likely(evidence.test.probabilities, least)
