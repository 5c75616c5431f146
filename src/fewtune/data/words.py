"""Texts as comparisons see them: folded spelling, words, and how much each word weighs."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["FILLERS", "FUNCTION_WORDS", "normalise", "split_words", "weigh"]

# Marks on Latin, Greek and Cyrillic letters; those of other scripts carry meaning and stay.
_ACCENTS = re.compile("[\u0300-\u036f]")
_APOSTROPHES = re.compile(r"(?<=\w)['’‘`´](?=\w)")
# A sign between or before digits is arithmetic, a price or a time, not punctuation.
_KEPT_BY_DIGITS = re.compile(r"(?<=\d)[.,:](?=\d)|[-+*/%](?=\s?\d)|(?<=\d)\s?[%*/+]|(?<=\w)[#+]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)

FUNCTION_WORDS = frozenset(
    """
    a an the this that these those there it its i me my mine we us our you your he him his she her
    they them their of in on at to for from by with about into onto as and or so then just also too
    now again already actually really currently is are was were am be been do does did get got
    any some
    der die das den dem des ein eine einen einem einer und oder ich du er sie es wir ihr mein meine
    ist sind war bin zu im am auf mit von
    le la les un une des du de et ou je tu il elle nous vous mon ma mes est sont au aux en dans sur
    el los las una unos y o yo mi mis es son al con por
    """.split()
)
"""Articles, pronouns, prepositions and the like: a change of them alone changes little. Question
words, negations and modal verbs are not among them."""

FILLERS = frozenset(
    "please pls plz hi hello hey thanks thank thx um uh ok okay kindly bitte danke merci".split()
)
"""Words that may come and go without any change of meaning."""

LIGHT = 1.0
"""Weight of a function word against a content word of the same length."""

_CONTRACTIONS = {
    "cant": "can not",
    "cannot": "can not",
    "wont": "will not",
    "im": "i am",
    "ive": "i have",
    "its": "it is",
    "youre": "you are",
    "theyre": "they are",
    "whats": "what is",
    "thats": "that is",
    "theres": "there is",
    "wheres": "where is",
} | {
    f"{verb}nt": f"{verb} not"
    for verb in "do does did is are was were has have had should would could must need".split()
}


def normalise(text: str) -> str:
    """Return the text with case, punctuation, white space, accents and Unicode forms folded.

    A text of punctuation or signs alone is kept as it is, so that ``?`` and ``!`` stay two texts;
    signs beside digits are kept, so that ``3-2`` and ``3+2`` do.

    Examples
    --------
    >>> normalise("  Where's my CAFÉ-card?! ")
    'wheres my cafe card'
    >>> normalise("3.5% of 1,000")
    '3.5% of 1,000'
    """
    if text.isascii():
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        folded = unicodedata.normalize("NFC", _ACCENTS.sub("", folded))
    folded = _APOSTROPHES.sub("", folded)
    kept = {}
    if any(character.isdigit() or character in "#+" for character in folded):
        kept = dict.fromkeys(
            at for m in _KEPT_BY_DIGITS.finditer(folded) for at in range(*m.span())
        )
    if kept:
        characters = [c if at in kept else _fold_sign(c) for at, c in enumerate(folded)]
    else:
        characters = [_fold_sign(c) for c in folded]
    return " ".join("".join(characters).split()) or " ".join(text.split())


@lru_cache(maxsize=65536)
def _fold_sign(character: str) -> str:
    """Return a space for punctuation, controls and underscores, and any other character itself."""
    if character.isalnum():
        return character
    return " " if unicodedata.category(character)[0] in "PZC" else character


def split_words(normal: str) -> list[str]:
    """Return the words of a normalised text, contractions written out, no fillers, none doubled.

    Scripts written without spaces give one word for each character.

    Examples
    --------
    >>> split_words("please dont send send it")
    ['do', 'not', 'send', 'it']
    """
    if not normal.isascii() and _UNSPACED.search(normal):
        return _UNSPACED.sub(r" \g<0> ", normal).split()
    words: list[str] = []
    for word in normal.split():
        if not (words and words[-1] == word and word.isalpha()):
            words += _CONTRACTIONS[word].split() if word in _CONTRACTIONS else [word]
    return [word for word in words if word not in FILLERS] or words


@lru_cache(maxsize=65536)
def weigh(word: str) -> float:
    """Return the weight of a word: its letters and the space after it; less for function words."""
    weight = len(word) + 1.0
    return LIGHT * weight if word in FUNCTION_WORDS else weight
