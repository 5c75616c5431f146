"""Text classification: one label for a text; decided by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fewtune.data.tokens import encode_inputs
from fewtune.models.classifier import Pooling, TextClassifier, own_pooling
from fewtune.models.empty import most_tokens
from fewtune.models.four_bit import load_packed
from fewtune.models.load import Source, load_encoder, load_tokenizer, read_config
from fewtune.models.old_classes import known_classes
from fewtune.records import Example, Shape
from fewtune.tasks.base import Batch, Row, TaskSettings
from fewtune.tasks.keeping import KeepsClasses
from fewtune.tasks.labels import label_number, without_targets

__all__ = ["TextClassification"]

LENGTH_WHERE_UNKNOWN = 512


class TextClassification(KeepsClasses):
    """A label for a text, from an encoder's sentence state and a linear head."""

    name = "text_classification"
    shapes = frozenset({"labelled_text"})
    kinds = ("text", "causal")
    headline = "accuracy"

    def __init__(
        self,
        source: Source,
        settings: TaskSettings,
        shape: Shape = "labelled_text",
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(source, settings, shape, labels)
        self.tokenizer = load_tokenizer(source)
        self._most: int | None = None
        self._number = {label: number for number, label in enumerate(self.labels)}

    @property
    def pooling(self) -> Pooling:
        """How token states become one state."""
        wanted = self.settings.pooling
        return own_pooling(self.source) if wanted == "auto" else wanted

    def max_length(self) -> int:
        """Return the most tokens of a row: the setting, else what tokenizer and model can take.

        Where the tokenizer tells no limit it is 512.
        """
        if self._most is None:
            self._most = most_tokens(read_config(self.source))
        told = (self.settings.max_length, int(self.tokenizer.model_max_length))
        wanted = min((n for n in told if 0 < n < 10**6), default=LENGTH_WHERE_UNKNOWN)
        return min(wanted, self._most or wanted)

    def load_model(self) -> nn.Module:
        """Return the encoder with an untrained (zero) head."""
        encoder = self.bring(self._read)
        if self.settings.dropout is not None:
            for module in encoder.modules():
                if isinstance(module, nn.Dropout):
                    module.p = self.settings.dropout
        model = TextClassifier(encoder, len(self.labels), self.pooling)
        if self.settings.keep_classes:
            self.put_old(model, self.old or known_classes(self.source), model.head.in_features)
        return model

    def _read(self) -> Any:
        if self.packed:
            return load_packed(self.source, self.name)
        return load_encoder(self.source, low=self.lowered)

    def encode(self, examples: Sequence[Example]) -> list[Row]:
        """Return the rows; texts longer than the model can take are cut on the right."""
        encoded = encode_inputs(self.tokenizer, [e.input for e in examples], self.max_length())
        # Tokenizers of language models make nothing of an empty text; a model reads one token.
        nothing = (int(self.tokenizer.eos_token_id or self.tokenizer.pad_token_id or 0),)
        rows = [
            Row(example, e.ids or nothing, label=label_number(example, self._number), cut=e.cut)
            for example, e in zip(examples, encoded, strict=True)
        ]
        self.remember(rows)
        return rows

    def named_rows(self) -> list[Row]:
        """Return a row of each class that is its name, unless some label is without letters."""
        if not all(any(letter.isalpha() for letter in label) for label in self.labels):
            return []
        names = [label.replace("_", " ").replace("-", " ") for label in self.labels]
        rows = self.encode([Example(name, None, f"label {name}") for name in names])
        return [replace(row, label=number) for number, row in enumerate(rows)]

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return right-padded rows; the unit of a row is its class."""
        width = max(row.length for row in rows)
        ids = torch.full((len(rows), width), int(self.tokenizer.pad_token_id or 0))
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        for place, row in enumerate(rows):
            ids[place, : row.length] = torch.tensor(row.ids)
            mask[place, : row.length] = 1
        return Batch(
            inputs={"input_ids": ids, "attention_mask": mask},
            targets=torch.tensor([row.label for row in rows]),
            weights=torch.tensor([row.example.weight for row in rows], dtype=torch.float32),
            owners=torch.arange(len(rows)),
            rows=tuple(rows),
        )

    def hidden(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return unit-length sentence states."""
        return cast(TextClassifier, model).embed(**batch.inputs)

    def read(self, model: nn.Module, hidden: Tensor) -> Tensor:
        """Return the head's logits."""
        logits: Tensor = cast(TextClassifier, model).head(hidden)
        return logits

    def predict(self, model: nn.Module, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Return ``label`` and ``probability`` for each example, and the runner-up."""
        rows = [Row(r.example, r.ids, label=0) for r in self.encode(without_targets(examples))]
        return self.answered(model, examples, rows)

    def describe(self) -> dict[str, Any]:
        """Return labels, pooling and length."""
        return {
            "labels": list(self.labels),
            "pooling": self.pooling,
            "max_length": self.max_length(),
            **self.describe_old(),
        }

    def restore(self, about: dict[str, Any]) -> None:
        """Take over pooling and length; the run's folder no longer tells the base's own."""
        kept = {"pooling": about["pooling"], "max_length": about["max_length"]}
        self.settings = self.settings.model_copy(update=kept)
        self.restore_old(about)

    def save_processor(self, folder: Path) -> None:
        """Write the tokenizer."""
        self.tokenizer.save_pretrained(folder)
