"""A user's own method with a fault: the head stays as it was made."""

from __future__ import annotations

from torch import nn

from fewtune.methods.base import own_head
from fewtune.methods.partial import Partial
from fewtune.tasks.base import Task

__all__ = ["FrozenHead"]


class FrozenHead(Partial):
    """The top blocks train and the head does not."""

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with its top blocks alone trainable."""
        model = super().prepare(model, task)
        own_head(model).requires_grad_(False)
        return model
