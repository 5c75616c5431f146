"""The contexts in which a task runs a model: measuring, and computing all of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

__all__ = ["inference", "no_shortcut", "read_anew"]


class inference:
    """Evaluation mode without gradients; the model's modes are restored on leaving."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._inner = torch.inference_mode()

    def __enter__(self) -> None:
        self._training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        self._inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)
        for module in self._training:
            module.training = True


def no_shortcut(model: nn.Module, batch: Any) -> AbstractContextManager[None]:
    """Return a context in which the whole model is computed."""
    return nullcontext()


def read_anew(read: Callable[[], Any]) -> Any:
    """Return the base model, read from its files."""
    return read()
