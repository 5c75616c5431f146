"""Pace: how long a fit will take, told before it begins, corrected on the way, and kept.

A fit is cut into parts, each foreseen from what was measured on this machine. What parts took
against what was foreseen corrects those to come. Where all that must still be done would end
beyond one and a half times of what was told, candidates are dropped rather than time overrun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["LIMIT", "Pace", "Part", "in_words"]

LIMIT = 1.5
"""Most of the told time that a fit takes, as far as dropping candidates can help."""

SLACK = 30.0
"""Seconds beyond what was told that are nobody's trouble: small fits are too short to foresee."""

STEADY = 0.25
"""Weight of the forecast beside what was seen, as a share of all that was foreseen: the first
seconds of a fit do not speak for all of it."""


@dataclass(frozen=True)
class Part:
    """One part of a fit: its name, the seconds foreseen, and whether it can be left out."""

    name: str
    seconds: float
    needed: bool = True


class Pace:
    """What is foreseen of a fit, and where it stands.

    Parameters
    ----------
    parts
        What it is made of; none where nothing was foreseen, and then there is always room.
    before
        Seconds that the fit has taken already.
    clock
        Returns seconds.
    """

    def __init__(
        self,
        parts: Sequence[Part] = (),
        before: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._left = {part.name: part for part in parts}
        self._began = clock() - before
        self.told = before + sum(part.seconds for part in parts)
        self._whole = sum(part.seconds for part in parts)
        self._foreseen = self._spent = 0.0
        self.dropped: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the fit began."""
        return self._clock() - self._began

    @property
    def factor(self) -> float:
        """How many times longer parts have taken than was foreseen, drawn towards 1 at first."""
        own = STEADY * self._whole
        return (self._spent + own) / (self._foreseen + own) if own else 1.0

    @property
    def left(self) -> float:
        """Seconds that are still to come, by what was seen so far."""
        return self.factor * sum(part.seconds for part in self._left.values())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part while it is done."""
        began = self._clock()
        yield
        found = self._left.pop(name, None)
        if found is not None:
            self._foreseen += found.seconds
            self._spent += self._clock() - began

    def room(self, name: str) -> bool:
        """Return whether a part can be done without the fit taking too long.

        What is needed comes first: the part must fit beside all needed parts still to come.
        """
        part = self._left.get(name)
        if part is None:
            return True
        needed = sum(p.seconds for p in self._left.values() if p.needed and p.name != name)
        end = self.seconds + self.factor * (part.seconds + needed)
        return end <= max(LIMIT * self.told, self.told + SLACK)

    def drop(self, name: str, why: str = "") -> None:
        """Leave a part out; with a reason it is told as dropped for want of time."""
        if self._left.pop(name, None) is not None and why:
            self.dropped.append(why)

    def told_in_words(self) -> str:
        """Return what was told, the longest parts first."""
        parts = sorted(self.by_kind().items(), key=lambda pair: -pair[1])
        named = ", ".join(f"{name} {in_words(s)}" for name, s in parts[:4] if s >= 0.5)
        return f"about {in_words(self.told)}, by a few updates timed here" + (
            f": {named}" if named else ""
        )

    def by_kind(self) -> dict[str, float]:
        """Return the seconds still to come by the first word of the parts' names."""
        found: dict[str, float] = {}
        for part in self._left.values():
            kind = part.name.partition(" ")[0]
            found[kind] = found.get(kind, 0.0) + part.seconds
        return found

    def foreseen(self) -> dict[str, Any]:
        """Return what ``plan --json`` prints."""
        parts = {name: round(seconds, 2) for name, seconds in self.by_kind().items()}
        return {"seconds": round(self.told, 2), "parts": parts}

    def sentence(self) -> str:
        """Return what is left in words."""
        return f"time: about {in_words(self.left)} more, {in_words(self.seconds)} gone"

    def as_json(self) -> dict[str, Any]:
        """Return what ``scores.json`` keeps: what was told, what it took, and their ratio."""
        took = self.seconds
        return {
            "told_seconds": round(self.told, 2) if self._whole else None,
            "took_seconds": round(took, 2),
            "ratio": round(self.told / took, 3) if self._whole and took else None,
            "dropped": self.dropped,
        }


def in_words(seconds: float) -> str:
    """Return a duration as one says it.

    Examples
    --------
    >>> in_words(7.4), in_words(100), in_words(4000)
    ('7 s', '1 min 40 s', '1 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
