"""Head: the model stays frozen and only its last layer is fitted; cheapest and hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fewtune.methods.base import Method, load_head, own_head, save_head
from fewtune.methods.probe import Fitted
from fewtune.models.blocks import hold_frozen
from fewtune.tasks.base import Row, Task, inference

__all__ = ["Head", "features", "install"]


class Head(Method):
    """Only the last layer is fitted: by a solver for classification, by the loop for generation.

    A frozen probe is a legitimate winner: it forgets nothing and takes seconds.
    """

    solves = frozenset({"text_classification", "image_classification"})
    keeps_base = True
    rate_factor = 10.0

    def leaves_linear(self, task: str) -> bool:
        """Return whether it does: the last layer of a language model is linear itself."""
        return task in self.solves

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with its head alone trainable."""
        model.requires_grad_(False)
        own_head(model).requires_grad_(True)
        hold_frozen(model)
        return model

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the head alone (classification) or the whole language model."""
        if hasattr(model, "head"):
            save_head(model, folder, task)
        else:
            model.save_pretrained(folder)  # type: ignore[operator]

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the base with the head of ``folder``."""
        from fewtune.methods.full import Full

        if task.name == "generation":
            return Full().restore(task, folder)
        model = task.load_model()
        load_head(model, folder)
        return model


def features(model: nn.Module, task: Task, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Return the frozen state of each row, of shape (rows, width), in the order of the rows."""
    from fewtune.data.batches import chunks

    device = next(model.parameters()).device
    found: list[Any] = [None] * len(rows)
    lengths = [row.length for row in rows]
    with inference(model):
        for places in chunks(range(len(rows)), lengths, task.budget(model)):
            batch = task.collate([rows[i] for i in places]).to(device)
            with task.autocast():
                states = task.hidden(model, batch)
            for place, state in zip(places, states.float().cpu().numpy(), strict=True):
                found[place] = state
    return np.stack(found)


def install(model: Any, fitted: Fitted) -> None:
    """Copy a fitted head into a classifier."""
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(fitted.weight))
        model.head.bias.copy_(torch.from_numpy(fitted.bias))
