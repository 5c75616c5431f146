"""Classes that the base knew are kept beside the new ones, and what that costs both is told.

The old classes have heads of their own, whose rows never train; the new head is fitted and trained
as ever. Which of them answers is decided by the margin: how much surer (log-sum-exp of the logits,
2010.03759) the old heads are of a row than the new one. The gate lies where one in twenty of the
rows that trained or chose would be answered with an old class, or, where rows of old classes are
given, where the two kinds of mistakes together are fewest on half of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewtune.data.batches import chunks
from fewtune.data.load import load
from fewtune.errors import DataError, PlanError
from fewtune.family import suggest
from fewtune.models.load import Source
from fewtune.models.old_classes import Known, OldClasses
from fewtune.records import Example, Shape
from fewtune.tasks.base import Batch, Row, Task, TaskSettings, inference
from fewtune.tasks.labels import ranked

__all__ = ["KeepsClasses"]

T = TypeVar("T")

GIVEN_AWAY = 0.05
"""Share of new rows that may be answered with an old class where no old rows are given."""

MOST_ROWS = 512
"""Rows that the gate is set by, and rows of old classes that are looked at."""


class KeepsClasses(Task):
    """A classifier whose base may know classes that are kept (``task.keep_classes``)."""

    def __init__(
        self,
        source: Source,
        settings: TaskSettings,
        shape: Shape,
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(source, settings, shape, labels)
        if settings.old_rows and not settings.keep_classes:
            raise PlanError(
                "task.keep_classes with task.old_rows",
                "rows of old classes, and none are kept",
                "task.old_rows",
                "Set task.keep_classes=true, or leave task.old_rows out",
            )
        self.old: tuple[Known, ...] = ()
        """The heads that are kept, once the base was read."""
        self.kept: dict[str, Any] = {}
        """What is known of the old classes in the finished model."""
        self._rows: list[Row] = []

    @property
    def old_labels(self) -> tuple[str, ...]:
        """Names of all classes that are kept, oldest first."""
        return tuple(label for one in self.old for label in one.labels)

    def put_old(self, model: Any, known: Sequence[Known], width: int) -> None:
        """Give ``model`` the heads that are kept.

        Raises
        ------
        PlanError
            If a new class is called as an old one.
        """
        self.old = tuple(known)
        both = sorted(set(self.old_labels) & set(self.labels))
        if both:
            raise PlanError(
                "new classes with names that no old class has",
                f"old and new: {', '.join(both[:5])}",
                "task.keep_classes",
                "Rename the new ones, or leave task.keep_classes out and tune on all rows together",
            )
        model.old = OldClasses(list(known), width)

    def remember(self, rows: Sequence[Row]) -> None:
        """Keep some labelled rows of the first that are encoded: those that train and choose."""
        if self.settings.keep_classes and not self._rows:
            self._rows = _some([row for row in rows if row.label >= 0])

    def protected(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits that ``kl_to_base`` holds: of the old classes, where they are kept."""
        if not self.old:
            return super().protected(model, batch)
        classifier: Any = model
        with self.shortcut(model, batch):
            states = classifier.pool(**batch.inputs)
        logits: Tensor = classifier.old(states)
        return logits

    def old_answers(
        self, model: Any, rows: Sequence[Row]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the old classes' probabilities of each row, and its margin over the new ones."""
        device = next(model.parameters()).device
        shares: list[Any] = [None] * len(rows)
        margins = np.zeros(len(rows))
        lengths = [row.length for row in rows]
        with inference(model):
            for places in chunks(range(len(rows)), lengths, self.budget(model)):
                batch = self.collate([rows[i] for i in places]).to(device)
                with self.autocast():
                    states = model.pool(**batch.inputs)
                    old = model.old(states).double()
                    new = self.read(model, nn.functional.normalize(states, dim=-1)).double()
                margin = torch.logsumexp(old, dim=1) - torch.logsumexp(new, dim=1)
                for place, share, one in zip(places, old.softmax(dim=1), margin, strict=True):
                    shares[place], margins[place] = share.cpu().numpy(), float(one)
        return np.stack(shares), margins

    def settle(self, model: Any) -> None:
        """Set the gate of a finished model, and note what old and new classes cost each other."""
        _, new = self.old_answers(model, self._rows) if self._rows else ((), np.zeros(1))
        given = self._old_rows() if self.settings.old_rows else []
        shares, old = self.old_answers(model, given) if given else (np.zeros((0, 1)), np.zeros(0))
        gate = _best(new, old[::2]) if given else float(np.quantile(new, 1 - GIVEN_AWAY))
        model.old.gate.fill_(gate)
        self.kept = {
            "heads": [{"labels": list(one.labels), "unit": one.unit} for one in self.old],
            "new_rows": len(self._rows),
            "new_answered_old": float((new > gate).mean()),
        }
        if given:
            base, _ = self.old_answers(self.load_model().to(model.old.gate.device), given)
            self.kept |= _flips([row.label for row in given], base, shares, old > gate)
        self.kept["sentence"] = sentence(self.kept)

    def _old_rows(self) -> list[Row]:
        """Return rows of old classes, their labels numbered as the old classes are."""
        numbers = {label: number for number, label in enumerate(self.old_labels)}
        data = load(self.settings.old_rows)
        strange = [e for e in data if e.target not in numbers]
        if strange or data.shape not in self.shapes:
            first = strange[0] if strange else data[0]
            raise DataError(
                "rows of the classes that the base knows",
                f"{first.target!r}",
                first.source,
                suggest(str(first.target), numbers),
            )
        some = _some(data.examples)
        rows = self.encode([Example(e.input, None, e.source, e.group) for e in some])
        return [replace(r, label=numbers[str(e.target)]) for r, e in zip(rows, some, strict=True)]

    def answered(
        self, model: Any, examples: Sequence[Example], rows: Sequence[Row]
    ) -> list[dict[str, Any]]:
        """Return the answers to ``examples``; where old classes are kept, of old or new ones.

        A probability is a share among the classes of its kind. ``known_before`` tells which.
        """
        new = ranked(examples, self.outcomes(model, rows).probabilities, self.labels)
        if not self.old:
            return new
        shares, margins = self.old_answers(model, rows)
        old = ranked(examples, shares, self.old_labels)
        return [
            {**(old[i] if margins[i] > float(model.old.gate) else new[i])}
            | {"known_before": bool(margins[i] > float(model.old.gate))}
            for i in range(len(rows))
        ]

    def describe_old(self) -> dict[str, Any]:
        """Return what must be kept of the old classes; nothing where there are none."""
        return {"old": self.kept} if self.old else {}

    def restore_old(self, about: dict[str, Any]) -> None:
        """Take over what ``describe_old`` kept; the values of the heads lie beside the weights."""
        self.kept = about.get("old", {})
        heads = self.kept.get("heads", ())
        self.old = tuple(Known(tuple(one["labels"]), bool(one["unit"])) for one in heads)


def _some(rows: Sequence[T]) -> list[T]:
    """Return at most ``MOST_ROWS`` rows, spread evenly."""
    return list(rows)[:: max(1, len(rows) // MOST_ROWS)][:MOST_ROWS]


def _best(new: NDArray[np.float64], old: NDArray[np.float64]) -> float:
    """Return the gate with the fewest mistakes, both kinds counted as shares of their rows."""
    tried = np.unique(np.concatenate([new, old]))
    between = (tried[1:] + tried[:-1]) / 2 if len(tried) > 1 else tried
    wrong = [(new > gate).mean() + (old <= gate).mean() for gate in between]
    return float(between[int(np.argmin(wrong))])


def _flips(
    truth: Sequence[int],
    base: NDArray[np.float64],
    tuned: NDArray[np.float64],
    kept: NDArray[np.bool_],
) -> dict[str, Any]:
    """Return what became of rows of old classes; the gate is judged on those it was not set by."""
    from scipy.stats import binomtest

    wanted = np.asarray(truth)
    before, after = base.argmax(axis=1) == wanted, tuned.argmax(axis=1) == wanted
    flipped = int((before & ~after).sum())
    interval = binomtest(flipped, max(int(before.sum()), 1)).proportion_ci(method="wilson")
    return {
        "old_rows": len(wanted),
        "right_before": int(before.sum()),
        "right_after": int(after.sum()),
        "flipped": flipped,
        "flips": flipped / max(int(before.sum()), 1),
        "flips_low": float(interval.low),
        "flips_high": float(interval.high),
        "old_answered_new": float(1 - kept[1::2].mean()) if len(wanted) > 1 else 0.0,
    }


def sentence(kept: dict[str, Any]) -> str:
    """Return in words what became of the old classes."""
    classes = sum(len(head["labels"]) for head in kept["heads"])
    told = (
        f"The {classes} classes that the base knew are kept: their rows of the head did not train. "
        f"Of {kept['new_rows']} rows that trained or chose, {kept['new_answered_old']:.1%} "
        "would be answered with one of them."
    )
    if "flips" in kept:
        return (
            f"{told} Of {kept['old_rows']} rows of old classes, {kept['flipped']} of "
            f"{kept['right_before']} that were right are wrong now ({kept['flips']:.1%} "
            f"[{kept['flips_low']:.1%}, {kept['flips_high']:.1%}]), and "
            f"{kept['old_answered_new']:.1%} would be answered with a new class."
        )
    return (
        f"{told} What became of rows of old classes was not measured: give some with task.old_rows."
    )
