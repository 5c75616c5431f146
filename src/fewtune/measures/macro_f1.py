"""Macro-F1: the mean over classes of the harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Floats, RowMeasure
from fewtune.tasks.outcomes import Outcomes

__all__ = ["MacroF1"]


class MacroF1(RowMeasure):
    """Mean F1 of the classes that occur among truths or predictions, in [0, 1]."""

    direction = "higher"
    unit = "share"
    within = (0.0, 1.0)
    tasks = frozenset({"text_classification", "image_classification"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return macro-F1 under each set of weights; a class absent from a draw is left out."""
        classes = np.arange(len(outcomes.labels))
        truth = (outcomes.truth[:, None] == classes).astype(float)
        predicted = (outcomes.predicted[:, None] == classes).astype(float)
        hits = weights @ (truth * predicted)
        either = weights @ (truth + predicted)
        with np.errstate(invalid="ignore"):
            f1 = 2 * hits / either
        present = either > 0
        means: Floats = np.where(present, f1, 0).sum(axis=1) / present.sum(axis=1)
        return means
