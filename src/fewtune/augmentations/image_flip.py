"""The image mirrored, left for right; not where sides mean something, as in text or arrows."""

from __future__ import annotations

import random
from typing import Any

from fewtune.augmentations._images import ImageChange

__all__ = ["ImageFlip"]


class ImageFlip(ImageChange):
    """Mirrors an image."""

    most = 1

    def change(self, image: Any, draw: random.Random) -> Any:
        """Return the image mirrored."""
        from PIL import ImageOps

        return ImageOps.mirror(image)
