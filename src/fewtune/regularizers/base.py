"""What a regularizer may change in training, and when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from fewtune.family import Configured, Family
from fewtune.methods.base import Method
from fewtune.tasks.base import Batch, Row, Task

__all__ = ["REGULARIZERS", "Regularizer", "Running"]


class Running(Protocol):
    """What a regularizer may know of the training that it takes part in."""

    model: nn.Module
    task: Task
    method: Method
    rows: Sequence[Row]
    """The training rows."""
    asked: Sequence[Row]
    """Rows whose prompts the base's samples answer, where not the training rows; see ``_rows``."""
    start: dict[str, Tensor]
    """Trainable parameters as they were before the first update, by name; see ``reference``."""
    optimizer: Any
    accelerator: Any
    """Number of processes, this one's number, and what they do together."""
    folder: Path
    """Where checkpoints go; what is drawn once for the whole fit is kept beside it."""
    shared: dict[Any, Any]
    """What was computed of the base by trainings of the same fit before this one, and is kept."""
    journal: Any
    plan: Any
    """The settings of the loop."""
    update: int
    """Finished updates."""
    seed: int

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        ...

    @property
    def epoch(self) -> int:
        """Number (from 0) of the epoch that the next update belongs to."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        ...

    def clip(self) -> float:
        """Clip the gradient as planned; return its norm before."""
        ...


class Regularizer(Configured):
    """Something that protects the base while it is trained; every hook has a harmless default.

    A member's file defines one subclass; the file's name is its name in plans.
    """

    word = "regularizer"
    tasks: ClassVar[frozenset[str]] = frozenset(
        {"generation", "text_classification", "image_classification"}
    )
    owns_update: ClassVar[bool] = False
    """Whether ``update`` is its own; a plan may hold only one such regularizer."""
    role: ClassVar[str] = ""
    """What it does that one of another name does as well: a guard that is tried takes its place."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Methods and regularizers it cannot be combined with, and why."""

    def unfit(self, task: str) -> str:
        """Return why it cannot be used as configured for a task, or nothing if it can."""
        return ""

    def start(self, run: Running) -> None:
        """Prepare, before the first update (and again after a resume)."""

    def round(self, run: Running) -> None:
        """Do what is due once an epoch, before its first update."""

    def rows(self, run: Running, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows of an update, others mixed in.

        Called once an update with the rows of all processes, before they are shared out and cut
        into batches; it must return the same on every process.
        """
        return rows

    def batch(self, run: Running, batch: Batch) -> Batch:
        """Return the batch to train on: other weights or labels.

        Called once per batch and update, outside ``backward``.
        """
        return batch

    def penalty(self, run: Running) -> Tensor | None:
        """Return a scalar added to the loss of every ``backward``, or ``None``.

        Called once per ``backward``, however the update is cut into batches. The mean over
        processes is what counts.
        """
        return None

    def update(self, run: Running, backward: Callable[[], float]) -> float:
        """Do one optimizer step; only asked of one that ``owns_update``.

        ``backward()`` adds the gradient of the whole accumulation group, always with the same
        dropout, and returns its loss. Gradients are zero on entry.

        Returns
        -------
        float
            The loss at the weights before the step.
        """
        raise TypeError(f"{self.name} does not own the update")

    def finish(self, run: Running) -> None:
        """Clean up after the last update."""


REGULARIZERS: Family[Regularizer] = Family(
    "fewtune.regularizers", Regularizer, "regularizer", not_members=["reference"]
)
