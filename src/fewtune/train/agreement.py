"""What processes that train together must not decide each for itself."""

from __future__ import annotations

from typing import Any, TypeVar

import torch

__all__ = ["anywhere", "first_says"]

V = TypeVar("V")


def anywhere(accelerator: Any, flag: bool) -> bool:
    """Return whether ``flag`` is raised in any process; all must ask at the same place."""
    if accelerator.num_processes == 1:
        return flag
    votes = torch.tensor(float(flag), device=accelerator.device)
    return bool(accelerator.reduce(votes, "sum") > 0)


def first_says(accelerator: Any, value: V) -> V:
    """Return the first process's ``value``; all must ask at the same place.

    Machines may round differently: figures that lead to decisions are one process's alone.
    """
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    found: V = broadcast_object_list([value])[0]
    return found
