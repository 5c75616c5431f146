"""A text encoder with a classification head on its pooled, unit-length sentence state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fewtune.models.load import Source
from fewtune.models.old_classes import OldClasses

__all__ = ["Pooling", "TextClassifier", "own_pooling"]

Pooling = Literal["mean", "first", "last"]


def own_pooling(source: Source) -> Pooling:
    """Return the pooling that a sentence-transformers folder declares, else the mean."""
    declared = Path(source.location) / "1_Pooling" / "config.json"
    if declared.exists():
        modes = json.loads(declared.read_text(encoding="utf-8"))
        if modes.get("pooling_mode_cls_token"):
            return "first"
        if modes.get("pooling_mode_lasttoken"):
            return "last"
    return "mean"


class TextClassifier(nn.Module):
    """Encoder, pooling, unit length, linear head.

    The state is brought to unit length because that is how sentence encoders are pretrained, and
    because a head fitted by a solver on such states is the starting point of every tuning.

    Parameters
    ----------
    encoder
        A transformers model that returns ``last_hidden_state``.
    classes
        Number of classes.
    pooling
        How token states become one sentence state.
    """

    def __init__(self, encoder: Any, classes: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.head = nn.Linear(int(encoder.config.hidden_size), classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.old: OldClasses | None = None
        """The classes that the base knew, where they are kept."""

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return sentence states as they are, of shape (rows, width), in float32."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "first":
            pooled = states[:, 0]
        elif self.pooling == "last":
            last = attention_mask.sum(dim=1) - 1
            pooled = states[torch.arange(len(states), device=states.device), last]
        else:
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        found: Tensor = pooled.float()
        return found

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return unit-length sentence states, of shape (rows, width), in float32."""
        return normalize(self.pool(input_ids, attention_mask), dim=-1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits, of shape (rows, classes)."""
        logits: Tensor = self.head(self.embed(input_ids, attention_mask))
        return logits
