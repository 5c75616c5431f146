"""Parts of images, brought to a few fields a side, so that many can be compared at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_SIDE", "UNITS", "Floats", "Windows", "first_windows", "moves", "seen", "unit"]

Floats = NDArray[np.float32]
Windows = NDArray[np.intp]
"""Left, top, width and height of parts of images, of which a side has ``UNITS``."""

UNITS = 160

LEAST_SIDE = 96
"""Least units of a side that a crop may leave."""


def first_windows(reframed: bool) -> Windows:
    """Return the windows that are tried first: the whole, and parts of it at several places."""
    found = [(0, 0, UNITS, UNITS)]
    sides = ((144, 144, 3), (128, 128, 3), (112, 112, 4), (160, 136, 3), (136, 160, 3))
    for width, height, places in sides if reframed else ():
        across = np.linspace(0, UNITS - width, places if width < UNITS else 1)
        down = np.linspace(0, UNITS - height, places if height < UNITS else 1)
        found += [(round(x), round(y), width, height) for x in across for y in down]
    return np.asarray(found, dtype=np.intp)


def moves(step: int) -> Windows:
    """Return the changes of a window that are tried: moved, scaled, stretched one way."""
    found = []
    for s in (step, -step):
        half = int(-s / 2)
        found += [(s, 0, 0, 0), (0, s, 0, 0), (0, 0, s, s), (half, half, s, s)]
        found += [(s, 0, -s, -s), (0, s, -s, -s), (0, 0, s, 0), (0, 0, 0, s)]
    return np.asarray(found, dtype=np.intp)


def seen(images: Floats, windows: Windows, fields: int) -> Floats:
    """Return a window of each image on so many fields a side: means of what each field covers."""
    weights = _weights(fields, images.shape[-1])
    down = weights[windows[:, 1], windows[:, 3] - LEAST_SIDE]
    across = weights[windows[:, 0], windows[:, 2] - LEAST_SIDE]
    return np.asarray(down @ images @ across.transpose(0, 2, 1))


@lru_cache
def _weights(fields: int, side: int) -> Floats:
    """Return how much of each field each pixel is, by start and length (less the least) of all."""
    start = np.arange(UNITS - LEAST_SIDE + 1)[:, None, None]
    length = np.arange(LEAST_SIDE, UNITS + 1)[None, :, None]
    edges = (start + length * np.linspace(0, 1, fields + 1)) * (side / UNITS)
    pixel = np.arange(side)
    covered = np.minimum(edges[..., 1:, None], pixel + 1)
    covered = covered - np.maximum(edges[..., :-1, None], pixel)
    covered = np.maximum(covered, 0).astype(np.float32)
    return np.asarray(covered / np.maximum(covered.sum(axis=-1, keepdims=True), 1e-6))


def unit(pictures: Floats) -> Floats:
    """Return pictures as rows without mean, of unit length; zero for plain ones."""
    flat = pictures.reshape(len(pictures), int(np.prod(pictures.shape[1:])))
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3))
