"""A text as words and what stands between them, and which words may be touched; no augmentation."""

from __future__ import annotations

import re
from collections.abc import Sized
from dataclasses import dataclass

__all__ = ["NEGATIONS", "NUMBER_WORDS", "Pieces", "in_case_of", "protected", "some"]

_WORD = re.compile(r"[^\W_]+(?:['’.\-@_/:][^\W_]+)*")

NEGATIONS = frozenset(
    """
    not no never none nor neither nobody nothing nowhere without cannot cant wont dont doesnt didnt
    isnt arent wasnt werent hasnt havent hadnt shouldnt wouldnt couldnt unable
    nicht nie kein keine keinen keinem keiner ohne ne pas jamais sans sin nunca non
    """.split()
)
"""Words that turn a meaning round; no augmentation touches one, and answers must agree in them."""

NUMBER_WORDS = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred thousand million dozen half quarter double twice once first second third
    """.split()
)
"""English numbers in words, which are as little to be touched as those in digits."""


@dataclass
class Pieces:
    """The words of a text, and the gaps before, between and after them (one more than words)."""

    words: list[str]
    gaps: list[str]

    @classmethod
    def of(cls, text: str) -> Pieces:
        """Return a text in pieces; ``str`` of them is the text again.

        Examples
        --------
        >>> Pieces.of("Hi, it's 9:30!").words
        ['Hi', "it's", '9:30']
        """
        words, gaps, end = [], [], 0
        for match in _WORD.finditer(text):
            gaps.append(text[end : match.start()])
            words.append(match.group())
            end = match.end()
        return cls(words, [*gaps, text[end:]])

    def __str__(self) -> str:
        parts = [part for pair in zip(self.gaps, self.words, strict=False) for part in pair]
        return "".join([*parts, self.gaps[-1]])

    def free(self) -> list[int]:
        """Return the places of words that may be touched, see ``protected``."""
        return [
            at
            for at, word in enumerate(self.words)
            if not protected(word) and not self.gaps[at].endswith(("[", "{", "<", "@", "#", "$"))
        ]

    def starts(self, at: int) -> bool:
        """Return whether a word begins a sentence."""
        return at == 0 or bool(set(self.gaps[at]) & set(".!?\n"))

    def is_name(self, at: int) -> bool:
        """Return whether a word has a capital that neither a sentence nor shouting gives it."""
        word = self.words[at]
        return word[:1].isupper() and not word.isupper() and not self.starts(at)

    def beside(self, one: int, two: int) -> bool:
        """Return whether nothing but white space stands between two words."""
        return two == one + 1 and not self.gaps[two].strip()

    def remove(self, at: int) -> None:
        """Take out a word with the white space that it leaves over."""
        before, after = self.gaps[at], self.gaps[at + 1]
        gap = before if not after.strip() else after if not before.strip() else before + after
        if at == 0 and not before:
            gap = after.lstrip()
        elif at == len(self.words) - 1 and not after:
            gap = before.rstrip()
        self.words.pop(at)
        self.gaps[at : at + 2] = [gap]

    def insert(self, at: int, word: str) -> None:
        """Put a word before the one at ``at``, or after the last."""
        if at < len(self.words):
            self.words.insert(at, word)
            self.gaps.insert(at + 1, " ")
        else:
            self.words.append(word)
            self.gaps.insert(len(self.gaps) - 1, " ")


def protected(word: str) -> bool:
    """Return whether a word carries what must not change: a number, an address or a negation.

    Examples
    --------
    >>> [w for w in ["bill", "9:30", "don't", "me@example.org", "X-ray", "two"] if protected(w)]
    ['9:30', "don't", 'me@example.org', 'two']
    """
    plain = word.lower().replace("’", "'")
    return (
        any(part in NUMBER_WORDS for part in plain.split("-"))
        or any(character.isdigit() for character in word)
        or any(sign in word for sign in "@/:._")
        or plain.replace("'", "") in NEGATIONS
        or plain.endswith("n't")
    )


def in_case_of(word: str, model: str) -> str:
    """Return ``word`` in capitals or with a capital where ``model`` is.

    Examples
    --------
    >>> in_case_of("bill", "Invoice"), in_case_of("bill", "INVOICE"), in_case_of("bill", "I")
    ('Bill', 'BILL', 'Bill')
    """
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def some(places: Sized, share: float) -> int:
    """Return how many of the places a share means, one at least."""
    return min(len(places), max(1, round(share * len(places))))
