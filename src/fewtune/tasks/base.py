"""What a task is: examples to tensors, the loss, predictions, and the headline measure.

Every loss is a cross-entropy over *units*: the supervised tokens of a text, or one a row for a
class. ``hidden`` gives the model's state at each unit and ``read`` turns states into logits; so
regularizers that weigh, mask or compare units work on every task, and logits exist only where they
are supervised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fewtune.data.batches import chunks
from fewtune.family import Family
from fewtune.models.load import Source
from fewtune.records import Example, Shape
from fewtune.tasks.contexts import inference, no_shortcut, read_anew
from fewtune.tasks.outcomes import Outcomes, group_numbers
from fewtune.tasks.settings import TaskSettings

__all__ = ["TASKS", "Batch", "Row", "Task", "TaskSettings", "inference", "no_shortcut"]

SLICE = 2048
"""Units whose logits are held at once while measuring."""


@dataclass(frozen=True, slots=True)
class Row:
    """An encoded example.

    Attributes
    ----------
    example
        Where it came from.
    ids
        Token ids.
    labels
        Generation: the id expected at each position, ``IGNORED`` elsewhere.
    label
        Classification: class number; -1 where unknown.
    bytes
        UTF-8 bytes of the target text, of what is left of it where the row was cut (generation).
    size
        What a row without tokens costs in a batch: an image, in patches of a token's cost.
    cut
        Tokens that did not fit and were left out.
    """

    example: Example
    ids: tuple[int, ...]
    labels: tuple[int, ...] = ()
    label: int = -1
    bytes: int = 0
    size: int = 0
    cut: int = 0

    @property
    def length(self) -> int:
        """What the row costs in a batch: its tokens, or what an image counts as."""
        return self.size or len(self.ids)


@dataclass(frozen=True)
class Batch:
    """Rows as tensors.

    Attributes
    ----------
    inputs
        What the model is given, by argument name.
    targets
        Class or token id expected at each unit, int64 of shape (units,).
    weights
        Weight of each unit in the loss, float32 of shape (units,).
    owners
        Which row of the batch each unit belongs to, int64 of shape (units,).
    rows
        The encoded examples, in order.
    places
        Generation: flat position (row × width + column) of the state that predicts each unit.
    """

    inputs: dict[str, Tensor]
    targets: Tensor
    weights: Tensor
    owners: Tensor
    rows: tuple[Row, ...]
    places: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        return replace(
            self,
            inputs={name: value.to(device) for name, value in self.inputs.items()},
            targets=self.targets.to(device),
            weights=self.weights.to(device),
            owners=self.owners.to(device),
            places=None if self.places is None else self.places.to(device),
        )


class Task(ABC):
    """How examples of one kind become tensors, a loss, predictions and a headline measure.

    Parameters
    ----------
    source
        The base model.
    settings
        How examples become tensors.
    shape
        How the rows are made.
    labels
        Class names in the order of class numbers; empty for generation.
    """

    name: ClassVar[str]
    shapes: ClassVar[frozenset[Shape]]
    kinds: ClassVar[tuple[str, ...]]
    """Kinds of model that it can tune, as ``models.load.model_kind`` names them."""
    headline: ClassVar[str]
    """Name of the measure that decides."""

    def __init__(
        self,
        source: Source,
        settings: TaskSettings,
        shape: Shape,
        labels: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.settings = settings
        self.shape = shape
        self.labels = tuple(labels)
        self.autocast: Callable[[], Any] = nullcontext
        """Opens the context in which forward passes run; training sets it."""
        self.shortcut: Callable[[nn.Module, Batch], AbstractContextManager[None]] = no_shortcut
        """Opens the context in which a batch's states are computed: a trunk serves some there."""
        self.bring: Callable[[Callable[[], Any]], Any] = read_anew
        """Gives the base, given what reads it: read anew, or a twin of one that is loaded."""
        self.packed = False
        """Whether the base is read in four bits: the one that is tuned, and the one beside it."""
        self.lowered = False
        """Whether its linear layers are held in bfloat16, as passes compute with them."""

    @abstractmethod
    def load_model(self) -> nn.Module:
        """Return the base model, fit for the task, on the CPU."""

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> list[Row]:
        """Return the rows of ``examples``; an example without use is an error that names it."""

    @abstractmethod
    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return rows as one padded batch on the CPU."""

    @abstractmethod
    def hidden(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the model's state at each unit, of shape (units, width)."""

    @abstractmethod
    def read(self, model: nn.Module, hidden: Tensor) -> Tensor:
        """Return the logits of states, of shape (units, classes)."""

    @abstractmethod
    def predict(self, model: nn.Module, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Return one record per example: what the model answers, and how sure it is."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what must be kept beside the weights to serve the model again."""

    @abstractmethod
    def restore(self, about: dict[str, Any]) -> None:
        """Take over what ``describe`` kept of a finished run."""

    @abstractmethod
    def save_processor(self, folder: Path) -> None:
        """Write the tokenizer or image processor into ``folder``."""

    @property
    def varies(self) -> bool:
        """Whether ``training_batch`` gives other inputs than ``collate``."""
        return False

    def training_batch(self, rows: Sequence[Row], seed: str) -> Batch:
        """Return rows as one batch to train on, varied where the task does so.

        A row's variation is a function of ``seed`` (which names run and update) and the row alone,
        whatever the batch it comes in.
        """
        return self.collate(rows)

    def named_rows(self) -> list[Row]:
        """Return a row for the name of each class; none where names say nothing to the model."""
        return []

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits at each unit, of shape (units, classes)."""
        with self.shortcut(model, batch):
            hidden = self.hidden(model, batch)
        return self.read(model, hidden)

    def protected(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits by which the base is protected, those of ``logits`` by default."""
        return self.logits(model, batch)

    def losses(self, logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the cross-entropy of each unit in nats, of shape (units,)."""
        return cross_entropy(
            logits.float(), batch.targets, reduction="none", label_smoothing=smoothing
        )

    def budget(self, model: nn.Module) -> int:
        """Return how many tokens a batch may hold while measuring.

        On a processor few at once are faster than many: what a layer makes of them stays in the
        cache (``benchmarks/speed/measuring.py``). A GPU is busy with some thousands; more only
        take memory.
        """
        return 1024 if next(model.parameters()).device.type == "cpu" else 16384

    def outcomes(self, model: nn.Module, rows: Sequence[Row]) -> Outcomes:
        """Return what ``model`` does on ``rows``; its mode and the random state stay as they are.

        Logits are held for a bounded number of units only.
        """
        device = next(model.parameters()).device
        losses = np.zeros(len(rows))
        units = np.zeros(len(rows), dtype=np.int64)
        probabilities = np.zeros((len(rows), len(self.labels)) if self.labels else (0, 0))
        with inference(model):
            lengths = [row.length for row in rows]
            for places in chunks(range(len(rows)), lengths, self.budget(model)):
                batch = self.collate([rows[i] for i in places]).to(device)
                with self.autocast(), self.shortcut(model, batch):
                    hidden = self.hidden(model, batch)
                at = np.asarray(places)
                for start in range(0, len(hidden), SLICE):
                    part = slice(start, start + SLICE)
                    with self.autocast():
                        logits = self.read(model, hidden[part])
                    nll = cross_entropy(logits.float(), batch.targets[part], reduction="none")
                    owners = at[batch.owners[part].cpu().numpy()]
                    np.add.at(losses, owners, nll.double().cpu().numpy())
                    np.add.at(units, owners, 1)
                    if self.labels:
                        shares = logits.double().softmax(dim=-1)
                        probabilities[owners] = shares.cpu().numpy()
        truth = [row.label for row in rows] if self.labels else []
        return Outcomes(
            sources=tuple(row.example.source for row in rows),
            groups=group_numbers([row.example.group for row in rows]),
            losses=losses,
            units=units,
            bytes=np.asarray([row.bytes for row in rows], dtype=np.int64),
            truth=np.asarray(truth, dtype=np.int64),
            probabilities=probabilities,
            labels=self.labels,
        )


TASKS: Family[Task] = Family(
    "fewtune.tasks",
    Task,
    "task",
    not_members=["contexts", "keeping", "labels", "outcomes", "settings", "writing"],
)
