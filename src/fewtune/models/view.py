"""A model as checks see it: lengths, rendered text, token losses and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from fewtune.checks.base import ModelView
from fewtune.data.batches import chunks
from fewtune.data.template import render, with_template
from fewtune.data.tokens import IGNORED, encode_supervised
from fewtune.environment import device_name
from fewtune.models.classifier import TextClassifier, own_pooling
from fewtune.models.empty import most_tokens
from fewtune.models.image_view import ImageView
from fewtune.models.load import (
    Source,
    load_causal_lm,
    load_encoder,
    load_tokenizer,
    model_kind,
    read_config,
    resolve,
)
from fewtune.records import Example, Shape

__all__ = ["view"]

BUDGET = 8192
"""Tokens computed at once."""


def view(model: str, shape: Shape = "chat") -> ModelView:
    """Return what checks may ask of the model called ``model``; weights are loaded when needed.

    Parameters
    ----------
    model
        A local folder, a hub id, ``builtin`` or ``minilm``.
    shape
        How the rows to look at are made.
    """
    source = resolve(model)
    return ImageView(source) if shape == "labelled_image" else _View(source, shape)


class _View:
    def __init__(self, source: Source, shape: Shape) -> None:
        self.name = source.name
        self._source = source
        self._shape = shape
        self._config = read_config(source)
        self._causal = model_kind(self._config) == "causal"
        self._tokenizer = load_tokenizer(source)
        if shape in ("prompt", "chat", "text"):
            with_template(self._tokenizer, shape)
        context = int(getattr(self._config, "max_position_embeddings", 0) or 0)
        limits = (
            int(self._tokenizer.model_max_length),
            context if self._causal else most_tokens(self._config),
        )
        self.context_length = min((n for n in limits if 0 < n < 10**6), default=512)
        self._model: Any = None

    def render(self, example: Example) -> str:
        """Return the text that the model would be given."""
        if self._shape in ("prompt", "chat", "text"):
            return render(self._tokenizer, example, self._shape).text
        return str(self._tokenizer.decode(self._tokenizer(example.input)["input_ids"]))

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Return the tokens of each example, untruncated."""
        written = self._shape in ("prompt", "chat", "text")
        texts = [self.render(e) if written else e.input for e in examples]
        if not texts:
            return []
        ids = self._tokenizer(texts, add_special_tokens=not written, truncation=False)["input_ids"]
        return [len(row) for row in ids]

    def token_losses(self, examples: Sequence[Example]) -> list[list[tuple[str, float]]] | None:
        """Return (token, nats) pairs of each target; ``None`` for a model that is no generator."""
        if not self._causal or self._shape not in ("prompt", "chat", "text"):
            return None
        if self._model is None:
            self._model = load_causal_lm(self._source).to(device_name())
        rows = encode_supervised(
            self._tokenizer, examples, self._shape, self.context_length, truncation="right"
        )
        found: list[list[tuple[str, float]]] = [[] for _ in rows]
        lengths = [len(row.ids) for row in rows]
        with torch.inference_mode():
            for places in chunks(range(len(rows)), lengths, BUDGET):
                width = max(lengths[i] for i in places)
                ids = torch.full((len(places), width), int(self._tokenizer.pad_token_id or 0))
                labels = torch.full((len(places), width), IGNORED)
                for row, place in enumerate(places):
                    ids[row, : lengths[place]] = torch.tensor(rows[place].ids)
                    labels[row, : lengths[place]] = torch.tensor(rows[place].labels)
                given, target = ids.to(self._model.device), labels[:, 1:]
                logits = self._model(input_ids=given, use_cache=False).logits[:, :-1]
                nll = cross_entropy(
                    logits.transpose(1, 2),
                    target.to(logits.device),
                    ignore_index=IGNORED,
                    reduction="none",
                ).cpu()
                for row, place in enumerate(places):
                    kept = (target[row] != IGNORED).nonzero()[:, 0].tolist()
                    # Decoded, for a byte-level vocabulary writes a space as Ġ.
                    names = [self._tokenizer.decode([i]) for i in target[row, kept].tolist()]
                    found[place] = list(zip(names, nll[row, kept].tolist(), strict=True))
        return found

    def embed(self, texts: Sequence[str]) -> Any:
        """Return unit-length embeddings of the encoder; ``None`` for a language model."""
        if self._causal:
            return None
        device = device_name()
        if self._model is None:
            encoder = load_encoder(self._source)
            made = TextClassifier(encoder, 1, own_pooling(self._source))
            self._model = made.eval().to(device)
        ids = [
            self._tokenizer(t, truncation=True, max_length=self.context_length)["input_ids"]
            for t in texts
        ]
        lengths = [len(row) for row in ids]
        states: list[Any] = [None] * len(ids)
        with torch.inference_mode():
            for places in chunks(range(len(ids)), lengths, BUDGET):
                batch = self._tokenizer.pad(
                    {"input_ids": [ids[i] for i in places]}, return_tensors="pt"
                )
                given = batch.to(device)
                found = self._model.embed(given["input_ids"], given["attention_mask"]).cpu()
                for place, state in zip(places, found.numpy(), strict=True):
                    states[place] = state
        return np.stack(states) if states else np.zeros((0, 1))
