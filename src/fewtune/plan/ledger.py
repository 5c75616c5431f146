"""A ledger of tensors: how many bytes a computation holds at most, found without computing it.

The model's own code runs on torch's meta device, where tensors have shapes and no values. Whatever
it makes is written into the ledger and crossed out when it is dropped, activations kept for the
gradient included, so no architecture has to be known by name.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["Kernels", "Ledger"]

FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

LOWERED = frozenset(
    {
        functional.linear,
        functional.conv1d,
        functional.conv2d,
        functional.conv3d,
        torch.matmul,
        torch.bmm,
        torch.addmm,
        torch.mm,
        functional.scaled_dot_product_attention,
    }
)
"""What autocast computes in bfloat16."""


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are alive while it is entered.

    Parameters
    ----------
    known
        Tensors that were there before; they do not count.

    Attributes
    ----------
    live, peak
        Bytes now, and at most since it was entered.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._sizes: dict[int, int] = {tensor.untyped_storage()._cdata: 0 for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation and write down what it made."""
        if func is torch.ops.aten._local_scalar_dense.default:
            # Code that asks a value is told what costs least: masks that are all ones go unused.
            return True if args[0].dtype == torch.bool else 0
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._write(tensor)
        return made

    def _write(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._cross_out, key)

    def _cross_out(self, key: int) -> None:
        self.live -= self._sizes.pop(key, 0)


class Kernels(TorchFunctionMode):
    """Lets meta tensors take the ways that real ones take: autocast, and attention in one kernel.

    Parameters
    ----------
    bf16
        Whether autocast to bfloat16 is on.
    flash
        Whether it is a GPU: attention with dropout is one kernel there too, not on a processor, and
        attention in float32 with fewer keys than queries is none.
    """

    def __init__(self, bf16: bool, flash: bool) -> None:
        super().__init__()
        self.bf16, self.flash = bf16, flash

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one function of torch as autocast would."""
        given = dict(kwargs or {})
        if self.bf16 and func in LOWERED:
            args, given = tree_map(_lowered, args), tree_map(_lowered, given)
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **given)
        return func(*args, **given)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **more: Any,
    ) -> Tensor:
        grouped = bool(more.get("enable_gqa"))
        # On a GPU no kernel for float32 has several queries for one key.
        apart = self.flash and grouped and query.dtype == torch.float32
        if query.ndim != 4 or (dropout_p and not self.flash) or apart:
            plain: Tensor = functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, **more
            )
            return plain
        if grouped:
            groups = query.shape[1] // key.shape[1]
            key = key.repeat_interleave(groups, dim=1)
            value = value.repeat_interleave(groups, dim=1)
        found: Tensor = FLASH(query, key, value, 0.0, is_causal, attn_mask=attn_mask)[0]
        return found


def _lowered(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.to(torch.bfloat16)
    return value
