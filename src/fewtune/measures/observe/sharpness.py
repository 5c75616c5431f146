"""How much the loss rises a small step uphill: on a sharp surface more than on a flat one."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fewtune.tasks.base import Batch, Row, Task

__all__ = ["BATCHES", "RHO", "observe_rises"]

BATCHES = 8
"""Batches looked at."""

ROWS = 16
"""Rows of a batch."""

RHO = 0.001
"""Length of the step relative to the weights' own."""


def observe_rises(
    model: nn.Module,
    task: Task,
    rows: Sequence[Row],
    *,
    rho: float = RHO,
    batches: int = BATCHES,
    batch_size: int = ROWS,
    seed: int = 0,
) -> tuple[float, ...]:
    """Return the rise of the loss of each batch after a step uphill, in nats per unit.

    The step goes along the batch's own gradient g over the trainable parameters θ and is
    ρ · ‖θ‖ · g / ‖g‖ (2406.04836). Compare models only under the same method, so that the same
    parameters move: the base as ``method.prepare`` leaves it, and the tuned model. The model, its
    modes, its gradients and the random state stay as they are.

    Parameters
    ----------
    model, task
        The model and its task. Where nothing is trainable every weight is moved.
    rows
        Rows to draw batches from; the same seed draws the same for every model.
    rho
        Relative length of the step.
    batches, batch_size
        How many batches of how many rows; fewer where there are not that many rows.
    seed
        Of the draw.

    Returns
    -------
    tuple of float
        One rise a batch. NaN where loss or gradient is not finite, 0 where the loss is flat.
    """
    drawn = random.Random(seed).sample(range(len(rows)), min(len(rows), batches * batch_size))
    parts = [drawn[at : at + batch_size] for at in range(0, len(drawn), batch_size)]
    if len(parts) > 1 and len(parts[-1]) < batch_size / 2:
        last = parts.pop()
        parts[-1] += last
    device = next(model.parameters()).device
    with _quiet(model) as moved:
        return tuple(
            _rise(model, task, task.collate([rows[i] for i in part]).to(device), moved, rho)
            for part in parts
        )


@contextmanager
def _quiet(model: nn.Module) -> Iterator[list[Tensor]]:
    """Hand out the parameters that move, the model in evaluation mode; put everything back."""
    moved: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    frozen: list[Tensor] = []
    if not moved:
        frozen = moved = [p for p in model.parameters() if p.is_floating_point()]
    training = [module for module in model.modules() if module.training]
    for parameter in frozen:
        parameter.requires_grad_(True)
    model.eval()
    try:
        yield moved
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for module in training:
            module.training = True


def _rise(model: nn.Module, task: Task, batch: Batch, moved: Sequence[Tensor], rho: float) -> float:
    import torch

    with torch.enable_grad():
        before = _loss(model, task, batch)
        slopes = torch.autograd.grad(before, list(moved), allow_unused=True)
    # A parameter without part in the loss (a pooler, an unused bias) does not move.
    pairs = [(p, s) for p, s in zip(moved, slopes, strict=True) if s is not None]
    steep = _length([s for _, s in pairs])
    loss = float(before.detach())
    if not (math.isfinite(loss) and math.isfinite(steep)):
        return math.nan
    if steep == 0:
        return 0.0
    step = rho * _length([p for p, _ in pairs]) / steep
    # Kept whole: adding and subtracting would leave rounding behind in every weight.
    own = [p.detach().clone() for p, _ in pairs]
    with torch.no_grad():
        try:
            for parameter, slope in pairs:
                parameter.add_(slope * step)
            after = _loss(model, task, batch)
        finally:
            for (parameter, _), value in zip(pairs, own, strict=True):
                parameter.copy_(value)
    return float(after) - loss


def _length(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.detach().double().square().sum()) for t in tensors))


def _loss(model: nn.Module, task: Task, batch: Batch) -> Tensor:
    """Return the mean loss of the batch's units; a trunk's states would not feel the step."""
    logits = task.read(model, task.hidden(model, batch))
    return task.losses(logits, batch).mean()
