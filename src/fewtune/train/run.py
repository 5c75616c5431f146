"""What one training is made of and where it stands: what regularizers and monitors may look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fewtune.methods.base import Method
from fewtune.plan.counts import Counts
from fewtune.plan.plan import TrainingPlan
from fewtune.regularizers.base import Regularizer
from fewtune.tasks.base import Batch, Row, Task
from fewtune.train.journal import Journal
from fewtune.train.monitors.base import Evaluation, Monitor

__all__ = ["Forward", "Training"]


class Forward(nn.Module):
    """The task's forward pass as a module, so that DDP and FSDP can wrap what is computed."""

    def __init__(self, model: nn.Module, task: Task, method: Method) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.method = method

    def forward(self, batch: Batch) -> Tensor:
        """Return what the method's loss is computed of: the logits of the batch's units."""
        with self.task.autocast():
            return self.method.output(self.task, self.model, batch)


@dataclass
class Training:
    """One training.

    Attributes
    ----------
    stage
        Its name in the journal.
    model
        The model, its trainable parameters marked by the method.
    rows
        Training rows.
    validation
        Validation rows, for monitors that look at more than their loss; may be empty.
    evaluate
        Returns loss, standard error and headline of the validation rows; ``None`` where all rows
        train and nothing is left to choose by: the last weights are kept then.
    asked
        Rows whose prompts the base's samples answer, where not ``rows``: a refit takes those of its
        trial, so that nothing is drawn twice.
    base
        The base where it is loaded beside: what trains and starts as it needs no copy of its start.
    stop_at
        Update after which the training ends, if before the end of its schedule.
    folder
        Where checkpoints go.
    shared
        What is computed of the base and serves every training of a fit.
    update
        Finished updates.
    end
        ``stop`` or ``roll back`` where a monitor has ended it; empty until then.
    best, best_evaluation
        Trainable parameters of the best evaluation so far, and that evaluation.
    start
        Trainable parameters before the first update.
    evaluations
        All evaluations so far, oldest first.
    gradient_norm
        That of this update before it was clipped; ``None`` until then.
    """

    stage: str
    model: nn.Module
    task: Task
    method: Method
    rows: Sequence[Row]
    plan: TrainingPlan
    counts: Counts
    seed: int
    journal: Journal
    folder: Path
    evaluate: Callable[[int], Evaluation] | None
    accelerator: Accelerator
    regularizers: Sequence[Regularizer] = ()
    monitors: Sequence[Monitor] = ()
    validation: Sequence[Row] = ()
    asked: Sequence[Row] = ()
    base: nn.Module | None = None
    stop_at: int = 0

    update: int = 0
    end: str = ""
    best: dict[str, Tensor] = field(default_factory=dict)
    best_evaluation: Evaluation | None = None
    start: dict[str, Tensor] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)
    gradient_norm: float | None = None
    optimizer: Any = None
    forward: Any = None

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return self.counts.updates

    @property
    def last(self) -> int:
        """Update after which the training ends, monitors apart."""
        return min(self.stop_at or self.updates, self.updates)

    @property
    def epoch(self) -> int:
        """Number (from 0) of the epoch that the next update belongs to."""
        return self.update // self.counts.updates_per_epoch

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.accelerator.device
        return device

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the parameters that train, of those that rest this round as well."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name].detach().clone() for name in self.start}

    def keep_best(self) -> None:
        """Keep the present weights as the best so far, in the place of those that were.

        Before the first update they are the start, of which one copy is enough.
        """
        if not self.update:
            self.best = self.start
        elif not self.best or self.best is self.start:
            self.best = self.weights()
        else:
            parameters = dict(self.model.named_parameters())
            for name, value in self.best.items():
                value.copy_(parameters[name].detach())

    def clip(self) -> float:
        """Clip the gradient as planned; return its norm before, over all trainable parameters."""
        trainable = [p for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in trainable if p.grad is not None])
        most = self.plan.clip or float("inf")
        # torch would multiply every gradient by one where the norm is small enough.
        if not most / (float(norm) + 1e-6) >= 1.0:
            nn.utils.clip_grads_with_norm_(trainable, most, norm)
        self.gradient_norm = float(norm)
        return self.gradient_norm
