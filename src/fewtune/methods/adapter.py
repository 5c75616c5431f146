"""Adapter: small bottleneck layers after attention and feed-forward; the base stays whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from fewtune.family import Options
from fewtune.methods.base import Method, load_head, load_tensors, save_head, save_tensors
from fewtune.models.blocks import hold_frozen
from fewtune.models.bottleneck import add_bottlenecks, bottleneck_parameters, fill
from fewtune.tasks.base import Task

__all__ = ["Adapter"]

FILE = "bottleneck.safetensors"


class AdapterOptions(Options):
    """Options of bottleneck adapters."""

    size: int = Field(32, ge=1, description="values in the middle of an adapter")


class Adapter(Method):
    """Two small layers after attention and feed-forward of every block train, and the head.

    They start as the identity, so the start is the base (1902.00751).
    """

    Options = AdapterOptions
    keeps_base = True
    rate_factor = 10.0

    def leaves_linear(self, task: str) -> bool:
        """Return that it does: what it adds reads their outputs."""
        return True

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with adapters added in place.

        Raises
        ------
        ModelError
            If the model is no transformer.
        """
        whole: Any = getattr(model, "encoder", model)
        model.requires_grad_(False)
        add_bottlenecks(whole, self.options.size, int(getattr(whole.config, "hidden_size", 0)))
        for parameter in bottleneck_parameters(whole).values():
            parameter.requires_grad_(True)
        if hasattr(model, "head"):
            model.head.requires_grad_(True)
        hold_frozen(model)
        return model

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the adapters, and the head beside them."""
        whole: Any = getattr(model, "encoder", model)
        save_tensors(bottleneck_parameters(whole), folder / FILE)
        save_head(model, folder, task)

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the base with the adapters of ``folder`` in place."""
        model = self.prepare(task.load_model(), task)
        whole: Any = getattr(model, "encoder", model)
        fill(bottleneck_parameters(whole), load_tensors(folder / FILE), str(folder / FILE))
        load_head(model, folder)
        return model

    def blend(
        self, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float
    ) -> dict[str, Tensor]:
        """Return the state whose change is ``alpha`` times the tuned one.

        ``up`` starts at zero, so it alone is scaled: scaling ``down`` too would scale twice.
        """
        blended = super().blend(start, tuned, alpha)
        for name in blended:
            if ".bottleneck.down." in name:
                blended[name] = tuned[name].clone()
        return blended
