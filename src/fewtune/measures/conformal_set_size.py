"""Conformal set size: how many labels a set that promises 90% has on average."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.conformal_coverage import sets
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["ConformalSetSize"]


class ConformalSetSize(Measure):
    """Mean number of labels in the 90% sets of the test rows; 1 is as good as an answer.

    Below 1 where some sets are empty: the model is right more often than promised, and says of
    the rest that no label is likely enough.
    """

    direction = "lower"
    unit = "labels"
    tasks = frozenset({"text_classification", "image_classification"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the mean size; ``None`` where ``conformal_coverage`` has no score."""
        found = sets(evidence)
        if found is None:
            return None
        sizes = found.sum(axis=1).astype(np.float64)
        value, low, high = bootstrap(
            lambda weights: weights @ sizes / weights.sum(axis=1), evidence.test.groups, seed=seed
        )
        return self.named(value, low, high, len(sizes))
