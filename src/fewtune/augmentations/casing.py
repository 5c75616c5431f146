"""The same words in small letters, in capitals, or with a capital where a sentence starts only.

People write to machines as they please; a classifier that has seen one casing may stumble over
another. A word with a digit keeps its letters, since codes may mean something by their case.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from pydantic import Field

from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations._words import Pieces
from fewtune.augmentations.base import NOTHING, Augmentation, Rejected, Work
from fewtune.errors import PlanError
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["Casing"]


class CasingOptions(Options):
    """Which casings are used."""

    lower: bool = Field(True, description="all in small letters")
    upper: bool = Field(True, description="all in capitals")
    sentence: bool = Field(True, description="a capital where a sentence starts, no other")


class Casing(Augmentation):
    """Writes a row in other casings, in an order that is drawn; three at most."""

    Options = CasingOptions
    most = 3

    def ready(self, work: Work) -> None:
        """Raise a PlanError if every casing is switched off."""
        if not self._modes():
            raise PlanError(
                "one of lower, upper and sentence for augmentation casing",
                "none",
                cure="Leave one of them on",
            )

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield the casings that differ from the row's own."""
        text = asked(example)
        modes = self._modes()
        draw.shuffle(modes)
        made = dict.fromkeys(_recased(text, mode) for mode in modes)
        made.pop(text, None)
        if not made:
            yield Rejected(NOTHING)
        for new in made:
            yield with_asked(example, new)

    def _modes(self) -> list[Callable[[str], str]]:
        modes = [("lower", str.lower), ("upper", str.upper), ("sentence", str.capitalize)]
        return [mode for name, mode in modes if getattr(self.options, name)]


def _recased(text: str, mode: Callable[[str], str]) -> str:
    pieces = Pieces.of(text)
    for at, word in enumerate(pieces.words):
        if any(character.isdigit() for character in word) or "@" in word:
            continue
        if mode is str.capitalize:
            pieces.words[at] = _in_sentence(word, pieces.starts(at))
        else:
            pieces.words[at] = mode(word)
    return str(pieces)


def _in_sentence(word: str, starts: bool) -> str:
    """Return a word as it stands in a sentence; the English I stays."""
    if starts:
        return word.capitalize()
    return word if word == "I" or word.startswith(("I'", "I’")) else word.lower()
