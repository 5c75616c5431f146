"""The words of the data and how often they come, counted once for the checks of spelling."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from fewtune.checks._rows import sample, written
from fewtune.checks.base import Context

__all__ = ["MOST_ROWS", "Lexicon", "lexicon", "rows_with"]

MOST_ROWS = 20_000
WORD = re.compile(r"(?<![\w'’-])[^\W\d_]+(?:['’][^\W\d_]+)*(?:-[^\W\d_]+(?:['’][^\W\d_]+)*)*")


@dataclass(frozen=True)
class Lexicon:
    """Counts over the rows read.

    Attributes
    ----------
    words
        How often each word comes, in small letters, hyphenated words whole.
    pairs
        How often two words follow each other with one space between.
    capitals
        Words that come with a capital letter where no sentence begins.
    texts
        What was counted: (row index, text) pairs.
    drawn
        How the rows were chosen, for evidence; empty when it was all of them.
    """

    words: Counter[str]
    pairs: Counter[tuple[str, str]]
    capitals: frozenset[str]
    texts: tuple[tuple[int, str], ...]
    drawn: str


def lexicon(context: Context) -> Lexicon:
    """Return the word counts of the training rows, at most ``MOST_ROWS`` of them."""
    return context.shared("lexicon", lambda: _lexicon(context))


def _lexicon(context: Context) -> Lexicon:
    rows = sample(context, MOST_ROWS)
    data = context.data
    texts = tuple((i, written(data.examples[i], data.shape)) for i in rows)
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    capitals: set[str] = set()
    for text in dict.fromkeys(text for _, text in texts):
        end, previous = -2, ""
        for match in WORD.finditer(text):
            raw = match.group()
            word = raw.lower().replace("’", "'")
            words[word] += 1
            follows = match.start() == end + 1 and text[end] == " "
            if follows:
                pairs[previous, word] += 1
            if raw[0].isupper() and follows:
                capitals.add(word)
            end, previous = match.end(), word
    everyone = len(rows) == len(data)
    drawn = "" if everyone else f" ({len(rows):,} rows drawn of {len(data):,})"
    return Lexicon(words, pairs, frozenset(capitals), texts, drawn)


def rows_with(lexicon: Lexicon, forms: set[str]) -> list[int]:
    """Return the indices of rows in which one of the words or word pairs comes, ascending."""
    if not forms:
        return []
    alternatives = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w'-])(?:{alternatives})(?![\w'-])")
    return [i for i, text in lexicon.texts if pattern.search(text.lower().replace("’", "'"))]
