"""An image model as checks see it: embeddings alone, for pictures have no tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fewtune.data.images import Pixels
from fewtune.environment import device_name
from fewtune.errors import DataError
from fewtune.models.image_classifier import classifier_of, load_processor, read_image_model
from fewtune.models.load import read_config, require
from fewtune.models.source import Source
from fewtune.records import Example

__all__ = ["ImageView"]

AT_ONCE = 16
"""Images computed at once."""


class ImageView:
    """What checks may ask of an image model; its weights are read when they are needed.

    Parameters
    ----------
    source
        The model.

    Raises
    ------
    ModelError
        If it is no image model, or has no image processor.
    """

    context_length = 0

    def __init__(self, source: Source) -> None:
        require(source, read_config(source), ("image",), "looking at images")
        self.name = source.name
        self._source = source
        # Nothing is kept: every image is looked at once.
        self._pixels = Pixels(load_processor(source), budget=0)
        self._model: Any = None

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Return no tokens for each image."""
        return [0] * len(examples)

    def render(self, example: Example) -> str:
        """Return the image's path."""
        return example.input

    def token_losses(self, examples: Sequence[Example]) -> None:
        """Return ``None``: an image model generates nothing."""

    def embed(self, texts: Sequence[str]) -> Any:
        """Return unit-length states of the images at these paths; zero for unreadable ones.

        Which files those are is told by the check ``empty``.
        """
        device = device_name()
        if self._model is None:
            made = classifier_of(read_image_model(self._source), self._source, 1)[0]
            self._model = made.eval().to(device)
        states = np.zeros((len(texts), self._model.head.in_features), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), AT_ONCE):
                read = {}
                for place in range(start, min(start + AT_ONCE, len(texts))):
                    try:
                        read[place] = self._pixels.of(texts[place], texts[place])
                    except DataError:
                        continue
                if read:
                    pixels = torch.from_numpy(self._pixels.normalized(list(read.values())))
                    found = self._model.embed(pixels.to(device))
                    states[list(read)] = found.cpu().numpy()
        return states
