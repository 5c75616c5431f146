"""Twins: several models on the weights of one, each with modules of its own."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

__all__ = ["twin"]

M = TypeVar("M", bound=nn.Module)


def twin(model: M) -> M:
    """Return a model with modules of its own on the very parameters and buffers of ``model``.

    What is added to the twin (adapters, prefixes, hooks, another head) is not in ``model``, and no
    weight exists twice. Writing into a shared weight would change all twins: it is for answering.
    """
    return copy.deepcopy(model, {id(t): t for t in (*model.parameters(), *model.buffers())})
