"""Small pictures of two classes, drawn for the tests of image models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def pictures(folder: Path, each: int) -> Path:
    """Write pictures that rise from left to right, and such that rise from top to bottom."""
    draw = np.random.default_rng(0)
    slope = np.tile(np.linspace(0, 200, 40), (40, 1))
    for label, picture in (("across", slope), ("down", slope.T)):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            noisy = np.clip(picture + draw.normal(20, 10, (40, 40)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).convert("RGB").save(folder / label / f"{i:02}.png")
    return folder
