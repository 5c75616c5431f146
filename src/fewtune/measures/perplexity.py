"""Perplexity: the exponential of the targets' mean loss a token; judged against the base's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fewtune.measures.base import Evidence, Floats, RowMeasure
from fewtune.measures.intervals import paired
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Perplexity"]


class Perplexity(RowMeasure):
    """exp(nats / tokens), at least 1; it depends on the tokenizer, the template and the domain.

    Common rules call 1.5 to 4 good and more than 5 a problem; the report shows them for reference.
    The part ``ratio`` says what tuning did: tuned over base on the same rows, below 1 where better.
    """

    direction = "lower"
    unit = "per token"
    within = (1.0, math.inf)
    tasks = frozenset({"generation"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the exponential of the weighted ratio of sums."""
        return np.exp(_per_token(outcomes, weights))

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the ratio to the base's perplexity, paired by row."""
        base = evidence.base
        if base is None or base.sources != evidence.test.sources:
            return {}
        found = paired(
            lambda w: _per_token(evidence.test, w),
            lambda w: _per_token(base, w),
            evidence.test.groups,
            seed=seed,
        )
        value, low, high = (float(np.exp(x)) for x in found)
        return {"ratio": replace(self.named(value, low, high, len(base)), unit="")}


def _per_token(outcomes: Outcomes, weights: Floats) -> Floats:
    means: Floats = (weights @ outcomes.losses) / (weights @ outcomes.units.astype(float))
    return means
