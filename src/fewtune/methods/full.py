"""Full fine-tuning: every parameter trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import nn

from fewtune.methods.base import Method, load_head, save_head
from fewtune.models.load import Source
from fewtune.tasks.base import Task

__all__ = ["Full"]


class Full(Method):
    """Every parameter trains; the result is a model folder that stands alone."""

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model, all of it trainable."""
        return model.requires_grad_(True)

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the whole model in the transformers format, and the head beside it."""
        whole: Any = getattr(model, "encoder", model)
        whole.save_pretrained(folder)
        save_head(model, folder, task)

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the model read from ``folder`` alone; the base is not needed."""
        base = task.source
        task.source = Source(str(folder), str(folder))
        try:
            model = task.load_model()
        finally:
            task.source = base
        load_head(cast(Any, model), folder)
        return model
