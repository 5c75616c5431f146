"""Images as a few pixels: enough to tell which are the same picture, and quick to hold."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDE", "small_image", "thumbnail"]

SIDE = 32


@lru_cache(maxsize=30_000)
def thumbnail(path: str) -> NDArray[np.uint8] | None:
    """Return ``small_image(path)``; a file is decoded once however many checks look at it."""
    return small_image(path)


def small_image(path: str, side: int = SIDE) -> NDArray[np.uint8] | None:
    """Return an image as (side, side, 3) bytes; ``None`` for what cannot be read to its end."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (2 * side, 2 * side))  # JPEG decodes to a smaller size at once
                small = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
                return np.asarray(small, dtype=np.uint8)
    except (
        OSError,
        ValueError,
        SyntaxError,
        RuntimeError,
        OverflowError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
