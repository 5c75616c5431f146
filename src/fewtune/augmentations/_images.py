"""What the augmentations of images share: read, changed by a draw, written as a new file."""

from __future__ import annotations

import hashlib
import random
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fewtune.augmentations.base import NO_MORE, NOTHING, Augmentation, Rejected, Work
from fewtune.data.images import Variation, open_image, vary
from fewtune.errors import PlanError
from fewtune.records import Example

__all__ = ["ImageChange", "pixels_key", "varied_image"]


class ImageChange(Augmentation):
    """An augmentation that writes a changed copy of each image into the work's folder."""

    shapes = frozenset({"labelled_image"})

    @abstractmethod
    def change(self, image: Any, draw: random.Random) -> Any:
        """Return the PIL image changed by one draw."""

    def ready(self, work: Work) -> None:
        """Raise a PlanError if there is no folder to write to."""
        if work.folder is None:
            raise PlanError(
                f"a folder for the images of augmentation {self.name}",
                "none",
                cure="Use fewtune augment with -o, or the plan's own variation of images",
            )

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield rows whose images differ from their parent's and from each other."""
        image = open_image(example.input, example.source)
        seen = {image.tobytes()}
        for number in range(1, min(work.per_row, self.most) + 1):
            new = self.change(image, draw)
            if new.tobytes() in seen:
                yield Rejected(NOTHING if len(seen) == 1 else NO_MORE)
                continue
            seen.add(new.tobytes())
            written = self._write(new, example, number, work)
            digest = hashlib.sha256(written.read_bytes()).hexdigest()
            yield replace(example, input=str(written), digest=digest)

    def _write(self, image: Any, example: Example, number: int, work: Work) -> Path:
        folder = work.folder or Path()
        folder.mkdir(parents=True, exist_ok=True)
        # The parent's place is in the name, so that images of equal content keep apart.
        place = hashlib.sha256(example.input.encode()).hexdigest()[:8]
        path = folder / f"{Path(example.input).stem}-{place}-{self.name}-{number}.png"
        image.save(path)
        return path


def varied_image(image: Any, how: Variation, draw: random.Random) -> Any:
    """Return the image varied as much as ``how`` allows; corners take its mean colour."""
    from PIL import Image

    pixels = np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
    red, green, blue = (round(float(value)) for value in pixels.mean(axis=(1, 2)))
    new = vary(pixels, how, str(draw.getrandbits(63)), (red, green, blue))
    return Image.fromarray(np.ascontiguousarray(new.transpose(1, 2, 0)))


def pixels_key(example: Example) -> str:
    """Return a name of exactly these pixels, whatever the file is called or packed as."""
    image = open_image(example.input, example.source)
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()
