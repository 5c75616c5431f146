"""Accuracy: the share of rows whose most likely class is the right one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
        shares: Floats = weights @ self.hits(outcomes).astype(float) / weights.sum(axis=1)
        return shares

    def hits(self, outcomes: Outcomes) -> NDArray[np.bool_]:
        """Return which rows are right."""
        right: NDArray[np.bool_] = outcomes.predicted == outcomes.truth
        return right
