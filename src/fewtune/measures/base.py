"""What a measure is: outcomes and row weights to a number, its direction, its version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fewtune.errors import DataError
from fewtune.family import Family
from fewtune.measures.intervals import bootstrap, paired
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["MEASURES", "Measure", "compare", "score", "score_all"]

Floats = NDArray[np.float64]


class Measure(ABC):
    """A number about what a model did on rows.

    A member's file defines one subclass; the file's name is the score's name.
    """

    direction: ClassVar[Literal["higher", "lower"]]
    unit: ClassVar[str] = ""
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[str]]

    @property
    def name(self) -> str:
        """Name of the file that defines the measure."""
        return type(self).__module__.rsplit(".", 1)[-1]

    @abstractmethod
    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the value under each set of row weights.

        Parameters
        ----------
        outcomes
            What the model did on n rows.
        weights
            Row weights, of shape (draws, n).

        Returns
        -------
        ndarray of shape (draws,)
        """


MEASURES: Family[Measure] = Family(
    "fewtune.measures", Measure, "measure", not_members=["intervals"]
)


def score(measure: Measure, outcomes: Outcomes, seed: int = 0) -> Score:
    """Return the measure's value on ``outcomes`` with its 95% interval.

    Raises
    ------
    DataError
        If there is no row.
    """
    if not len(outcomes):
        raise DataError("rows to measure on", "none", cure="Give a larger test part or file")
    value, low, high = bootstrap(
        lambda weights: measure.values(outcomes, weights), outcomes.groups, seed=seed
    )
    return _named(measure, value, low, high, len(outcomes))


def compare(measure: Measure, first: Outcomes, second: Outcomes, seed: int = 0) -> Score:
    """Return first minus second on the same rows, with the paired 95% interval.

    Raises
    ------
    DataError
        If the two are not about the same rows in the same order.
    """
    if first.sources != second.sources:
        raise DataError("two sets of outcomes on the same rows", "different rows")
    value, low, high = paired(
        lambda weights: measure.values(first, weights),
        lambda weights: measure.values(second, weights),
        first.groups,
        seed=seed,
    )
    return _named(measure, value, low, high, len(first))


def score_all(task: str, outcomes: Outcomes, names: Iterable[str] = ()) -> dict[str, Score]:
    """Return the scores of every measure of ``task`` (or of those named) that applies."""
    scores = {}
    for name in names or MEASURES.names():
        measure = MEASURES.load(name)()
        if task in measure.tasks:
            scores[name] = score(measure, outcomes)
    return scores


def _named(measure: Measure, value: float, low: float, high: float, n: int) -> Score:
    return Score(
        measure.name, value, low, high, n, measure.direction, measure.unit, measure.version
    )
