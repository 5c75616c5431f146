"""Drift: KL(base‖tuned) a token on inputs of the new task, which foretells what is forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.measures.observe.divergence import Divergence
from fewtune.records import Score

__all__ = ["Drift"]


class Drift(Measure):
    """Mean divergence of the next-token distributions in nats, at least 0 (2509.04259).

    Taken along what the base itself answers to rows that were not trained, which needs no probes
    and foretells what is forgotten; along the targets it would be large wherever tuning did what
    it was asked for (benchmarks/LOG.md). The part ``general`` is the same on general text. A
    classifier has none: its base has no answers to diverge from.
    """

    direction = "lower"
    unit = "nats"
    version = 2
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the divergence a unit, or ``None`` where it was not observed."""
        return self._mean(evidence.drift, seed)

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the divergence on general text."""
        found = self._mean(evidence.general, seed)
        return {} if found is None else {"general": found}

    def _mean(self, seen: Divergence | None, seed: int) -> Score | None:
        if seen is None or not len(seen):
            return None
        units = seen.units.astype(float)

        def mean(weights: Floats) -> Floats:
            shares: Floats = weights @ seen.kl / (weights @ units)
            return shares

        value, low, high = bootstrap(mean, seen.groups, seed=seed, within=(0, math.inf))
        return self.named(value, low, high, len(seen))
