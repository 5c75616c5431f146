"""EWC: holds each weight near the base as firmly as the base's answers depend on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from pydantic import Field
from torch import Tensor, nn

from fewtune.errors import PlanError
from fewtune.models.adapters import adapted
from fewtune.regularizers._changes import NO_BASE, Changes
from fewtune.regularizers._rows import RowOptions, rows_to_protect
from fewtune.regularizers.base import Regularizer, Running
from fewtune.regularizers.reference import holding
from fewtune.tasks.base import Row

__all__ = ["Ewc"]


class EwcOptions(RowOptions):
    """Options of ``ewc``."""

    strength: float = Field(
        100.0,
        gt=0,
        description="1 is about the divergence from the base in nats a unit, which holds little",
    )
    samples: int = Field(64, ge=1, description="rows that the Fisher information is measured on")


class Ewc(Regularizer):
    """Adds strength / 2 · Σ F (θ − θ₀)² to the loss (1612.00796).

    F is the diagonal Fisher information of the base a unit, so at strength 1 the penalty is the
    second-order estimate of KL(base‖tuned), were the weights independent. For LoRA, F and the
    change are those of the adapted weights.
    """

    Options = EwcOptions
    refuses = NO_BASE

    def start(self, run: Running) -> None:
        """Measure the Fisher information at the start's weights."""
        self._changes = Changes(run)
        pool = rows_to_protect(run, self.options, labels=False)
        step = max(1, len(pool) // self.options.samples)
        self.fisher = _fisher(run, pool[::step][: self.options.samples])

    def penalty(self, run: Running) -> Tensor:
        """Return strength / 2 · Σ F (θ − θ₀)²."""
        held = self._changes.sum(lambda name, change: (self.fisher[name] * change.square()).sum())
        strength: float = self.options.strength
        return strength / 2 * held


def _weights(run: Running) -> dict[str, nn.Parameter]:
    """Return the weights whose changes are held: what trains, or what adapters change."""
    found = {
        name: parameter
        for name, parameter in run.model.named_parameters()
        if name in run.start and "lora_" not in name
    }
    found.update({name: weight for name, weight, _ in adapted(run.model)})
    packed = [name for name, weight in found.items() if not weight.is_floating_point()]
    if packed:
        raise PlanError(
            "weights with gradients for regularizer ewc",
            f"packed ones, as {packed[0]}",
            "regularizers",
            "Load the base unpacked, or take kl_to_base",
        )
    return found


@contextmanager
def _differentiable(model: nn.Module, weights: Sequence[nn.Parameter]) -> Iterator[None]:
    """Give ``weights`` gradients and the model no dropout inside the ``with`` block."""
    frozen = [weight for weight in weights if not weight.requires_grad]
    training = [module for module in model.modules() if module.training]
    model.eval()
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
        for module in training:
            module.training = True


def _fisher(run: Running, rows: Sequence[Row]) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of every weight, the mean over units.

    The targets are drawn from the model itself, unit by unit. Then the slopes of a row's units are
    uncorrelated, and the square of their sum has the sum of their squares as its mean: one pass
    backward serves a whole row.
    """
    weights = _weights(run)
    fisher = {
        name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()
    }
    generator = torch.Generator().manual_seed(run.seed)
    units = 0
    with holding(run.model, run.start), _differentiable(run.model, list(weights.values())):
        for row in rows:
            batch = run.task.collate([row]).to(run.device)
            with run.task.autocast():
                logits = run.task.protected(run.model, batch)
            known = logits.float().log_softmax(dim=-1)
            drawn = torch.multinomial(known.detach().exp().cpu(), 1, generator=generator)
            score = known.gather(1, drawn.to(run.device)).sum()
            slopes = torch.autograd.grad(score, list(weights.values()), allow_unused=True)
            units += len(known)
            for name, slope in zip(weights, slopes, strict=True):
                if slope is not None:
                    fisher[name] += slope.detach().float().square()
    return {name: value / max(units, 1) for name, value in fisher.items()}
