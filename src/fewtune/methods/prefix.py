"""Prefix: learned keys and values in front of every attention layer; the base stays whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from torch import nn

from fewtune.family import Options
from fewtune.methods.base import Method, load_head, load_tensors, save_head
from fewtune.models import adapters
from fewtune.models.prefix import add_prefix, prefixes, unflat
from fewtune.tasks.base import Task

__all__ = ["Prefix"]


class PrefixOptions(Options):
    """Options of prefix tuning."""

    tokens: int = Field(8, ge=1, description="length of the prefix")
    text: str = Field("", description="what it starts as; empty: the model's first token, repeated")


class Prefix(Method):
    """Keys and values that every token attends to train, and a classifier's head (2101.00190).

    Kept in the PEFT format, for causal models in PEFT's own reckoning.
    """

    Options = PrefixOptions
    tasks = frozenset({"generation", "text_classification"})
    keeps_base = True
    rate_factor = 150.0
    """stories260K, 200 E2E pairs, 50 updates; nats/byte of 100 other pairs, from 2.453: 2.306 at a
    rate of 0.03, 2.176 at 0.1, 2.020 at 0.3, 2.034 at 1; at 0.01 next to nothing."""
    highest_rate = 0.3

    def leaves_linear(self, task: str) -> bool:
        """Return that it does: what it adds joins their outputs."""
        return True

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return the model with a prefix in every attention layer.

        Raises
        ------
        ModelError
            If the model's attention cannot be extended.
        """
        whole: Any = getattr(model, "encoder", model)
        model.requires_grad_(False)
        tokenizer: Any = task.tokenizer  # type: ignore[attr-defined]
        for prefix in add_prefix(whole, _first_ids(tokenizer, **self.options.model_dump())):
            prefix.requires_grad_(True)
        if hasattr(model, "head"):
            model.head.requires_grad_(True)
        return model

    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write the prefix in the PEFT format, and the head beside it."""
        kind = "CAUSAL_LM" if task.name == "generation" else "FEATURE_EXTRACTION"
        adapters.save_prefix(prefixes(model), folder, task.source.reference, kind)
        save_head(model, folder, task)

    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the base with the prefix of ``folder``."""
        model = self.prepare(task.load_model(), task)
        path = folder / adapters.FILE
        unflat(prefixes(model), load_tensors(path)[adapters.PROMPT], str(path))
        load_head(model, folder)
        return model


def _first_ids(tokenizer: Any, tokens: int, text: str) -> list[int]:
    """Return the tokens that a prefix starts as: the text's, over and over."""
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []
    first = (tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id, 0)
    ids = ids or [next(one for one in first if one is not None)]
    return [int(ids[place % len(ids)]) for place in range(tokens)]
