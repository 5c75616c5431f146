"""An image model with a classification head on its pooled, unit-length state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fewtune.errors import ModelError
from fewtune.models.load import Source, loaded, read_config, require, whole

__all__ = ["ImageClassifier", "load_image_model", "load_processor"]


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

    def train(self, mode: bool = True) -> ImageClassifier:
        """Set training or evaluation mode; batch normalisation stays in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def embed(self, pixel_values: Tensor) -> Tensor:
        """Return unit-length states, of shape (images, width), in float32."""
        return normalize(self.encoder(pixel_values=pixel_values).logits.flatten(1).float(), dim=-1)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return logits, of shape (images, classes)."""
        logits: Tensor = self.head(self.embed(pixel_values))
        return logits


def load_image_model(source: Source, classes: int) -> ImageClassifier:
    """Return an image model with an untrained (zero) head, in float32 on the CPU.

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
    name = _own_head(found[0], source)
    # A folder of a headless model lacks only what is replaced here.
    encoder = whole(source, found, replaced=f"{name}.")
    linear = [m for m in getattr(encoder, name).modules() if isinstance(m, nn.Linear)][-1]
    setattr(encoder, name, nn.Identity())
    return ImageClassifier(encoder, linear.in_features, classes)


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
