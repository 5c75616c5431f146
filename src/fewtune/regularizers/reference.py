"""The model as it was before the first update: for a method that starts from the base, the base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fewtune.regularizers.base import Running
from fewtune.tasks.base import Batch, inference

__all__ = ["holding", "start_logits"]


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


def start_logits(run: Running, batch: Batch) -> Tensor:
    """Return the start's logits at each unit, in float32, without gradient and without dropout."""
    with holding(run.model, run.start), inference(run.model), run.task.autocast():
        found = run.task.logits(run.model, batch).float()
    # A copy made out here may take part in a graph, which an inference tensor may not.
    with torch.no_grad():
        return found.clone()
