"""Robustness: what the headline measure loses when the same rows are put in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fewtune.measures.base import Evidence, Measure, RowMeasure, row_measure
from fewtune.measures.generalization_gap import HEADLINES
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Robustness"]


class Robustness(Measure):
    """Loss of the headline measure under perturbations, paired; above 0 where the model is fragile.

    Typos, casing, contractions and paraphrases of texts; turned, lighter or darker and grainy
    images. Over all kinds every changed row counts alike; the parts tell each kind.
    """

    direction = "lower"
    tasks = frozenset(HEADLINES)

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the drop over all kinds, in the unit of the headline measure."""
        pairs = list(_pairs(evidence).values())
        if not pairs:
            return None
        return self._drop(
            _stacked([plain for plain, _ in pairs]),
            _stacked([changed for _, changed in pairs]),
            evidence.task,
            seed,
        )

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the drop under each kind."""
        return {
            kind: self._drop(plain, changed, evidence.task, seed)
            for kind, (plain, changed) in _pairs(evidence).items()
        }

    def _drop(self, plain: Outcomes, changed: Outcomes, task: str, seed: int) -> Score:
        measure: RowMeasure = row_measure(HEADLINES[task])
        better, worse = (plain, changed) if measure.direction == "higher" else (changed, plain)
        found = measure.difference(better, worse, seed)
        return replace(self.named(found.value, found.low, found.high, found.n), unit=measure.unit)


def _pairs(evidence: Evidence) -> dict[str, tuple[Outcomes, Outcomes]]:
    """Return for each kind the same rows as they are and changed, in the groups of the test rows.

    A kind numbers the groups of the rows that it changed from 0, each kind for itself.
    """
    place = {source: at for at, source in enumerate(evidence.test.sources)}
    found = {}
    for kind, changed in evidence.perturbed.items():
        if len(changed):
            plain = evidence.test.take([place[source] for source in changed.sources])
            found[kind] = (plain, replace(changed, groups=plain.groups))
    return found


def _stacked(parts: list[Outcomes]) -> Outcomes:
    """Return several sets of outcomes as one; a row that is in two keeps its one group."""
    names = ("losses", "units", "bytes", "truth", "probabilities", "groups")
    whole: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    sources = tuple(source for part in parts for source in part.sources)
    return replace(parts[0], sources=sources, **whole)
