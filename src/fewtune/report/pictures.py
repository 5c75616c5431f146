"""Images of the user's rows, small enough to lie inside the page."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

from fewtune.data.images import open_image
from fewtune.errors import DataError

__all__ = ["SIDE", "picture"]

SIDE = 160
"""Longest side in pixels: seventeen of them are about 100 kB."""


def picture(path: str) -> str:
    """Return an image as the address of a small JPEG that holds it, upright; "" where it is gone.

    A run folder outlives the images that it was made from: then its rows are told by name.
    """
    try:
        small = open_image(path, path)
    except DataError:
        return ""
    small.thumbnail((SIDE, SIDE))
    held = BytesIO()
    small.save(held, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{b64encode(held.getvalue()).decode('ascii')}"
