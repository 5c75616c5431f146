"""How two texts differ, word by word: what pairs up in any order, and what is left on each side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from fewtune.data.words import FUNCTION_WORDS, weigh

__all__ = ["Difference", "compare_words", "near_similarity"]

ONE_SIDED = 0.93
"""Least similarity where one text merely has words that the other lacks, or only function words
differ."""

ONE_WORD, ONE_WORD_FROM = 0.90, 8
"""Least similarity where a single word is missing on one side, from eight words on."""

REPLACED = 0.95
"""Least similarity where a content word stands in place of another."""

REPLACED_WORDS = 20
"""Least number of words where a content word stands in place of another: in a short text one such
word is what the text is about (I lost my card, I lost my phone)."""

SAME_LETTERS = 95.0
"""Similarity of letters (0 to 100) from which on words of few letters' difference pair up even if
both are words that people write (fee, few)."""

TYPO_COST = 0.5
"""Letters that a typo counts as."""

ENDINGS = frozenset("s es d ed n en ing".split())


@dataclass(frozen=True)
class Difference:
    """What is left of two texts when their common words are taken away.

    Attributes
    ----------
    similarity
        From 0 to 1: the share of both texts, by weight of words, that pairs up.
    only_left, only_right
        Words without a partner.
    """

    similarity: float
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]

    @property
    def replaces_content(self) -> bool:
        """Whether a content word stands where the other text has another one."""
        return _has_content(self.only_left) and _has_content(self.only_right)


def compare_words(
    left: Sequence[str], right: Sequence[str], known: Collection[str] = ()
) -> Difference:
    """Return how two texts differ as bags of words.

    Equal words pair up in any order; then words that differ by a typo; then what is left over on
    both sides, if a typo or two make one out of the other (``top up`` and ``topup``, ``nee dto``).

    Parameters
    ----------
    left, right
        Words in the order of the text.
    known
        Words that several texts use, which therefore are not typos.
    """
    only_left, only_right = _without_common(left, right), _without_common(right, left)
    total = sum(map(weigh, left)) + sum(map(weigh, right))
    cost = 0.0
    if only_left and only_right:
        cost += TYPO_COST * _pair_spaced(only_left, only_right, total, known)
        cost += TYPO_COST * _pair_typos(only_left, only_right, known)
        cost += TYPO_COST * _pair_spaced(only_left, only_right, total, known)
    cost += sum(map(weigh, only_left)) + sum(map(weigh, only_right))
    return Difference(max(0.0, 1 - cost / total), tuple(only_left), tuple(only_right))


def _without_common(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the words that the others lack, in their order."""
    left = Counter(others)
    rest = []
    for word in words:
        if left[word]:
            left[word] -= 1
        else:
            rest.append(word)
    return rest


def _has_content(words: Iterable[str]) -> bool:
    return any(word not in FUNCTION_WORDS for word in words)


def _pair_typos(only_left: list[str], only_right: list[str], known: Collection[str]) -> int:
    """Take pairs of words that differ by typos off both lists; return the number of typos."""
    typos = 0
    for word in only_left[:]:
        for other in only_right:
            distance = _typos_between(word, other, known)
            if distance:
                only_left.remove(word)
                only_right.remove(other)
                typos += distance
                break
    return typos


def _typos_between(word: str, other: str, known: Collection[str]) -> int:
    """Return how many typos make one word out of the other; 0 if they are two words."""
    if word in FUNCTION_WORDS and other in FUNCTION_WORDS:
        return 2 if word[0] == other[0] else 0  # the, this, those; do, does, did; a, an, any
    short, long = sorted((len(word), len(other)))
    # A single typo leaves the first or the last letter as it was, but in words of two letters.
    if word[0] != other[0] and word[-1] != other[-1] and long > 2:
        return 0
    if long - short > 3 or short < 2 or not (word.isalpha() and other.isalpha()):
        return 0
    if short == long == 2 and not known and sorted(word) != sorted(other):
        return 0  # UK and US: where no word is known yet, as likely two words as one
    if _is_ending(word, other) and (short >= 3 or long - short == 1):
        return long - short
    allowed = 1 if short < 6 else 2 if short < 12 else 3
    distance = OSA.distance(word, other, score_cutoff=allowed)
    if distance > allowed:
        return 0
    if word in known and other in known:
        # Two words that people do write count as one with a typo only where they are long or differ
        # at the end: limit and limits, identify and identity; not lost and cost.
        same_start = word[: short - 1] == other[: short - 1]
        return distance if (short >= 4 and same_start) or (short >= 7 and distance == 1) else 0
    # Two edits that reach the first letter make another word: in-crease, de-crease.
    return distance if distance == 1 or word[0] == other[0] else 0


def _is_ending(word: str, other: str) -> bool:
    """Return whether one word is the other with a common ending."""
    longer, shorter = (word, other) if len(word) > len(other) else (other, word)
    return longer.startswith(shorter) and longer[len(shorter) :] in ENDINGS


def _pair_spaced(
    only_left: list[str], only_right: list[str], total: float, known: Collection[str]
) -> int:
    """Empty both lists if few typos, a missing or stray space included, make one of the other."""
    if not only_left or not only_right or len(only_left) + len(only_right) > 12:
        return 0
    one, two = " ".join(only_left), " ".join(only_right)
    if one.replace(" ", "") != two.replace(" ", ""):
        if any(c.isdigit() for c in one + two):
            return 0
        if all(word in known for word in (*only_left, *only_right)):
            return 0
    allowed = 1 if total < 30 else 2 if total < 100 else 3
    if len(only_left) == len(only_right) == 1:
        # Two typos in one word, or one in a word of two letters, are for _pair_typos to judge.
        allowed = int(bool(known) or max(len(one), len(two)) > 2)
    distance = OSA.distance(one, two, score_cutoff=allowed)
    if distance > allowed or distance >= max(len(one), len(two)):
        return 0
    only_left.clear()
    only_right.clear()
    return distance


def near_similarity(
    left: Sequence[str], right: Sequence[str], known: Collection[str], letters: float
) -> float:
    """Return the similarity (0 to 1) of two texts if they are near-duplicates, else 0.

    Parameters
    ----------
    left, right
        Words in the order of the text.
    known
        Words that several texts use.
    letters
        Indel similarity of the sorted words, from 0 to 100.
    """
    found = _judge(left, right, compare_words(left, right, known))
    if not found and letters >= SAME_LETTERS:
        short = {word for word in (*left, *right) if len(word) < 3}
        found = _judge(left, right, compare_words(left, right, short))
    return found


def _judge(left: Sequence[str], right: Sequence[str], difference: Difference) -> float:
    similarity = difference.similarity
    if difference.replaces_content:
        long_enough = min(len(left), len(right)) >= REPLACED_WORDS
        return similarity if long_enough and similarity >= REPLACED else 0.0
    one_word = len(difference.only_left) + len(difference.only_right) == 1
    least = ONE_WORD if one_word and min(len(left), len(right)) >= ONE_WORD_FROM else ONE_SIDED
    return similarity if similarity >= least else 0.0
