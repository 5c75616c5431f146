"""A base that nothing trains, held in the precision in which passes compute with it."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["lower", "made_low"]

READ = re.compile(r"self\.(\w+)\.(?:weight|bias)\b")
"""A module's code reads the weights of one of its layers, instead of calling the layer."""


class _Raised(torch.autograd.Function):
    """x·Wᵀ + b in the precision of x, of which no copy of W is kept for the pass backward."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _linear(given, weight, bias)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        (weight,) = ctx.saved_tensors
        return slope @ weight.to(slope.dtype), None, None


class LowLinear(nn.Linear):
    """A frozen linear layer whose weights are held in bfloat16.

    Under autocast it computes what it would with whole weights, and elsewhere in the precision of
    its input.
    """

    def forward(self, given: Tensor) -> Tensor:
        """Return x·Wᵀ + b."""
        kind = given.device.type
        # Tensors without values are only counted: who counts them says how they are computed.
        apart = given.dtype != self.weight.dtype and kind != "meta"
        if not apart or torch.is_autocast_enabled(kind):
            return nn.functional.linear(given, self.weight, self.bias)
        if self.weight.requires_grad:
            return _linear(given, self.weight, self.bias)
        found: Tensor = _Raised.apply(  # type: ignore[no-untyped-call]
            given, self.weight, self.bias
        )
        return found


def _linear(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    raised = None if bias is None else bias.to(given.dtype)
    return nn.functional.linear(given, weight.to(given.dtype), raised)


def lower(model: Any) -> Any:
    """Return the model, the weights of its linear layers in bfloat16, changed in place.

    Autocast rounds these weights to bfloat16 whenever they are multiplied with, and keeps what it
    rounded for the pass backward: so answers and slopes are the same to the bit, for half of the
    memory of the weights and none beside it. Embeddings, norms and states stay in float32, and so
    do a weight that another module has too (a tied embedding) and one that the layer's own module
    reads by itself (state-space models multiply with some in their own way).

    Parameters
    ----------
    model
        A language model, or a classifier, whose own head trains and is left as it is. Nothing may
        train its linear layers.
    """
    whole: nn.Module = getattr(model, "encoder", model)
    held = Counter(id(p) for m in whole.modules() for p in m.parameters(recurse=False))
    modules = list(whole.modules())
    code = {kind: READ.findall(_code(kind)) for kind in set(map(type, modules))}
    for parent, read in [(module, code[type(module)]) for module in modules]:
        for name, layer in parent.named_children():
            shared = any(held[id(p)] > 1 for p in layer.parameters())
            # A subclass may do with its weights whatever it likes.
            if type(layer) is nn.Linear and not shared and name not in read:
                layer.to(torch.bfloat16)
                layer.__class__ = LowLinear
    return model


def made_low(kind: Any) -> Any:
    """Return a subclass of a model that is lowered when it is made, before its weights are read.

    They are then read as they are held, and never there in float32 beside that.
    """

    class Low(kind):  # type: ignore[misc]
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            lower(self)

    return Low


def _code(kind: type[nn.Module]) -> str:
    """Return the code of a module's class and of those it is made from."""
    from transformers import PreTrainedModel

    found = []
    for one in kind.__mro__:
        if issubclass(one, nn.Module) and one not in (nn.Module, PreTrainedModel):
            with suppress(OSError, TypeError):  # its file is not here
                found.append(inspect.getsource(one))
    return "\n".join(found)
