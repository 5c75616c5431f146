"""Twins: several models on the weights of one, each with modules of its own."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

__all__ = ["lent", "twin"]

M = TypeVar("M", bound=nn.Module)


def twin(model: M) -> M:
    """Return a model with modules of its own on the very parameters and buffers of ``model``.

    What is added to the twin (adapters, prefixes, hooks, another head) is not in ``model``, and no
    weight exists twice. Writing into a shared weight would change all twins: it is for answering.
    """
    return copy.deepcopy(model, {id(t): t for t in (*model.parameters(), *model.buffers())})


def lent(model: nn.Module, base: nn.Module) -> list[str]:
    """Return the names of the parameters of ``model`` that train in the memory of ``base``."""
    held = {p.untyped_storage().data_ptr() for p in base.parameters() if p.numel()}
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.untyped_storage().data_ptr() in held
    ]
