"""A few words left out; never a number, an address or a negation, and never more than half."""

from __future__ import annotations

import random

from pydantic import Field

from fewtune.augmentations._words import Pieces, some
from fewtune.augmentations.base import TextChange, Work
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["RandomDeletion"]

FEWEST = 3
"""Words below which a text is left alone: what remained would say too little."""


class RandomDeletionOptions(Options):
    """How many words are left out."""

    share: float = Field(0.1, gt=0, le=0.5, description="share of the words; one at least")


class RandomDeletion(TextChange):
    """Leaves out drawn words (EDA, 1901.11196)."""

    Options = RandomDeletionOptions

    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text without drawn words."""
        pieces = Pieces.of(text)
        free = self.free(pieces, example, work)
        if len(pieces.words) < FEWEST or not free:
            return None
        many = min(some(free, self.options.share), len(pieces.words) // 2)
        for at in sorted(draw.sample(free, many), reverse=True):
            pieces.remove(at)
        return str(pieces)
