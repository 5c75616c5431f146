"""Images to pixels: read with PIL, brought to the model's size once, varied while training."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.errors import DataError, ModelError

__all__ = ["Bytes", "Pixels", "Variation", "open_image", "vary"]

Bytes = NDArray[np.uint8]
"""Pixels of one image, of shape (3, height, width)."""

KEPT_BYTES = 1 << 30
"""Decoded images kept in memory; those beyond are decoded each time."""


def open_image(path: str, where: str) -> Any:
    """Return the image in a file as RGB, turned upright as its camera noted.

    Parameters
    ----------
    path
        The file.
    where
        Name of the row, for the error.

    Raises
    ------
    DataError
        If the file is missing, no image, damaged, or so large that it may be a bomb.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                turned = ImageOps.exif_transpose(image)
                if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
                    # What is seen through is seen on white, as a viewer shows it.
                    clear = turned.convert("RGBA")
                    ground = Image.new("RGBA", clear.size, "white")
                    turned = Image.alpha_composite(ground, clear)
                return turned.convert("RGB")
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise DataError(
            "an image that can be read",
            f"{type(error).__name__}: {str(error).split(chr(10), 1)[0][:200]}",
            f"{where}: {Path(path).name}",
            "Replace the file or leave the row out",
        ) from error


class Pixels:
    """The images of a data set at the size of a model, kept as bytes.

    Parameters
    ----------
    processor
        The model's image processor (PIL's kind): its resizing and cropping are done once per
        image; its scaling and normalising once per batch, on floats.
    budget
        Bytes of decoded images to keep.
    """

    def __init__(self, processor: Any, budget: int = KEPT_BYTES) -> None:
        self.processor = processor
        self._free = budget
        self._kept: dict[str, Bytes] = {}
        self._shape: tuple[int, ...] = ()

    def of(self, path: str, where: str) -> Bytes:
        """Return the image in ``path``, resized and cropped.

        Raises
        ------
        DataError
            If it cannot be read.
        ModelError
            If the processor does not bring images to one size.
        """
        if path in self._kept:
            return self._kept[path]
        found = self.processor(
            images=open_image(path, where),
            do_rescale=False,
            do_normalize=False,
            return_tensors="np",
        )["pixel_values"][0]
        pixels: Bytes = np.clip(np.rint(found), 0, 255).astype(np.uint8)
        self._shape = self._shape or pixels.shape
        if pixels.shape != self._shape:
            raise ModelError(
                "an image processor that brings every image to one size",
                f"{self._shape[1:]} and {pixels.shape[1:]} (height, width)",
                where,
                "Set size and crop_size in the model's preprocessor_config.json",
            )
        if pixels.nbytes <= self._free:
            self._free -= pixels.nbytes
            self._kept[path] = pixels
        return pixels

    def normalized(self, images: Sequence[Bytes]) -> NDArray[np.float32]:
        """Return images as the model takes them, of shape (images, 3, height, width)."""
        stacked = np.stack(images).astype(np.float32)
        if self.processor.do_rescale:
            stacked *= np.float32(self.processor.rescale_factor)
        if self.processor.do_normalize:
            stacked -= _each_channel(self.processor.image_mean)
            stacked /= _each_channel(self.processor.image_std)
        return stacked

    @property
    def ground(self) -> tuple[int, int, int]:
        """The colour that normalises to zero: what a turned image shows in its corners."""
        mean = np.broadcast_to(np.asarray(self.processor.image_mean, dtype=float), 3)
        red, green, blue = np.clip(np.rint(mean * 255), 0, 255).astype(int).tolist()
        return red, green, blue


def _each_channel(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)


@dataclass(frozen=True)
class Variation:
    """How much an image may be varied while training; all zero: not at all.

    Attributes
    ----------
    flip
        Whether half of the images are mirrored, left for right.
    crop
        Most of each side that is cut away, a share; what is left is brought back to size.
    rotation
        Most that an image is turned either way, in degrees.
    color
        Most that brightness, contrast and saturation each change, a share.
    """

    flip: bool = False
    crop: float = 0.0
    rotation: float = 0.0
    color: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.flip or self.crop or self.rotation or self.color)


def vary(
    pixels: Bytes, how: Variation, seed: str, ground: tuple[int, int, int] = (128, 128, 128)
) -> Bytes:
    """Return a variation of an image, of the same shape: a function of image and seed alone."""
    from PIL import Image

    if not how:
        return pixels
    draw = random.Random(seed)
    # Every figure is drawn whatever is asked for, so that one setting does not change another's.
    mirror = draw.random() < 0.5
    kept = 1 - how.crop * draw.random()
    across, down = ((1 - kept) * draw.uniform(-0.5, 0.5) for _ in range(2))
    angle = math.radians(how.rotation * draw.uniform(-1, 1))
    tones = [1 + how.color * draw.uniform(-1, 1) for _ in range(3)]
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if how.flip or how.crop or how.rotation:
        move = _affine(image.size, -1 if how.flip and mirror else 1, kept, angle, across, down)
        image = image.transform(
            image.size,
            Image.Transform.AFFINE,
            move,
            Image.Resampling.BILINEAR,
            fillcolor=ground,
        )
    if how.color:
        image = _toned(image, tones)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def _affine(
    size: tuple[int, int], side: int, kept: float, angle: float, across: float, down: float
) -> tuple[float, ...]:
    """Return where each point of the new image is in the old one, as PIL's six coefficients.

    ``side`` is -1 for a mirrored image, ``kept`` the share of each side that stays, ``across`` and
    ``down`` how far the middle moves as shares of the sides.
    """
    width, height = size
    a, b = kept * side * math.cos(angle), -kept * math.sin(angle)
    d, e = kept * side * math.sin(angle), kept * math.cos(angle)
    middle_x, middle_y = width / 2, height / 2
    return (
        a,
        b,
        middle_x + across * width - a * middle_x - b * middle_y,
        d,
        e,
        middle_y + down * height - d * middle_x - e * middle_y,
    )


def _toned(image: Any, factors: Sequence[float]) -> Any:
    from PIL import ImageEnhance

    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind, factor in zip(kinds, factors, strict=True):
        image = kind(image).enhance(factor)
    return image
