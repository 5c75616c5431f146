"""LoRA: low-rank changes to the linear layers; with DoRA and rsLoRA as options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from fewtune.family import Options
from fewtune.methods.base import Method, load_head, save_head, top_blocks
from fewtune.models import adapters
from fewtune.models.blocks import hold_frozen
from fewtune.models.four_bit import refuse_packed, why_not_packed
from fewtune.tasks.base import Task

__all__ = ["Lora"]


class LoraOptions(Options):
    """Options of LoRA."""

    rank: int = Field(16, ge=1, description="width of the low-rank change")
    alpha: float = Field(32.0, gt=0, description="scale of the change: alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the change")
    dora: bool = Field(False, description="train the magnitude of each weight apart (DoRA)")
    rslora: bool = Field(False, description="scale by alpha / sqrt(rank) instead (rsLoRA)")
    targets: str | list[str] = Field("all-linear", description="names of the layers adapted")
    top: int = Field(0, ge=0, description="only this many top blocks are adapted; 0: all")
    four_bit: bool = Field(
        False, description="hold the frozen base in 4 bits (CUDA and bitsandbytes only)"
    )


class Lora(Method):
    """A low-rank change beside every linear layer trains; a classifier's head trains too.

    The learning rate is about ten times that of full fine-tuning.
    """

    Options = LoraOptions
    keeps_base = True
    rate_factor = 10.0

    def unfit(self, task: str) -> str:
        """Return why four bits cannot be had here, where they are wanted."""
        return why_not_packed(task) if self.options.four_bit else ""

    def leaves_linear(self, task: str) -> bool:
        """Return whether it does: DoRA reads the norms of their weights, four bits are packed."""
        return not (self.options.dora or self.options.four_bit)

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with adapters added in place.

        Raises
        ------
        PlanError
            If more top blocks are wanted than the model has, or four bits where they cannot be had.
        ModelError
            If the model has no layer that can be adapted.
        """
        if self.options.four_bit:
            refuse_packed(task.name)
            model = model if task.packed else _packed(model, task)
        whole: Any = getattr(model, "encoder", model)
        options = self.options.model_dump(exclude={"top", "four_bit"})
        within = top_blocks(model, self.options.top, "top") if self.options.top else ()
        self._config = adapters.add_lora(whole, within=within, **options)
        if hasattr(model, "head"):
            model.head.requires_grad_(True)
        hold_frozen(model)
        return model

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the adapter in the PEFT format, and the head beside it."""
        whole: Any = getattr(model, "encoder", model)
        adapters.save_lora(whole, self._config, folder, task.source.reference)
        save_head(model, folder, task)

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the base with the adapter of ``folder`` in place.

        Where a base cannot be held in four bits it is read as it is: the answers of an adapter that
        was trained on a packed one are then near those it was judged by, and not the same.
        """
        task.packed = self.options.four_bit and not why_not_packed(task.name)
        model = task.load_model()
        whole: Any = getattr(model, "encoder", model)
        self._config = adapters.load_lora(whole, folder)
        load_head(model, folder)
        return model

    def blend(
        self, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float
    ) -> dict[str, Tensor]:
        """Return the state whose change is ``alpha`` times the tuned one.

        The change is B·A and B starts at zero, so B is scaled and A kept: blending both would
        scale the change by the square.
        """
        blended = super().blend(start, tuned, alpha)
        for name in blended:
            if "lora_A" in name or "lora_embedding_A" in name:
                blended[name] = tuned[name].clone()
        return blended


def _packed(model: Any, task: Task) -> nn.Module:
    """Return the model on a base read anew in four bits, as the task reads it from now on."""
    task.packed = True
    found: Any = task.load_model()
    if hasattr(model, "head"):
        found.head.load_state_dict(model.head.state_dict())
    whole: nn.Module = found
    return whole
