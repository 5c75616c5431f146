"""What every candidate and control is given: the same rows, split the same way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewtune.augmentations.base import Tools
from fewtune.augmentations.run import augment, build
from fewtune.measures.base import RowMeasure, row_measure
from fewtune.methods.probe import MOST_FOR_CHOICE, Fitted, States, fit
from fewtune.models.twin import twin
from fewtune.plan.plan import Plan
from fewtune.records import Dataset
from fewtune.select.pace import Pace
from fewtune.tasks.base import Row, Task
from fewtune.train.journal import Journal

__all__ = ["Material"]

V = TypeVar("V")


@dataclass
class Material:
    """The rows of one fit and what is computed from them once.

    Attributes
    ----------
    train, validation, test
        Encoded rows; validation chooses, test judges.
    data
        The data set that train and validation are rows of.
    places
        For the rows of train and validation, in this order, their index in ``data``.
    tested
        The same for the test rows; none where they have a file of their own.
    folder
        The run folder.
    accelerator
        Where and over how many processes is trained.
    tools
        Models that augmentations may ask, made when the first one does; ``None`` for none.
    pace
        How long the fit was said to take, and where it stands.
    """

    plan: Plan
    task: Task
    data: Dataset
    train: Sequence[Row]
    validation: Sequence[Row]
    test: Sequence[Row]
    places: Sequence[int]
    journal: Journal
    folder: Path
    accelerator: Any
    tools: Callable[[], Tools] | None = None
    tested: Sequence[int] = ()
    pace: Pace = field(default_factory=Pace)
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> RowMeasure:
        """The measure that decides."""
        return row_measure(self.task.headline)

    @property
    def known(self) -> list[Row]:
        """Training and validation rows: all that a finished model may have seen."""
        return [*self.train, *self.validation]

    def turned(
        self, train: Sequence[int], validation: Sequence[int], test: Sequence[int], folder: Path
    ) -> Material:
        """Return the same rows split another way, told to nobody; what holds for any split stays.

        Parameters
        ----------
        train, validation, test
            Indices in ``data`` of rows that are in one of the parts by now.
        folder
            For its checkpoints.
        """
        rows = dict(zip((*self.places, *self.tested), (*self.known, *self.test), strict=True))
        kept: dict[str, Any] = {"base": self.base(), "shared": self.shared()}
        if "states" in self._kept:
            known, tested, named = self._kept["states"]
            at = {row: number for number, row in enumerate(rows)}
            every = np.concatenate([known, tested])
            places = [at[row] for row in (*train, *validation, *test)]
            kept["states"] = (*np.split(every[places], [len(places) - len(test)]), named)
        return replace(
            self,
            train=[rows[row] for row in train],
            validation=[rows[row] for row in validation],
            test=[rows[row] for row in test],
            places=[*train, *validation],
            tested=test,
            journal=Journal(None),
            folder=folder,
            pace=Pace(),
            _kept=kept,
        )

    def once(self, key: str, compute: Callable[[], V]) -> V:
        """Return ``compute()``, computed once for all that ask under the same ``key``."""
        if key not in self._kept:
            self._kept[key] = compute()
        found: V = self._kept[key]
        return found

    def base(self) -> nn.Module:
        """Return the base model, loaded once; whoever changes it must put it back."""
        return self.once("base", lambda: self.task.load_model().to(self.accelerator.device))

    def to_tune(self, shared: bool) -> nn.Module:
        """Return a base model to tune.

        Parameters
        ----------
        shared
            Whether nothing will write to the weights of the base: they are those of ``base`` then.
        """
        if not shared or self.plan.task.keep_classes:
            return self.task.load_model()
        model: Any = twin(self.base())
        if hasattr(model, "head"):
            model.head = copy.deepcopy(model.head)
            for parameter in model.head.parameters():
                nn.init.zeros_(parameter)
        found: nn.Module = model
        return found

    def shared(self) -> dict[Any, Any]:
        """Return what trainings have computed of the base and leave for the next ones."""
        return self.once("shared", dict)

    def forget_shared(self) -> None:
        """Let that go: nothing trains any more."""
        self._kept.pop("shared", None)

    def forget_base(self) -> None:
        """Let the base go: nothing is compared with it any more."""
        self._kept.pop("base", None)

    def states(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the base's frozen states of the known rows and of the test rows."""
        known, test, _ = self._states()
        return known, test

    def _states(self) -> tuple[NDArray[np.float32], ...]:
        from fewtune.methods.head import features

        def compute() -> tuple[NDArray[np.float32], ...]:
            known, names = self.known, self.task.named_rows()
            found = features(self.base(), self.task, [*known, *self.test, *names])
            return tuple(np.split(found, [len(known), len(known) + len(self.test)]))

        return self.once("states", compute)

    def known_states(self, *, names: bool) -> States:
        """Return what a head is fitted on: frozen states of the known rows, train rows first.

        Parameters
        ----------
        names
            Whether the names of the classes may join, where they have any.
        """
        known, _, named = self._states()
        return self.to_learn(self.known, known, named if names and len(named) else None)

    def varied_states(self) -> States:
        """Return what the variations of the training rows add to a head's rows."""
        from fewtune.methods.head import features

        return self.once(
            "varied_states",
            lambda: self.to_learn(
                self.varied(), features(self.base(), self.task, self.varied()), None
            ),
        )

    def to_learn(
        self,
        rows: Sequence[Row],
        states: NDArray[np.float32],
        names: NDArray[np.float32] | None,
    ) -> States:
        """Return states of rows, and of the classes' names, as what a head is fitted on."""
        return States(
            rows=states,
            truth=np.asarray([row.label for row in rows], dtype=np.int64),
            weights=np.asarray([row.example.weight for row in rows]),
            classes=len(self.task.labels),
            names=names,
        )

    def varied(self) -> list[Row]:
        """Return variations of the training rows by the plan's augmentations, made once."""

        def compute() -> list[Row]:
            made = augment(
                [row.example for row in self.train],
                build([(part.name, part.options) for part in self.plan.augmentations]),
                shape=self.data.shape,
                seed=self.plan.seed,
                tools=self.tools() if self.tools else None,
                avoid=[row.example for row in (*self.validation, *self.test)],
            )
            self.journal.write(
                "augmentation", made={name: t.as_json() for name, t in made.tallies.items()}
            )
            return self.task.encode(made.examples)

        return self.once("varied", compute)

    def planted(self) -> list[Row]:
        """Return made-up secrets as rows (``measure.canaries``): they train and judge nothing."""
        from fewtune.data.canaries import canaries

        def compute() -> list[Row]:
            count = self.plan.measure.canaries
            if not count:
                return []
            made = canaries(self.data.shape, count, self.plan.seed)
            return self.task.encode([canary.example for canary in made])

        return self.once("planted", compute)

    def judges(self) -> list[bool]:
        """Return for each known row whether it may judge: a variation of another never does."""
        from fewtune.data.variations import may_judge

        def compute() -> list[bool]:
            found = may_judge(self.data)
            return [found[row] for row in self.places]

        return self.once("judges", compute)

    def known_head(self) -> Fitted:
        """Return the head that a solver fits on the base's states of all known rows."""
        return self.once(
            "known_head",
            lambda: fit(self.known_states(names=True), self.folds(), self.judges()),
        )

    def folds(self) -> list[tuple[int, ...]]:
        """Return folds of the known rows: what is out of training together.

        Near-duplicates and groups stay in one fold, and so do the variations of a row, which do not
        judge it (``judges``).
        """
        from fewtune.data.folds import folds

        def compute() -> list[tuple[int, ...]]:
            k = self.plan.select.folds or (5 if len(self.places) <= MOST_FOR_CHOICE else 3)
            place = {row: number for number, row in enumerate(self.places)}
            parts = folds(self.data, k, seed=self.plan.seed, rows=self.places)
            return [tuple(place[row] for row in part) for part in parts]

        return self.once("folds", compute)
