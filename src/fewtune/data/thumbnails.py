"""Images as 32 × 32 pixels: enough to tell which are the same picture, and quick to hold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["near_images", "thumbnail"]

SIDE = 32

BITS = 20
"""Most of the 128 bits of two pictures' hashes that may differ before they are compared closely."""

ALIKE = 0.96
"""Least correlation of two thumbnails, brightness and contrast aside, of the same picture."""

BLOCK = 1_000


@lru_cache(maxsize=30_000)
def thumbnail(path: str) -> NDArray[np.uint8] | None:
    """Return an image as (32, 32, 3) bytes; ``None`` for what cannot be read to its end.

    A file is decoded once however many checks look at it.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG decodes to a smaller size at once
                small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
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


def near_images(
    paths: Sequence[str], others: Sequence[str] | None = None
) -> list[tuple[int, int, float]]:
    """Return (image, later image, correlation from 0 to 1) for copies that were changed a little.

    Copies that were scaled, compressed again, brightened or given more contrast are near; cropped
    or mirrored ones are not, nor, mostly, are other photos of the same scene. Candidates are those
    whose difference hashes (dHash: which of two neighbouring pixels is brighter, across and down)
    hardly differ. Work grows with the square of the images, at some 100 million pairs a second.

    Parameters
    ----------
    paths
        Files of images; those that cannot be read, or are of one colour, are near to nothing.
    others
        Compare ``paths`` with these instead of with each other; the second index is of these.
    """
    one, hashes = _described(paths)
    two, other_hashes = (one, hashes) if others is None else _described(others)
    found = []
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK]
        bits = sum(
            np.bitwise_count(block[:, None, word] ^ other_hashes[None, :, word]) for word in (0, 1)
        )
        for row, column in np.argwhere(np.asarray(bits) <= BITS):
            i, j = start + int(row), int(column)
            if (others is None and j <= i) or not (one[i].any() and two[j].any()):
                continue
            alike = float(one[i] @ two[j])
            if alike >= ALIKE:
                found.append((i, j, min(1.0, alike)))
    return found


def _described(paths: Sequence[str]) -> tuple[Any, Any]:
    """Return unit-length centred thumbnails and their hashes; zero for unreadable or plain ones."""
    flat = np.zeros((len(paths), SIDE * SIDE * 3), dtype=np.float32)
    hashes = np.zeros((len(paths), 2), dtype=np.uint64)
    for at, path in enumerate(paths):
        small = thumbnail(path)
        if small is None or np.ptp(small.reshape(-1, 3), axis=0).max() < 8:
            continue
        values = small.astype(np.float32)
        values = (values - values.mean(axis=(0, 1))).ravel()
        flat[at] = values / np.linalg.norm(values)
        grey = small.astype(np.float32).mean(axis=2)
        # Means over 8 rows of 9 columns, and over 9 rows of 8 columns, from the 32 × 32 pixels.
        across, down = _shrink(grey, 8, 9), _shrink(grey, 9, 8)
        for word, brighter in enumerate((np.diff(across, axis=1) > 0, np.diff(down, axis=0) > 0)):
            hashes[at, word] = np.packbits(brighter.ravel()).view(np.uint64)[0]
    return flat, hashes


def _shrink(grey: NDArray[np.floating], rows: int, columns: int) -> NDArray[np.floating]:
    """Return a picture of so many rows and columns: means over nearly equal pieces."""
    for axis, pieces in ((0, rows), (1, columns)):
        edges = np.linspace(0, grey.shape[axis], pieces + 1).astype(int)
        widths = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        grey = np.add.reduceat(grey, edges[:-1], axis=axis) / widths
    return grey
