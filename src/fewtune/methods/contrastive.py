"""Contrastive: states of a class are drawn together, others apart; a solver fits the head after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from fewtune.data.batches import Balanced, Order
from fewtune.errors import PlanError
from fewtune.family import Options
from fewtune.methods.base import top_blocks
from fewtune.methods.full import Full
from fewtune.models.blocks import find_blocks, hold_frozen
from fewtune.tasks.base import Batch, Row, Task

__all__ = ["Contrastive"]


class ContrastiveOptions(Options):
    """Options of contrastive tuning."""

    temperature: float = Field(
        0.07, gt=0, description="divides the cosines; lower: only the nearest rows matter"
    )
    each: int = Field(
        2, ge=2, description="rows of a class in an update; its other rows are of other classes"
    )
    top: int = Field(0, ge=0, description="only this many top blocks train; 0: a share of them")
    share: float = Field(
        0.33, gt=0, le=1, description="of the blocks that train, from the top, where top is 0"
    )
    names: bool = Field(
        True,
        description="the classes' names are compared too, as rows of their class, wherever they "
        "help the head",
    )


class Contrastive(Full):
    """Supervised contrastive loss over updates balanced by class (2004.11362).

    All pairs of n rows are n²; here the rows of an update are compared with each other alone, so
    ``training.batch_size`` and the number of updates bound the pairs. The head takes no part: once
    the encoder is trained, and at every stand of the dial, a solver fits it on the states. The last
    weights are kept: what they are worth shows only when they are dialled towards the base.
    """

    Options = ContrastiveOptions
    tasks = frozenset({"text_classification"})
    why = "rows must have classes to be drawn together by, and texts to be encoded whole"
    solves_after = True
    compares = True
    rate_factor = 2.0
    """all-MiniLM-L6-v2, its last two blocks: 2e-4 (benchmarks/LOG.md)."""
    refuses: ClassVar[dict[str, str]] = {
        "kl_to_base": "the head is fitted after training, so there are no answers to hold",
        "ewc": "the head is fitted after training, so there are no answers to hold",
        "replay": "its rows need a class to be drawn together by",
    }

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with its top blocks trainable and its head not.

        Raises
        ------
        PlanError
            If the task has no classes, or more top blocks are wanted than the model has.
        """
        if task.name not in self.tasks:
            raise PlanError(
                f"a method for {task.name.replace('_', ' ')}",
                f"contrastive: {self.why}",
                "method.name",
                "Choose another method",
            )
        model.requires_grad_(False)
        blocks = top_blocks(model, self.options.top, "top", self.options.share)
        # Embeddings stay: few words come often enough to learn anything. What stays below the
        # blocks is computed once.
        for module in (*blocks, *find_blocks(model).after):
            module.requires_grad_(True)
        model.get_submodule("head").requires_grad_(False)
        hold_frozen(model)
        return model

    def joined(self, rows: Sequence[Row], names: Sequence[Row]) -> list[Row]:
        """Return the rows and the classes' names, each as a row of its class."""
        return [*rows, *(names if self.options.names else ())]

    def order(self, rows: Sequence[Row], size: int, seed: int) -> Order | Balanced:
        """Return updates in which every class that comes has ``each`` rows."""
        labels = [row.label for row in rows]
        return Balanced(labels, size, seed, each=self.options.each)

    def output(self, task: Task, model: nn.Module, batch: Batch) -> Tensor:
        """Return the unit-length states of a batch, of shape (rows, width)."""
        with task.shortcut(model, batch):
            return normalize(task.hidden(model, batch).float(), dim=-1)

    def losses(self, task: Task, output: Tensor, targets: Tensor) -> Tensor:
        """Return each row's contrastive loss in nats, of shape (rows,).

        −mean over the other rows p of its class of log(exp(z·z_p/τ) / Σ exp(z·z_a/τ)), a over all
        other rows; 0 for a row without another of its class (2004.11362, equation 2).
        """
        itself = torch.eye(len(output), dtype=torch.bool, device=output.device)
        near = output @ output.T / self.options.temperature
        shares = near.masked_fill(itself, float("-inf")).log_softmax(dim=1).masked_fill(itself, 0)
        kin = (targets[:, None] == targets[None, :]) & ~itself
        summed = shares.masked_fill(~kin, 0).sum(dim=1)
        found: Tensor = -summed / kin.sum(dim=1).clamp(min=1)
        return found
