"""Slips of the finger: a letter left out, doubled, swapped with the next, or a key beside it.

The first letter of a word is kept, as it mostly is when people type, and so are short words,
numbers, addresses and negations.
"""

from __future__ import annotations

import random

from pydantic import Field

from fewtune.augmentations._words import Pieces, some
from fewtune.augmentations.base import TextChange, Work
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["Typos"]

SHORTEST = 4
"""Letters of the shortest word that gets a slip."""

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in _KEYS
    for at, letter in enumerate(row)
}


class TyposOptions(Options):
    """How many words get a slip."""

    share: float = Field(0.1, gt=0, le=1, description="share of the words; one at least")


class Typos(TextChange):
    """Puts one slip into each of a few words."""

    Options = TyposOptions

    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text with slips in drawn words."""
        pieces = Pieces.of(text)
        free = [at for at in self.free(pieces, example, work) if len(pieces.words[at]) >= SHORTEST]
        if not free:
            return None
        for at in draw.sample(free, some(free, self.options.share)):
            pieces.words[at] = _slip(pieces.words[at], draw)
        return str(pieces)


def _slip(word: str, draw: random.Random) -> str:
    """Return the word with one slip behind its first letter."""
    at = draw.randrange(1, len(word))
    letter = word[at]
    kind = draw.choice(("leave out", "double", "swap", "beside"))
    near = _BESIDE.get(letter.lower(), "")
    if kind == "swap" and at + 1 < len(word) and word[at + 1] != letter:
        return word[:at] + word[at + 1] + letter + word[at + 2 :]
    if kind == "beside" and near:
        key = draw.choice(near)
        return word[:at] + (key.upper() if letter.isupper() else key) + word[at + 1 :]
    if kind == "double":
        return word[:at] + letter + word[at:]
    return word[:at] + word[at + 1 :]
