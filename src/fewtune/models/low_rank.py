"""The pass of a low-rank layer in fewer steps than PEFT takes, with the same result.

PEFT computes the base layer, the change, its scaling and their sum one after the other, each a pass
over all outputs; and the slopes of the inputs from base and change are two more that are added.
Here the change is added by the multiplication that makes it, both ways.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["hasten"]


class _LowRank(torch.autograd.Function):
    """x·Wᵀ + b + scale · (x·Aᵀ)·Bᵀ where W and b do not train."""

    @staticmethod
    def forward(
        ctx: Any,
        given: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        flat = given.reshape(-1, given.shape[-1])
        inner = flat @ down.t()
        out = nn.functional.linear(flat, weight, bias)
        out.addmm_(inner, up.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, down, up, inner)
        ctx.scale = scale
        return out.view(*given.shape[:-1], out.shape[-1])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        flat, weight, down, up, inner = ctx.saved_tensors
        whole = slope.reshape(-1, slope.shape[-1])
        small = (whole @ up) * ctx.scale
        found = None
        if ctx.needs_input_grad[0]:
            found = whole @ weight
            found.addmm_(small, down)
            found = found.view(*slope.shape[:-1], found.shape[-1])
        of_down = small.t() @ flat if ctx.needs_input_grad[3] else None
        of_up = (whole.t() @ inner) * ctx.scale if ctx.needs_input_grad[4] else None
        return found, None, None, of_down, of_up, None


def hasten(model: nn.Module, kind: type[nn.Module]) -> None:
    """Give low-rank layers the shorter pass wherever nothing is asked of them beyond it.

    Parameters
    ----------
    model
        Its layers are changed in place.
    kind
        PEFT's class of a low-rank linear layer.
    """
    for module in model.modules():
        layer: Any = module
        if type(module) is kind and type(layer.get_base_layer()) is nn.Linear:
            layer.forward = partial(_pass, layer)


def _pass(layer: Any, given: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    active = layer.active_adapters
    base = layer.get_base_layer()
    plain = (
        not args
        and not kwargs
        and not layer.disable_adapters
        and not layer.merged
        and len(active) == 1
        and active[0] in layer.lora_A
        and active[0] not in layer.lora_variant
        and not layer.lora_bias.get(active[0], False)
        and not base.weight.requires_grad
        # Half precision is autocast's business, and tensors without values are only counted.
        and given.device.type != "meta"
        and not torch.is_autocast_enabled(given.device.type)
        and given.dtype == base.weight.dtype == layer.lora_A[active[0]].weight.dtype
        and isinstance(layer.lora_dropout[active[0]], nn.Identity)
    )
    if not plain:
        found: Tensor = type(layer).forward(layer, given, *args, **kwargs)
        return found
    name = active[0]
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    quick: Tensor = _LowRank.apply(  # type: ignore[no-untyped-call]
        given, base.weight, base.bias, down, up, layer.scaling[name]
    )
    return quick
