"""What a language model wrote, freed of wrapping, and whether it still says what it must."""

from __future__ import annotations

import re

from fewtune.augmentations._words import NEGATIONS

__all__ = ["differences", "label_in", "numbers", "tidy"]

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+|[\w.+-]+@[\w-]+\.[\w.-]+")
_PREFACE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok)[,.!:]?\s+)?(?:here(?:'s| is| are)[^\n:]{0,80}:"
    r"|(?:rewritten|paraphrased|new|reworded)\s+(?:message|answer|text|version|sentence):)\s*",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "'": "'", "«": "»", "„": "“"}
_FINAL = re.compile(r"(?:####|final answer(?: is)?:?|the answer is:?)\s*([^\n]+)", re.IGNORECASE)
_YES_NO = {"yes": "yes", "yeah": "yes", "yep": "yes", "no": "no", "nope": "no"}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SHORT = 3
"""Words of the longest answer that must be found in its rewriting as it stands."""


def tidy(reply: str) -> str:
    """Return a reply without white space around it, a preface, or quotes around all of it.

    Examples
    --------
    >>> tidy('Sure! Here is the rewritten message: "Where is my card?"')
    'Where is my card?'
    """
    text = _PREFACE.sub("", reply.strip()).strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def numbers(text: str) -> frozenset[str]:
    """Return the numbers of a text, thousands without commas.

    Examples
    --------
    >>> sorted(numbers("1,200 at 9:30, or 3.5 on 1/2."))
    ['1/2', '1200', '3.5', '9:30']
    """
    return frozenset(
        re.sub(r",(?=\d{3}(?:\D|$))", "", found.group()) for found in _NUMBER.finditer(text)
    )


def differences(old: str, new: str, known: str = "") -> str:
    """Return in what a rewriting differs that it must not, or nothing.

    Parameters
    ----------
    old, new
        An answer and its rewriting.
    known
        What was asked: names in it may be used in the rewriting.

    Returns
    -------
    str
        The first of: the answer is not in it, another final answer, numbers changed, links
        changed, yes or no turned round, negation added or lost, names changed. Empty where all
        agree.
    """
    if not label_in(old, new):
        return "the answer is not in it"
    for reason, agree in (
        ("another final answer", _final(old) in ("", _final(new))),
        ("numbers changed", numbers(old) == numbers(new)),
        ("links changed", set(_LINK.findall(old)) == set(_LINK.findall(new))),
        ("yes or no turned round", _yes_no(old) in ("", _yes_no(new))),
        ("negation added or lost", _negated(old) == _negated(new)),
        ("names changed", _names_agree(old, new, known)),
    ):
        if not agree:
            return reason
    return ""


def label_in(old: str, new: str) -> bool:
    """Return whether an answer of three words or fewer stands in its rewriting as it is."""
    words = old.split()
    if not words or len(words) > SHORT:
        return bool(words)
    wanted = re.escape(" ".join(words).strip(".!?").lower())
    return bool(re.search(rf"(?<!\w){wanted}(?!\w)", " ".join(new.lower().split())))


def _final(text: str) -> str:
    """Return the answer after the last marker of a final answer, without its full stop."""
    found = _FINAL.findall(text)
    return found[-1].strip().rstrip(".").lower() if found else ""


def _yes_no(text: str) -> str:
    first = _WORD.search(text)
    return _YES_NO.get(first.group().lower(), "") if first else ""


def _negated(text: str) -> bool:
    words = (word.group().lower().replace("’", "'") for word in _WORD.finditer(text))
    return any(w.replace("'", "") in NEGATIONS or w.endswith("n't") for w in words)


def _names_agree(old: str, new: str, known: str) -> bool:
    """Return whether every name of the old text is in the new one, and none was made up."""
    lost = _names(old) - {word.group() for word in _WORD.finditer(new)}
    spoken = {word.group().lower() for word in _WORD.finditer(f"{old} {known}")}
    made_up = {name for name in _names(new) if name.lower() not in spoken}
    return not lost and not made_up


def _names(text: str) -> frozenset[str]:
    """Return words that begin with a capital where no sentence begins; the English I is none."""
    found = set()
    for match in _WORD.finditer(text):
        word = match.group()
        before = text[: match.start()].rstrip(" \t\"'“‘(*_-")
        starts = not before or before[-1] in ".!?:;\n•" or before[-1] == ")"
        if word[0].isupper() and not starts and word.split("'")[0].split("’")[0] != "I":
            found.add(word)
    return frozenset(found)
