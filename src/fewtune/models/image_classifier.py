"""An image model with a classification head on its pooled, unit-length state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fewtune.errors import ModelError
from fewtune.models.load import Source, loaded, read_config, require, whole
from fewtune.models.old_classes import OldClasses

__all__ = ["ImageClassifier", "classifier_of", "load_processor", "read_image_model"]


class ImageClassifier(nn.Module):
    """Image model, unit length, linear head; batch statistics stay those of pretraining.

    A small data set's own statistics are noise, and a batch's result would depend on its company.

    Parameters
    ----------
    encoder
        A transformers image classifier whose own head was taken off, so that its logits are states.
    width
        Values of a state.
    classes
        Number of classes.
    """

    def __init__(self, encoder: Any, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.old: OldClasses | None = None
        """The classes that the base knew, where they are kept."""

    def train(self, mode: bool = True) -> ImageClassifier:
        """Set training or evaluation mode; batch normalisation stays in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def pool(self, pixel_values: Tensor) -> Tensor:
        """Return states as they are, of shape (images, width), in float32."""
        states: Tensor = self.encoder(pixel_values=pixel_values).logits.flatten(1).float()
        return states

    def embed(self, pixel_values: Tensor) -> Tensor:
        """Return unit-length states, of shape (images, width), in float32."""
        return normalize(self.pool(pixel_values), dim=-1)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return logits, of shape (images, classes)."""
        logits: Tensor = self.head(self.embed(pixel_values))
        return logits


def read_image_model(source: Source) -> Any:
    """Return a transformers image classifier with its own head, in float32 on the CPU.

    Of a folder without a head, or of one that we took it off, that head is random.

    Raises
    ------
    ModelError
        If the model is of another kind, or cannot be read.
    """
    from transformers import AutoModelForImageClassification

    config = read_config(source)
    require(source, config, ("image",), "image classification")
    found = loaded(
        source,
        AutoModelForImageClassification,
        "model",
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
    )
    # What a folder of a headless model lacks is replaced in any case.
    return whole(source, found, replaced=f"{_own_head(found[0], source)}.")


def classifier_of(
    model: Any, source: Source, classes: int
) -> tuple[ImageClassifier, nn.Linear | None]:
    """Return ``model`` with an untrained (zero) head in place of its own, and what that was.

    It is ``None`` where it is more than one linear layer, or random because no file holds it.

    Raises
    ------
    ModelError
        If its head cannot be told from the rest.
    """
    name = _own_head(model, source)
    linear = [m for m in getattr(model, name).modules() if isinstance(m, nn.Linear)]
    setattr(model, name, nn.Identity())
    known = len(linear) == 1 and _is_stored(source, f"{name}.")
    own = linear[-1] if known else None
    return ImageClassifier(model, linear[-1].in_features, classes), own


def _is_stored(source: Source, beginning: str) -> bool:
    """Return whether the weights of a module are in the model's files."""
    from safetensors import safe_open

    for path in Path(source.location).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if any(key.startswith(beginning) for key in file.keys()):
                return True
    return False


def _own_head(model: Any, source: Source) -> str:
    """Return the name of the part of ``model`` that makes its logits."""
    for name, child in reversed(list(model.named_children())):
        linear = [m for m in child.modules() if isinstance(m, nn.Linear)]
        if linear and linear[-1].out_features == model.config.num_labels:
            return str(name)
    raise ModelError(
        "an image model with a linear classification head",
        type(model).__name__,
        source.location,
        "Choose another model",
    )


def load_processor(source: Source) -> Any:
    """Return the model's image processor, of PIL's kind: torchvision is not needed.

    Raises
    ------
    ModelError
        If there is none, or it cannot be read.
    """
    from transformers import AutoImageProcessor

    return loaded(source, AutoImageProcessor, "preprocessor_config.json", backend="pil")
