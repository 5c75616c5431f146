"""What in a text may be a secret: personal data, numbers and codes that no language explains."""

from __future__ import annotations

import re
from itertools import pairwise

from fewtune.data.personal import find

__all__ = ["plain", "secrets"]

CODE = re.compile(r"(?<![\w.,$€£-])[A-Za-z]*\d[A-Za-z\d]{4,}(?![\w@]|[.,]\d)")
DIGITS, CHANGES, LETTERS = 5, 2, 6
"""Digits of a number that is a code; else, of a word, the changes between letters and digits and
its length: 7GK2LP is one, covid19, iphone14 and 100km are none."""


def secrets(text: str) -> list[tuple[int, int]]:
    """Return the half-open spans of what may be a secret, in order, without overlaps.

    Examples
    --------
    >>> text = "Ask ann@example.org for code 481516 of booking 7GK2LP, from 1,500 in 2019."
    >>> [text[a:b] for a, b in secrets(text)]
    ['ann@example.org', '481516', '7GK2LP']
    """
    found = [(place.start, place.end) for place in find(text)]
    for match in CODE.finditer(text):
        start, end = match.span()
        if _is_code(match.group()) and all(end <= a or start >= b for a, b in found):
            found.append((start, end))
    return sorted(found)


def plain(piece: str) -> str:
    """Return a secret as it is however it is written.

    Examples
    --------
    >>> plain("DE89 3704-0044") == plain("de8937040044")
    True
    """
    return re.sub(r"[^\w@.+]", "", piece).lower()


def _is_code(word: str) -> bool:
    if sum(c.isdigit() for c in word) >= DIGITS:
        return True
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
    return len(word) >= LETTERS and changes >= CHANGES
