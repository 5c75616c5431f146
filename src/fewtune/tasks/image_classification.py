"""Image classification: one label for a picture; decided by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fewtune.data.images import Bytes, Pixels, Variation, vary
from fewtune.environment import reuse_memory
from fewtune.models.image_classifier import (
    ImageClassifier,
    classifier_of,
    load_processor,
    read_image_model,
)
from fewtune.models.load import Source
from fewtune.models.old_classes import known_classes
from fewtune.records import Example, Shape
from fewtune.tasks.base import Batch, Row, TaskSettings
from fewtune.tasks.keeping import KeepsClasses
from fewtune.tasks.labels import label_number, without_targets

__all__ = ["ImageClassification"]

PATCH = 16
"""Side of the square of pixels that costs about what a token does."""


class ImageClassification(KeepsClasses):
    """A label for a picture, from an image model's pooled state and a linear head."""

    name = "image_classification"
    shapes = frozenset({"labelled_image"})
    kinds = ("image",)
    headline = "accuracy"

    def __init__(
        self,
        source: Source,
        settings: TaskSettings,
        shape: Shape = "labelled_image",
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(source, settings, shape, labels)
        self.processor = load_processor(source)
        self.pixels = Pixels(self.processor)
        self.variation = Variation(settings.flip, settings.crop, settings.rotation, settings.color)
        self._number = {label: number for number, label in enumerate(self.labels)}

    def load_model(self) -> nn.Module:
        """Return the image model with an untrained (zero) head."""
        reuse_memory()
        read = self.bring(lambda: read_image_model(self.source))
        model, own = classifier_of(read, self.source, len(self.labels))
        if self.settings.keep_classes:
            self.put_old(model, self.old or known_classes(self.source, own), model.head.in_features)
        if self.settings.dropout is not None:
            for module in model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = self.settings.dropout
        return model.eval()

    def encode(self, examples: Sequence[Example]) -> list[Row]:
        """Return the rows; every image is read here, so that a bad one is told at once."""
        rows = []
        for example in examples:
            height, width = self.pixels.of(example.input, example.source).shape[1:]
            size = -(-height // PATCH) * -(-width // PATCH)
            rows.append(Row(example, (), label=label_number(example, self._number), size=size))
        self.remember(rows)
        return rows

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return the images as they are; the unit of a row is its class."""
        return self._batch(rows, [self._of(row) for row in rows])

    def budget(self, model: nn.Module) -> int:
        """Return how many patches a batch may hold while measuring.

        On a processor few images at once are faster than many: what a convolution makes of 40 is
        too large for memory that is used again, and asking the system for it took twice the time
        of the computing (MobileNetV2, 224 pixels: 2.7 s for 48 images, 1.1 s by fours).
        """
        on_processor = next(model.parameters()).device.type == "cpu"
        return 800 if on_processor else super().budget(model)

    @property
    def varies(self) -> bool:
        """Whether the settings vary images while training."""
        return bool(self.variation)

    def training_batch(self, rows: Sequence[Row], seed: str) -> Batch:
        """Return the images varied as the settings say, each by seed and what it is alone."""
        ground = self.pixels.ground
        images = [
            vary(self._of(row), self.variation, f"{seed}/{row.example.fingerprint}", ground)
            for row in rows
        ]
        return self._batch(rows, images)

    def _of(self, row: Row) -> Bytes:
        return self.pixels.of(row.example.input, row.example.source)

    def _batch(self, rows: Sequence[Row], images: Sequence[Bytes]) -> Batch:
        return Batch(
            inputs={"pixel_values": torch.from_numpy(self.pixels.normalized(images))},
            targets=torch.tensor([row.label for row in rows]),
            weights=torch.tensor([row.example.weight for row in rows], dtype=torch.float32),
            owners=torch.arange(len(rows)),
            rows=tuple(rows),
        )

    def hidden(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return unit-length states of the images."""
        return cast(ImageClassifier, model).embed(**batch.inputs)

    def read(self, model: nn.Module, hidden: Tensor) -> Tensor:
        """Return the head's logits."""
        logits: Tensor = cast(ImageClassifier, model).head(hidden)
        return logits

    def predict(self, model: nn.Module, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Return ``label`` and ``probability`` for each image, and the runner-up."""
        rows = self.encode(without_targets(examples))
        rows = [Row(r.example, (), label=0, size=r.size) for r in rows]
        return self.answered(model, examples, rows)

    def describe(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": list(self.labels), **self.describe_old()}

    def restore(self, about: dict[str, Any]) -> None:
        """Take over the old classes; the processor is kept beside the weights."""
        self.restore_old(about)

    def save_processor(self, folder: Path) -> None:
        """Write the image processor."""
        self.processor.save_pretrained(folder)
