"""Rare words one slip away from a frequent word of the same data.

No dictionary is asked: what the data itself writes often is taken for right, so names and terms of
the trade are no errors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import TEXT_SHAPES, count, share, sources
from fewtune.checks._words import Lexicon, lexicon, rows_with
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["Spelling", "slips"]

SHORTEST, LONGEST = 5, 40
OFTEN = 10
TIMES = 20
"""The frequent word comes at least ``OFTEN`` times and ``TIMES`` as often as the rare one."""
ENDINGS = (
    "s",
    "es",
    "d",
    "ed",
    "ing",
    "ly",
    "r",
    "er",
    "y",
    "n",
    "al",
    "e",
    "'s",
    "st",
    "or",
    "ion",
)
"""What inflection and derivation put at the end of an English word."""
OPPOSITES = ("un", "in", "re", "im", "mis", "dis", "a")


class Spelling(Check):
    """Finds probable typing errors by edit distance within the data's own words."""

    shapes = TEXT_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one note with the rows in which a probable slip stands."""
        words = lexicon(context)
        found = slips(words)
        if not found:
            return
        rows = rows_with(words, set(found))
        shown = ", ".join(f"{slip} → {right}" for slip, right in list(found.items())[:6])
        yield Finding(
            "spelling",
            "note",
            sources(context.data, rows),
            f"{count(len(found), 'rare word looks', 'rare words look')} like a slip in "
            f"{count(len(rows), 'row')} ({share(len(rows), len(words.texts))}{words.drawn}): "
            f"{shown}{', …' if len(found) > 6 else ''}.",
            "Mend them where the model writes them; slips of users are worth keeping as inputs",
        )


def slips(words: Lexicon) -> dict[str, str]:
    """Return rare words with the frequent word that each probably stands for, sorted."""
    from rapidfuzz.distance import DamerauLevenshtein

    frequent = {
        w: n for w, n in words.words.items() if n >= OFTEN and SHORTEST <= len(w) <= LONGEST
    }
    by_deletion: dict[str, list[str]] = defaultdict(list)
    for word in frequent:
        for short in _deletions(word):
            by_deletion[short].append(word)
    found: dict[str, str] = {}
    for word, n in sorted(words.words.items()):
        if (
            not SHORTEST <= len(word) <= LONGEST
            or n > 3
            or word in words.capitals
            or not word.isalpha()
        ):
            continue
        near = {c for short in _deletions(word) for c in by_deletion.get(short, ())} - {word}
        right = [
            c
            for c in near
            if frequent[c] >= TIMES * n
            and DamerauLevenshtein.distance(word, c) == 1
            and not _inflected(word, c)
        ]
        if right:
            found[word] = max(right, key=lambda c: frequent[c])
    return found


def _deletions(word: str) -> set[str]:
    """Return the word and all it becomes without one letter: neighbours share one of these."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _inflected(word: str, frequent: str) -> bool:
    """Return whether two words may well both be right: one stem with two endings or beginnings."""
    shared = 0
    while shared < min(len(word), len(frequent)) and word[shared] == frequent[shared]:
        shared += 1
    tails = {word[shared:], frequent[shared:]}
    if all(not tail or tail in ENDINGS for tail in tails):
        return True
    if word[0] != frequent[0]:
        # Another first letter is mostly another word: "light", "night".
        return sorted(word) != sorted(frequent)
    # One vowel for another, or one consonant for another, is mostly another word ("chance",
    # "change"); letters left out, doubled or swapped are slips.
    return len(word) == len(frequent) and sorted(word) != sorted(frequent) and len(word) < 7
