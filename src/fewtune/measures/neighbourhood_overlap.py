"""Neighbourhood overlap: how many nearest neighbours of a row are still its neighbours."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["NeighbourhoodOverlap"]


class NeighbourhoodOverlap(Measure):
    """Mean share of the nearest neighbours that tuning kept, in [0, 1]; 1 for a frozen encoder.

    Low where the space of meanings was rearranged: what was near is far, other uses of the encoder
    change.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"text_classification", "image_classification"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the mean share, or ``None`` where neighbours were not looked at."""
        if evidence.kept_neighbours is None:
            return None
        looked = np.flatnonzero(~np.isnan(evidence.kept_neighbours))
        if not len(looked):
            return None
        kept = evidence.kept_neighbours[looked]
        value, low, high = bootstrap(
            lambda weights: weights @ kept / weights.sum(axis=1),
            evidence.test.groups[looked],
            seed=seed,
            within=(0, 1),
        )
        return self.named(value, low, high, len(kept))
