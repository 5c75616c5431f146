"""Generalization gap: how much better the headline measure is on trained rows than on others."""

from __future__ import annotations

import math

from fewtune.measures.base import Evidence, Measure, row_measure
from fewtune.records import Score

__all__ = ["GeneralizationGap"]

HEADLINES = {
    "text_classification": "accuracy",
    "image_classification": "accuracy",
    "generation": "loss_per_byte",
}


class GeneralizationGap(Measure):
    """Training minus validation in the sense of better: positive where training rows fare better.

    Both sides have equally many rows. They are different rows, so the two intervals are joined by
    Newcombe's square-and-add (1998).
    """

    direction = "lower"
    tasks = frozenset(HEADLINES)

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the gap in the unit of the headline measure."""
        if evidence.train is None or evidence.validation is None:
            return None
        measure = row_measure(HEADLINES[evidence.task])
        sign = 1 if measure.direction == "higher" else -1
        trained, unseen = measure.of(evidence.train, seed), measure.of(evidence.validation, seed)
        gap = sign * (trained.value - unseen.value)
        # Two sets of rows are independent: their half-widths add like the sides of a triangle.
        best, worst = (trained, unseen) if sign > 0 else (unseen, trained)
        down = math.hypot(best.value - best.low, worst.high - worst.value)
        up = math.hypot(best.high - best.value, worst.value - worst.low)
        n = min(len(evidence.train), len(evidence.validation))
        return self.named(gap, gap - down, gap + up, n)
