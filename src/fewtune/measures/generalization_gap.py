"""Generalization gap: how much better the headline measure is on trained rows than on others."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Evidence, Measure, RowMeasure, row_measure
from fewtune.measures.intervals import RESAMPLES, weights
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["GeneralizationGap"]

HEADLINES = {
    "text_classification": "accuracy",
    "image_classification": "accuracy",
    "generation": "loss_per_byte",
}


class GeneralizationGap(Measure):
    """Training minus validation in the sense of better: positive where training rows fare better.

    Both sides have equally many rows. They are different rows, so each is resampled on its own.
    """

    direction = "lower"
    tasks = frozenset(HEADLINES)

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the gap in the unit of the headline measure."""
        if evidence.train is None or evidence.validation is None:
            return None
        measure = row_measure(HEADLINES[evidence.task])
        sign = 1 if measure.direction == "higher" else -1
        trained = _draws(measure, evidence.train, seed)
        unseen = _draws(measure, evidence.validation, seed + 1)
        gaps = sign * (trained - unseen)
        low, high = np.quantile(gaps[1:], [0.025, 0.975])
        n = min(len(evidence.train), len(evidence.validation))
        return self.named(float(gaps[0]), float(low), float(high), n)


def _draws(measure: RowMeasure, outcomes: Outcomes, seed: int) -> np.ndarray:
    """Return the value itself and then its bootstrap draws."""
    drawn = [measure.values(outcomes, np.ones((1, len(outcomes))))]
    drawn += [measure.values(outcomes, w) for w in weights(outcomes.groups, RESAMPLES, seed)]
    return np.concatenate(drawn)
