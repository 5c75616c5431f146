"""A part of the image, its edges cut away, brought back to the size it had."""

from __future__ import annotations

import random
from typing import Any

from pydantic import Field

from fewtune.augmentations._images import ImageChange, varied_image
from fewtune.data.images import Variation
from fewtune.family import Options

__all__ = ["ImageCrop"]


class ImageCropOptions(Options):
    """How much is changed."""

    most: float = Field(0.2, gt=0, lt=1, description="most of each side that is cut away, a share")


class ImageCrop(ImageChange):
    """Cuts away edges."""

    Options = ImageCropOptions

    def change(self, image: Any, draw: random.Random) -> Any:
        """Return the image changed by a draw."""
        return varied_image(image, Variation(crop=self.options.most), draw)
