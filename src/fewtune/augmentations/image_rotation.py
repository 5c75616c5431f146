"""The image turned a little, either way; its corners take the mean colour."""

from __future__ import annotations

import random
from typing import Any

from pydantic import Field

from fewtune.augmentations._images import ImageChange, varied_image
from fewtune.data.images import Variation
from fewtune.family import Options

__all__ = ["ImageRotation"]


class ImageRotationOptions(Options):
    """How much is changed."""

    most: float = Field(
        15, gt=0, le=180, description="most that the image is turned either way, in degrees"
    )


class ImageRotation(ImageChange):
    """Turns an image."""

    Options = ImageRotationOptions

    def change(self, image: Any, draw: random.Random) -> Any:
        """Return the image changed by a draw."""
        return varied_image(image, Variation(rotation=self.options.most), draw)
