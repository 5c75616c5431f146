"""What a measure is: outcomes and row weights to a number, its direction, its version."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fewtune.errors import DataError
from fewtune.family import Family
from fewtune.measures.intervals import RESAMPLES, bootstrap, paired, share, share_difference
from fewtune.measures.observe.answers import Answers
from fewtune.measures.observe.continuations import Continuations
from fewtune.measures.observe.divergence import Divergence
from fewtune.measures.observe.exposure import Exposures
from fewtune.measures.observe.lm_eval import HarnessResult
from fewtune.measures.observe.probes import ProbeAnswers
from fewtune.measures.observe.written import Written
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["MEASURES", "Evidence", "Measure", "RowMeasure", "row_measure", "score_all", "silences"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """All that was observed of one model; a measure takes what it needs.

    Attributes
    ----------
    task
        Name of the task.
    test
        What the model did on the test rows.
    train, validation
        What it did on equally many training and validation rows.
    ended, ended_base
        For each sampled answer of tuned and of base whether it ended by itself.
    perturbed
        By kind: what it did on the test rows that a perturbation of this kind changed; the rows
        keep their sources.
    rises, rises_base
        Rise of the loss on each of a few batches after a step uphill, in nats: of the tuned model,
        and of the same parameters where training began.
    earlier
        What an earlier version of the model did on the test rows.
    kept_neighbours
        Share of each test row's nearest neighbours that were its neighbours before tuning; NaN for
        a row that was not looked at.
    out_of_fold
        What models that did not know them did on the known rows.
    least
        Least probability of a class in a 90% set, where that is kept and ``out_of_fold`` is not.
    base
        What the base did on the test rows.
    probes
        Which probes of general ability base and tuned have right.
    general
        Base and tuned on general text.
    drift
        Base and tuned on rows of the new task that were not trained.
    continuations
        What base and tuned write after beginnings of trained and of held-out rows.
    answers
        Answers that base and tuned drew to the same prompts.
    written
        Greedy answers of base and tuned to test rows, beside their targets.
    exposures
        How well planted secrets are known.
    harness
        What lm-evaluation-harness finds of base and tuned.
    unsaid
        Why something that was asked for was not observed, by the score that is missing.
    evaluations
        The journal's values of every evaluation of the training that was kept, oldest first.
    """

    task: str
    test: Outcomes
    train: Outcomes | None = None
    validation: Outcomes | None = None
    ended: tuple[bool, ...] = ()
    ended_base: tuple[bool, ...] = ()
    perturbed: Mapping[str, Outcomes] = field(default_factory=dict)
    rises: tuple[float, ...] = ()
    rises_base: tuple[float, ...] = ()
    earlier: Outcomes | None = None
    kept_neighbours: Floats | None = None
    out_of_fold: Outcomes | None = None
    least: float | None = None
    base: Outcomes | None = None
    probes: ProbeAnswers | None = None
    general: Divergence | None = None
    drift: Divergence | None = None
    continuations: Continuations | None = None
    answers: Answers | None = None
    written: Written | None = None
    exposures: Exposures | None = None
    harness: Sequence[HarnessResult] = ()
    unsaid: Mapping[str, str] = field(default_factory=dict)
    evaluations: Sequence[Mapping[str, Any]] = ()


class Measure(ABC):
    """A number about a model on data.

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
    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the score with its 95% interval, or ``None`` where its evidence is missing."""

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return what the score is made of, by what is joined to its name; nothing by default."""
        return {}

    def silence(self, evidence: Evidence) -> str:
        """Return why there is no score although it was looked for; empty where there is nothing.

        A clause without a full stop, such as "the base has no probe right".
        """
        return ""

    def named(self, value: float, low: float, high: float, n: int) -> Score:
        """Return a score of this measure."""
        return Score(self.name, value, low, high, n, self.direction, self.unit, self.version)


class RowMeasure(Measure):
    """A measure that is a function of rows and their weights.

    ``within`` is the least and the most that it can be: an interval of a few groups ends there.
    """

    within: ClassVar[tuple[float, float]] = (0.0, math.inf)

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

    def hits(self, outcomes: Outcomes) -> NDArray[np.bool_] | None:
        """Return which rows count where the measure is a plain share of rows; else ``None``."""
        return None

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the score on the test rows."""
        return self.of(evidence.test, seed)

    def of(self, outcomes: Outcomes, seed: int = 0, draws: int = RESAMPLES) -> Score:
        """Return the score on any rows, its interval from ``draws`` resamplings.

        Raises
        ------
        DataError
            If there is no row.
        """
        if not len(outcomes):
            raise DataError("rows to measure on", "none", cure="Give a larger test part or file")
        hits = self.hits(outcomes)
        if hits is not None:
            return self.named(*share(hits, outcomes.groups), len(outcomes))
        value, low, high = bootstrap(
            lambda weights: self.values(outcomes, weights),
            outcomes.groups,
            seed=seed,
            draws=draws,
            within=self.within,
        )
        return self.named(value, low, high, len(outcomes))

    def difference(
        self, first: Outcomes, second: Outcomes, seed: int = 0, draws: int = RESAMPLES
    ) -> Score:
        """Return first minus second on the same rows, with the paired 95% interval.

        Raises
        ------
        DataError
            If the two are not about the same rows in the same order.
        """
        if first.sources != second.sources:
            raise DataError("two sets of outcomes on the same rows", "different rows")
        one, two = self.hits(first), self.hits(second)
        if one is not None and two is not None:
            return self.named(*share_difference(one, two, first.groups), len(first))
        value, low, high = paired(
            lambda weights: self.values(first, weights),
            lambda weights: self.values(second, weights),
            first.groups,
            seed=seed,
            draws=draws,
            within=self.within,
        )
        return self.named(value, low, high, len(first))


MEASURES: Family[Measure] = Family(
    "fewtune.measures", Measure, "measure", ["calibration", "intervals"]
)


def row_measure(name: str) -> RowMeasure:
    """Return the measure called ``name``, which must be a function of rows."""
    measure = MEASURES.load(name)()
    if not isinstance(measure, RowMeasure):
        raise TypeError(f"{name} is not a measure of rows")
    return measure


def score_all(evidence: Evidence, names: Iterable[str] = ()) -> dict[str, Score]:
    """Return the scores of every measure (or of those named) that applies."""
    scores = {}
    for name in names or MEASURES.names():
        measure = MEASURES.load(name)()
        if evidence.task in measure.tasks:
            found = measure.score(evidence)
            if found is not None:
                scores[name] = found
                for part, score in measure.parts(evidence).items():
                    scores[f"{name}_{part}"] = replace(score, name=f"{name}_{part}")
    return scores


def silences(evidence: Evidence, names: Iterable[str] = ()) -> dict[str, str]:
    """Return why a measure that applies has no score although it was looked for, by its name."""
    found = dict(evidence.unsaid)
    for name in names or MEASURES.names():
        measure = MEASURES.load(name)()
        if evidence.task in measure.tasks and (said := measure.silence(evidence)):
            found[name] = said
    return found
