"""The base, seen through the model that is being trained: its start, what was added left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fewtune.regularizers.base import Running
from fewtune.tasks.base import Batch, inference

__all__ = ["at_base", "base_logits", "holding"]


@contextmanager
def holding(model: nn.Module, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Let ``model`` have the parameters of ``state`` inside the ``with`` block; nothing is copied.

    Parameters keep their identity, so optimizer, gradients and a graph that is being built are not
    touched.
    """
    parameters = dict(model.named_parameters())
    own = {name: parameters[name].data for name in state}
    try:
        for name, value in state.items():
            parameters[name].data = value
        yield
    finally:
        for name, value in own.items():
            parameters[name].data = value


@contextmanager
def at_base(run: Running) -> Iterator[None]:
    """Let the model be the base inside the ``with`` block.

    That is its start. A part beside the base that has a say from the start, such as a prefix, bears
    a switch named ``enabled`` and is switched off.
    """
    beside: list[Any] = [m for m in run.model.modules() if getattr(m, "enabled", False) is True]
    for part in beside:
        part.enabled = False
    try:
        with holding(run.model, run.start):
            yield
    finally:
        for part in beside:
            part.enabled = True


def base_logits(run: Running, batch: Batch, *, protected: bool = False) -> Tensor:
    """Return the base's logits at each unit, in float32, without gradient and without dropout.

    With ``protected``, those that its answers are held by (see ``Task.protected``).
    """
    read = run.task.protected if protected else run.task.logits
    with at_base(run), inference(run.model), run.task.autocast():
        found = read(run.model, batch).float()
    # A copy made out here may take part in a graph, which an inference tensor may not.
    with torch.no_grad():
        return found.clone()
