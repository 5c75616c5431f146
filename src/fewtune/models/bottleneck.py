"""Bottleneck adapters: two small layers after attention and feed-forward of every block."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fewtune.errors import ModelError
from fewtune.models.blocks import find_blocks

__all__ = ["Bottleneck", "add_bottlenecks", "bottleneck_parameters", "fill"]


class Bottleneck(nn.Module):
    """x + up(gelu(down(x))): the input itself as long as ``up`` is zero (1902.00751).

    Parameters
    ----------
    width
        Values of the state that it changes.
    size
        Values in between.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.enabled = True

    def forward(self, states: Tensor) -> Tensor:
        """Return the states, changed where the adapter is enabled."""
        if not self.enabled:
            return states
        change: Tensor = self.up(nn.functional.gelu(self.down(states)))
        return states + change


def add_bottlenecks(model: nn.Module, size: int, width: int) -> int:
    """Put an adapter behind every output projection of attention and feed-forward, in place.

    They come before the residual is added, as in 1902.00751. Nothing else of the model changes,
    neither its names nor what it computes.

    Parameters
    ----------
    model
        A transformer.
    size
        Values in the middle of an adapter.
    width
        Values of the model's states.

    Returns
    -------
    int
        How many adapters there are now.

    Raises
    ------
    ModelError
        If the model's blocks have no such projections.
    """
    added = 0
    for block in find_blocks(model).blocks:
        for projection in _projections(block, width):
            device = next(projection.parameters()).device
            projection.add_module("bottleneck", Bottleneck(width, size).to(device))
            projection.register_forward_hook(_adapt)
            added += 1
    if not added:
        raise ModelError(
            "a transformer, for adapters after attention and feed-forward",
            f"{type(model).__name__}, whose blocks have no linear layer of width {width}",
            cure="Choose method partial or full",
        )
    return added


def _projections(block: nn.Module, width: int) -> list[nn.Module]:
    """Return the last linear layer of the block's attention and of the rest of the block.

    Only layers that give back the model's width count: what they give is added to the residual.
    """
    attention: list[nn.Module] = []
    rest: list[nn.Module] = []
    for name, module in block.named_modules():
        # A model without one width throughout (a convolutional one) says none: nothing fits.
        if width and _width_out(module) == width:
            (attention if "att" in name.lower() else rest).append(module)
    return attention[-1:] + rest[-1:]


def _width_out(module: nn.Module) -> int:
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.Linear):
        return module.out_features
    return int(module.nf) if isinstance(module, Conv1D) else 0


def _adapt(module: Any, given: Any, states: Tensor) -> Tensor:
    adapted: Tensor = module.bottleneck(states)
    return adapted


def bottleneck_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of all adapters of ``model`` by name."""
    return {
        f"{name}.{inner}": parameter
        for name, module in model.named_modules()
        if isinstance(module, Bottleneck)
        for inner, parameter in module.named_parameters()
    }


@torch.no_grad()
def fill(parameters: dict[str, nn.Parameter], values: dict[str, Tensor], where: str) -> None:
    """Copy ``values`` into parameters of the same names and shapes.

    Raises
    ------
    ModelError
        If a name or a shape differs.
    """
    shapes = {name: tuple(p.shape) for name, p in parameters.items()}
    given = {name: tuple(value.shape) for name, value in values.items()}
    if shapes != given:
        odd = sorted(set(shapes.items()) ^ set(given.items()))
        raise ModelError(
            "the parameters that the run trained",
            f"another name or shape: {odd[0][0]}",
            where,
            "The file belongs to another model or run: fit again",
        )
    for name, value in values.items():
        parameters[name].copy_(value)
