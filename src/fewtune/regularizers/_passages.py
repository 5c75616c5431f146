"""Passages of general English, written for fewtune, that a language model is held to its base on.

What a base writes by itself seldom is what others write. Beside its own samples such passages say
how it reads general text, and cost nothing to draw (1% of a base's pretraining text, trained again,
all but stopped its forgetting: 2502.06042). None of them is among those by which forgetting is
measured or the dial is chosen.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["MOST_PASSAGES", "passages"]

FILE = "passages.txt"
MOST_PASSAGES = 120
"""How many there are."""


@cache
def passages() -> tuple[str, ...]:
    """Return the passages, one paragraph each, of 320 to 420 characters."""
    text = (Path(__file__).parent / FILE).read_text(encoding="utf-8")
    return tuple(text.splitlines())
