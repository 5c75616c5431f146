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
    at_once: int = ROWS,
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
    at_once
        Most rows computed at once: a bound on memory, which changes nothing but rounding.
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
    tokens = task.budget(model)
    with _quiet(model) as moved:
        return tuple(
            _rise(model, task, _cut([rows[i] for i in part], task, tokens, at_once), moved, rho)
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


def _cut(rows: Sequence[Row], task: Task, tokens: int, most: int) -> list[Batch]:
    """Return one batch of rows in pieces that hold little."""
    from fewtune.data.batches import chunks

    places = chunks(range(len(rows)), [row.length for row in rows], tokens, most)
    return [task.collate([rows[i] for i in some]) for some in places]


def _rise(
    model: nn.Module, task: Task, pieces: Sequence[Batch], moved: Sequence[Tensor], rho: float
) -> float:
    import torch

    loss, slopes = _slopes(model, task, pieces, moved)
    # A parameter without part in the loss (a pooler, an unused bias) does not move.
    pairs = [(p, s) for p, s in zip(moved, slopes, strict=True) if s is not None]
    steep = _length([s for _, s in pairs])
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
            after = sum(float(_loss(model, task, piece)) for piece in pieces) / _units(pieces)
        finally:
            for (parameter, _), value in zip(pairs, own, strict=True):
                parameter.copy_(value)
    return after - loss


def _slopes(
    model: nn.Module, task: Task, pieces: Sequence[Batch], moved: Sequence[Tensor]
) -> tuple[float, list[Tensor | None]]:
    """Return the mean loss of the pieces' units and its gradient, added up piece by piece."""
    import torch

    units, loss = _units(pieces), 0.0
    found: list[Tensor | None] = [None] * len(moved)
    for piece in pieces:
        with torch.enable_grad():
            part = _loss(model, task, piece) / units
            slopes = torch.autograd.grad(part, list(moved), allow_unused=True)
        loss += float(part.detach())
        for place, slope in enumerate(slopes):
            before = found[place]
            if slope is not None:
                found[place] = slope if before is None else before + slope
    return loss, found


def _units(pieces: Sequence[Batch]) -> int:
    return sum(len(piece.targets) for piece in pieces)


def _length(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.detach().double().square().sum()) for t in tensors))


def _loss(model: nn.Module, task: Task, batch: Batch) -> Tensor:
    """Return the summed loss of the batch's units; a trunk's states would not feel the step."""
    batch = batch.to(next(model.parameters()).device)
    logits = task.read(model, task.hidden(model, batch))
    return task.losses(logits, batch).sum()
