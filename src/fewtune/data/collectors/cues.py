"""WebVTT and SRT subtitles to turns, each with the line and the second at which it starts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fewtune.data.collectors.base import Document
from fewtune.errors import DataError

__all__ = ["TIMING", "Turn", "read_cues", "spoken"]

STAMP = r"(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
TIMING = re.compile(rf"^\s*({STAMP})\s*-->\s*({STAMP})(?:\s.*)?$")
VOICE = re.compile(r"<v(?:\.[^\s>.]{1,60})*[ \t]{1,8}([^>]{1,200})>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z0-9][^<>]{0,200}>|</[a-z]{1,10}>|\{\\[^}]{1,40}\}")
NAME = re.compile(
    r"^\s*(?:[-–—]\s*)?(?:>>+\s*)?(?P<name>[^\W\d_][^:\n\[\]<>]{0,48}?)"
    r"\s{0,4}(?:[\[(][\d:., ]{1,24}[\])])?\s{0,4}:(?![/\d])\s*(?P<text>.*)$"
)
"""``Amy: hello``; all repeats are bounded, as the lines may be hostile; not ``10:30`` and not ``https://``."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says at a stretch.

    Attributes
    ----------
    speaker
        The name; empty where nobody is named.
    text
        The words.
    line
        Where they start.
    certain
        Whether the file's format says who speaks; a name before a colon may also be the words
        ``One more thing:``.
    """

    speaker: str
    text: str
    line: int
    certain: bool = False


def spoken(text: str) -> str:
    """Return a cue's words without styles, with its entities written out.

    Examples
    --------
    >>> spoken("<i>Tom</i> &amp; <00:00:01.500><c>Amy</c>")
    'Tom & Amy'
    """
    return " ".join(html.unescape(TAG.sub("", text)).split())


def read_cues(lines: Sequence[str], document: Document) -> list[Turn]:
    """Return what is said in a WebVTT or SRT file, in order.

    A cue without a name goes on with the speaker before it. Notes, styles and regions are no
    speech.

    Raises
    ------
    DataError
        If there is no cue in it.
    """
    turns: list[Turn] = []
    cues = 0
    for start, payload in _cues(lines):
        cues += 1
        turns += _voices(start, payload)
    if not turns:
        raise DataError(
            "cues: a line such as 00:00:01.000 --> 00:00:04.000, and below it what is said",
            f"{cues} cues without a word" if cues else "none",
            document.name,
            "Export the transcript again",
        )
    return turns


def _cues(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line of the first word, lines of words) of each cue."""
    at = 0
    while at < len(lines):
        if not TIMING.match(lines[at]):
            at += 1
            continue
        at += 1
        start = at
        while at < len(lines) and lines[at].strip() and not TIMING.match(lines[at]):
            at += 1
        end = at
        # Without a blank line between, the number of the next SRT cue stands before its times.
        if at < len(lines) and TIMING.match(lines[at]) and end > start:
            end -= lines[end - 1].strip().isdigit()
        yield start + 1, list(lines[start:end])


def _voices(start: int, payload: Sequence[str]) -> Iterator[Turn]:
    """Yield the turns of one cue: a voice tag, a name with a colon, or nobody."""
    speaker, certain, first = "", False, start
    held: list[str] = []
    for number, line in enumerate(payload, start):
        for name, text, tagged in _parts(line):
            if name is not None:
                if spoken(" ".join(held)):
                    yield Turn(speaker, spoken(" ".join(held)), first, certain)
                speaker, certain, held, first = name, tagged, [], number
            held.append(text)
    if spoken(" ".join(held)):
        yield Turn(speaker, spoken(" ".join(held)), first, certain)


def _parts(line: str) -> Iterator[tuple[str | None, str, bool]]:
    """Yield (speaker or ``None`` if none begins, words, whether a tag says so) for each voice."""
    pieces = VOICE.split(line)
    if len(pieces) == 1:
        match = NAME.match(TAG.sub("", line))
        if match:
            yield match["name"].strip(), match["text"], False
        else:
            yield None, line, False
        return
    if pieces[0].strip():
        yield None, pieces[0], False
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        yield spoken(name), text, True
