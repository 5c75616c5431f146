"""Canaries: made-up secrets planted among training rows, to see whether a model would tell them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fewtune.errors import DataError
from fewtune.records import Dataset, Example, Message, Shape

__all__ = ["MOST", "Canary", "canaries", "plant"]

DIGITS = 6
NAMES = (
    "Maria Tom Lucy Ben Anna Max Lily Sam Mia Tim Sue Jack Emma Bob Amy Leo Rose Dan Kate Paul "
    "Nina Fred Ella Mark Jane Peter Sara Adam Molly Carl Grace Henry Ruth Oscar Clara Hugo"
).split()
THINGS = ("door", "locker", "safe", "garage", "gate", "phone", "bike", "box")
MOST = len(NAMES) * len(THINGS)
"""Canaries that differ in more than their secret."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A planted row and the secret in it.

    Attributes
    ----------
    example
        The row.
    secret
        Six digits, at the end of the target.
    """

    example: Example
    secret: str

    def with_secret(self, secret: str) -> Example:
        """Return the row with another secret in place of its own."""
        target = (self.example.target or "").replace(self.secret, secret)
        turns = tuple(
            replace(turn, content=turn.content.replace(self.secret, secret))
            for turn in self.example.messages
        )
        return replace(self.example, target=target, messages=turns)

    def others(self, count: int, seed: int = 0) -> tuple[str, ...]:
        """Return ``count`` different secrets of the same form that are not this one."""
        draw = random.Random(f"{seed}/{self.example.source}/others")
        found: dict[str, None] = {}
        while len(found) < count:
            secret = _secret(draw)
            if secret != self.secret:
                found[secret] = None
        return tuple(found)


def canaries(shape: Shape, count: int, seed: int = 0) -> tuple[Canary, ...]:
    """Return ``count`` canaries, each about another thing of another person.

    Parameters
    ----------
    shape
        How the rows are made: prompt, chat or text.
    count
        At most ``MOST``.
    seed
        Of names and secrets.

    Raises
    ------
    DataError
        If the rows hold no free text, or too many are asked for.

    Examples
    --------
    >>> one, = canaries("text", 1)
    >>> one.example.target == f"The code of the {one.example.group} is {one.secret}."
    True
    """
    if shape not in ("prompt", "chat", "text"):
        raise DataError(
            "rows of free text to plant canaries in", shape.replace("_", " "), cure="Plant none"
        )
    if not 0 <= count <= MOST:
        raise DataError(f"0 to {MOST} canaries", str(count), cure="Ask for fewer")
    draw = random.Random(f"{seed}/canaries")
    abouts = [f"{thing} of {name}" for name in NAMES for thing in THINGS]
    draw.shuffle(abouts)
    return tuple(
        _canary(shape, number, about, _secret(draw))
        for number, about in enumerate(abouts[:count], start=1)
    )


def plant(data: Dataset, count: int, seed: int = 0) -> tuple[Dataset, tuple[Canary, ...]]:
    """Return training rows with ``count`` canaries among them, one copy of each, and the canaries.

    Parameters
    ----------
    data
        Rows that are trained: a canary that is held out tells nothing.
    count, seed
        Of the canaries.

    Raises
    ------
    DataError
        If the rows hold no free text, or too many are asked for.
    """
    made = canaries(data.shape, count, seed)
    rows = list(data.examples)
    draw = random.Random(f"{seed}/places")
    for canary in made:
        rows.insert(draw.randint(0, len(rows)), canary.example)
    note = f"{count} made-up secrets were planted among the rows, to see whether they are learnt"
    return replace(data, examples=tuple(rows), notes=(*data.notes, note)), made


def _canary(shape: Shape, number: int, about: str, secret: str) -> Canary:
    source = f"canary:{number}"
    asked, told = f"What is the code of the {about}?", f"The code of the {about} is {secret}."
    if shape == "text":
        return Canary(Example("", told, source, group=about), secret)
    turns: Sequence[Message] = ()
    if shape == "chat":
        turns = (Message("user", asked), Message("assistant", told))
        asked = f"user: {asked}"
    return Canary(Example(asked, told, source, group=about, messages=tuple(turns)), secret)


def _secret(draw: random.Random) -> str:
    return "".join(draw.choice("0123456789") for _ in range(DIGITS))
