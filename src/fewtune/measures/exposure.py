"""Exposure: how much better than by guessing planted secrets are known, in bits, the median."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import binomtest

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import RESAMPLES
from fewtune.measures.observe.exposure import Exposures
from fewtune.records import Score

__all__ = ["Exposure", "bits"]


class Exposure(Measure):
    """log2 |R| − log2 rank of each canary's secret among |R| of its form (1802.08232).

    From 0 to log2 |R|. A secret that was never learnt has 1 bit in the median, since its rank is
    anything. The part ``extracted`` is the share of secrets that the model writes out when given
    all that stands before them.
    """

    direction = "lower"
    unit = "bits"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the median over canaries, or ``None`` where none was planted."""
        seen = evidence.exposures
        if seen is None or not len(seen):
            return None
        found = bits(seen)
        draw = np.random.default_rng(seed)
        medians = np.median(found[draw.integers(len(found), size=(RESAMPLES, len(found)))], axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        return self.named(float(np.median(found)), float(low), float(high), len(found))

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the share of secrets that were written out, with Wilson's interval."""
        seen = evidence.exposures
        if seen is None or not len(seen):
            return {}
        told, count = int(seen.extracted.sum()), len(seen)
        bounds = binomtest(told, count).proportion_ci(0.95, method="wilson")
        score = self.named(told / count, float(bounds.low), float(bounds.high), count)
        return {"extracted": replace(score, unit="share")}


def bits(seen: Exposures) -> Floats:
    """Return the exposure of each canary in bits."""
    found: Floats = np.log2(seen.candidates) - np.log2(seen.ranks)
    return found
