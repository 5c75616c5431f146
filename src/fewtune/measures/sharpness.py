"""Sharpness: rise of the loss after a small step of all trained weights along the gradient."""

from __future__ import annotations

import math

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import mean_interval
from fewtune.records import Score

__all__ = ["Sharpness"]


class Sharpness(Measure):
    """Mean rise over a few batches, in nats per unit; sharper surfaces forget more (2406.04836).

    Says something in comparison only: with the base, or with another run of the same method.
    """

    direction = "lower"
    unit = "nats"
    tasks = frozenset({"text_classification", "image_classification", "generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the mean rise, its interval over batches; ``None`` where none was measured."""
        rises = [rise for rise in evidence.rises if math.isfinite(rise)]
        if len(rises) < 2:
            return None
        value, low, high = mean_interval(rises)
        return self.named(value, low, high, len(rises))
