"""A base held in four bits a weight (NF4, 2305.14314): LoRA on a GPU too small for it unpacked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from fewtune.errors import PlanError
from fewtune.models.load import Source, loaded, read_config, require, whole
from fewtune.models.pooler import without_pooler

__all__ = ["KINDS", "load_packed", "packed_config", "packing", "refuse_packed", "why_not_packed"]

KINDS = {"generation": ("causal",), "text_classification": ("text", "causal")}
"""Kinds of model that can be packed, by task: nearly all their weights are in linear layers."""

PACKED_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a packed weight: its four bits, a byte for the scale of 64, four for that of 256 scales."""


def why_not_packed(task: str) -> str:
    """Return why a base for ``task`` cannot be held in four bits here, or nothing if it can."""
    import torch

    if task not in KINDS:
        return f"linear layers are packed, and a model for {task.replace('_', ' ')} has hardly any"
    reasons = []
    if not torch.cuda.is_available():
        reasons.append("no CUDA device")
    if find_spec("bitsandbytes") is None:
        reasons.append("no package bitsandbytes")
    return " and ".join(reasons) + " here" if reasons else ""


def refuse_packed(task: str) -> None:
    """Raise a PlanError with the reason where a base cannot be held in four bits."""
    why = why_not_packed(task)
    if why:
        raise PlanError(
            "a CUDA device, the package bitsandbytes and a text model, for a base in four bits",
            why,
            "method.options.four_bit",
            "Leave four_bit out: LoRA then trains on the base as it is",
        )


def packed_config() -> Any:
    """Return how weights are packed: NF4 with packed scales, computed in bfloat16."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def packing(model: Any) -> tuple[int, int]:
    """Return the bytes that packing saves of a model in float32, and those it takes in passing.

    Linear layers are packed, the output layer of a language model is not; a pass unpacks one layer
    at a time into bfloat16. The layers of ``model``, which is without values, are left in bfloat16,
    as passes see them.
    """
    import torch
    from torch import nn

    output = getattr(model, "get_output_embeddings", lambda: None)()
    within = getattr(model, "encoder", model)
    layers = [
        layer for layer in within.modules() if isinstance(layer, nn.Linear) and layer is not output
    ]
    for layer in layers:
        layer.to(torch.bfloat16)
    counts = [layer.weight.numel() for layer in layers]
    return round((4 - PACKED_BYTES) * sum(counts)), 2 * max(counts, default=0)


def load_packed(source: Source, task: str) -> Any:
    """Return the base for ``task``, its linear layers in four bits, on the CUDA device in use.

    Raises
    ------
    PlanError
        Where that cannot be.
    ModelError
        If the model is of another kind, or cannot be read.
    """
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    refuse_packed(task)
    config = read_config(source)
    require(source, config, KINDS[task], task.replace("_", " "))
    kind = AutoModelForCausalLM if task == "generation" else AutoModel
    return whole(
        source,
        loaded(
            source,
            kind,
            "model",
            quantization_config=packed_config(),
            device_map={"": torch.cuda.current_device()},
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **({} if task == "generation" else without_pooler(config)),
        ),
    )
