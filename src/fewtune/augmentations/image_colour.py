"""The image brighter or darker, with more or less contrast and colour."""

from __future__ import annotations

import random
from typing import Any

from pydantic import Field

from fewtune.augmentations._images import ImageChange, varied_image
from fewtune.data.images import Variation
from fewtune.family import Options

__all__ = ["ImageColour"]


class ImageColourOptions(Options):
    """How much is changed."""

    most: float = Field(
        0.3, gt=0, lt=1, description="most that brightness, contrast and saturation change, a share"
    )


class ImageColour(ImageChange):
    """Changes brightness, contrast and saturation."""

    Options = ImageColourOptions

    def change(self, image: Any, draw: random.Random) -> Any:
        """Return the image changed by a draw."""
        return varied_image(image, Variation(color=self.options.most), draw)
