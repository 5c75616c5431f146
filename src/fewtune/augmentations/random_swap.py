"""Pairs of words that stand near each other change places."""

from __future__ import annotations

import random
from itertools import pairwise

from pydantic import Field

from fewtune.augmentations._words import Pieces, some
from fewtune.augmentations.base import TextChange, Work
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["RandomSwap"]


class RandomSwapOptions(Options):
    """How many words change places."""

    share: float = Field(0.1, gt=0, le=1, description="swaps as a share of the words; one at least")


class RandomSwap(TextChange):
    """Swaps drawn neighbours; numbers, addresses and negations keep their places."""

    Options = RandomSwapOptions

    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text with drawn pairs of words swapped."""
        pieces = Pieces.of(text)
        words = pieces.words
        pairs = [
            (one, two)
            for one, two in pairwise(self.free(pieces, example, work))
            if words[one].lower() != words[two].lower() and pieces.beside(one, two)
        ]
        if not pairs:
            return None
        used: set[int] = set()
        for one, two in draw.sample(pairs, some(range(len(pairs)), self.options.share)):
            if not used & {one, two}:
                used |= {one, two}
                words[one], words[two] = words[two], words[one]
        return str(pieces)
