"""Sharpness: rise of the loss after a small step of all trained weights along the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import mean_interval
from fewtune.records import Score

__all__ = ["Sharpness"]


class Sharpness(Measure):
    """Mean rise over a few batches, in nats per unit; sharper surfaces forget more (2406.04836).

    Says something in comparison only: the part ``base`` is that of the same parameters where
    training began, on the same batches, and ``ratio`` tuned over base: above 1 where tuning led to
    a sharper place.
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

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the mean rise where training began, and tuned over base, paired by batch."""
        pairs = [
            (after, before)
            for after, before in zip(evidence.rises, evidence.rises_base, strict=False)
            if math.isfinite(after) and math.isfinite(before)
        ]
        if len(pairs) < 2:
            return {}
        after, before = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
        found = {"base": self.named(*mean_interval([one for _, one in pairs]), len(pairs))}
        if before > 0:
            # The interval of a ratio of means, by linearisation.
            ratio = after / before
            around = [ratio + (a - ratio * b) / before for a, b in pairs]
            score = self.named(*mean_interval(around), len(pairs))
            found["ratio"] = replace(score, unit="")
        return found
