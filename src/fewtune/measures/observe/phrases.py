"""Other words for the same thing by rule: contractions, and ways of asking that mean the same."""

from __future__ import annotations

import random
import re
from functools import partial

__all__ = ["contracted", "paraphrased"]

# Only pairs that mean the same in both directions: "'s" and "'d" may stand for two words each.
_CONTRACTIONS = (
    ("i am", "i'm"),
    ("i have", "i've"),
    ("i will", "i'll"),
    ("i would", "i'd"),
    ("you are", "you're"),
    ("you have", "you've"),
    ("you will", "you'll"),
    ("we are", "we're"),
    ("we have", "we've"),
    ("we will", "we'll"),
    ("they are", "they're"),
    ("they have", "they've"),
    ("they will", "they'll"),
    ("it is", "it's"),
    ("that is", "that's"),
    ("there is", "there's"),
    ("what is", "what's"),
    ("where is", "where's"),
    ("how is", "how's"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("did not", "didn't"),
    ("is not", "isn't"),
    ("are not", "aren't"),
    ("was not", "wasn't"),
    ("were not", "weren't"),
    ("has not", "hasn't"),
    ("have not", "haven't"),
    ("had not", "hadn't"),
    ("would not", "wouldn't"),
    ("should not", "shouldn't"),
    ("could not", "couldn't"),
    ("will not", "won't"),
    ("cannot", "can't"),
)
_SHORT = {long: short for long, short in _CONTRACTIONS}
# "it's been" is "it has been": what follows a participle is left alone, see _LONG_PATTERN.
_LONG = {short: long for long, short in _CONTRACTIONS if short not in ("i'd",)}


def _pattern(phrases: object, after: str = "") -> re.Pattern[str]:
    words = sorted(phrases, key=len, reverse=True)  # type: ignore[call-overload]
    joined = "|".join(re.escape(word).replace("'", "['’]").replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![\w'’])({joined})(?![\w'’]){after}", re.IGNORECASE)


# A contraction before nothing is no English: "yes, I am." stays.
_SHORT_PATTERN = _pattern(_SHORT, r"(?=\s+\w)")
_LONG_PATTERN = _pattern(_LONG, r"(?!\s+(?:been|got|gone|had|become|happened|\w+ed)\b)")

_REQUESTS = (
    "can you",
    "could you",
    "would you be able to",
    "are you able to",
)
_WISHES = (
    "i want to",
    "i would like to",
    "i wish to",
    "i am looking to",
)
_ABILITIES = (
    "can i",
    "am i able to",
    "is it possible for me to",
)
_QUESTIONS = (
    "how do i",
    "how can i",
    "what is the way to",
    "how would i",
)
_NEEDS = ("i need to", "i have to", "i must")
_SWAPS = (_REQUESTS, _WISHES, _ABILITIES, _QUESTIONS, _NEEDS)
_EQUAL = {phrase: family for family in _SWAPS for phrase in family}
_EQUAL_PATTERN = _pattern(_EQUAL, r"(?=\s+\w)")
_FRAMES = (
    "Hello, {}",
    "{} Thanks.",
    "Quick question: {}",
    "I have a question. {}",
)


def contracted(text: str, draw: random.Random) -> str | None:
    """Return the text with its contractions written out, or with contractions where it has none.

    ``None`` where there is nothing to contract or to write out.

    Examples
    --------
    >>> contracted("I'm late and don't know", random.Random(0))
    'I am late and do not know'
    >>> contracted("It is cold", random.Random(0))
    "It's cold"
    """
    for pattern, words in ((_LONG_PATTERN, _LONG), (_SHORT_PATTERN, _SHORT)):
        new = pattern.sub(partial(_in_case, words=words), text)
        if new != text:
            return new
    return None


def paraphrased(text: str, draw: random.Random) -> str | None:
    """Return the text asked in another way that means the same; ``None`` for an empty text.

    A way of asking is swapped for another where the text has one ("how do I", "can you"), else a
    greeting, an introduction or thanks are put around it.

    Examples
    --------
    >>> paraphrased("How do I pay?", random.Random(1))
    'How would I pay?'
    """
    if not any(character.isalpha() for character in text):
        return None
    found = list(_EQUAL_PATTERN.finditer(text))
    if found:
        spot = draw.choice(found)
        said = " ".join(spot.group().lower().split())
        other = draw.choice([phrase for phrase in _EQUAL[said] if phrase != said])
        return text[: spot.start()] + _like(other, spot.group()) + text[spot.end() :]
    frame = draw.choice(_FRAMES)
    body = text.strip()
    if frame.startswith("{}"):
        body = body if body[-1] in ".!?…" else f"{body}."
    elif frame.startswith("Hello") and _lowers(body):
        body = body[0].lower() + body[1:]
    return frame.format(body)


def _lowers(text: str) -> bool:
    """Return whether the first word has its capital from the sentence alone, as far as one sees."""
    first = re.split(r"\W", text, maxsplit=1)[0]
    return first[:1].isupper() and first[1:].islower() and first.lower() in _COMMON_FIRST


_COMMON_FIRST = frozenset(
    """
    a an the this that these those what which who where when why how is are am was were do does did
    can could would should will may please there it my your our their he she we they you if after
    before has have had
    """.split()
)


def _in_case(found: re.Match[str], words: dict[str, str]) -> str:
    said = " ".join(found.group().lower().replace("’", "'").split())
    return _like(words[said], found.group())


def _like(new: str, old: str) -> str:
    """Return ``new`` with the capitals of ``old``; the English I is always one."""
    new = re.sub(r"\bi\b", "I", new)
    if old.isupper() and len(old) > 2:
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
