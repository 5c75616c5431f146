"""A paired difference in words: better, worse, or not to be told apart."""

from __future__ import annotations

from fewtune.records import Score

__all__ = ["in_words", "sense"]


def sense(difference: Score) -> str:
    """Return ``better``, ``worse`` or ``cannot tell`` of first minus second.

    Examples
    --------
    >>> sense(Score("loss", -0.2, -0.3, -0.1, 30, "lower"))
    'better'
    """
    sign = 1 if difference.direction == "higher" else -1
    low, high = sorted((sign * difference.low, sign * difference.high))
    if low > 0:
        return "better"
    return "worse" if high < 0 else "cannot tell"


def in_words(first: str, second: str, difference: Score) -> str:
    """Return one sentence, without a full stop, on first minus second.

    Examples
    --------
    >>> in_words("new", "old", Score("accuracy", 0.1, -0.1, 0.3, 30, "higher"))
    'new and old cannot be told apart on 30 rows'
    """
    words = {
        "better": f"{first} is better than {second}",
        "worse": f"{first} is worse than {second}",
        "cannot tell": f"{first} and {second} cannot be told apart",
    }
    return f"{words[sense(difference)]} on {difference.n} rows"
