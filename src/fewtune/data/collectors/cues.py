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
VOICE = re.compile(r"<v(?:\.[^\s>]{1,60})*[ \t]+([^>]{1,200})>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z0-9][^<>]{0,200}>|</[a-z]{1,10}>|\{\\[^}]{1,40}\}")
NAME = re.compile(
    r"^\s*(?:[-–—]\s*)?(?:>>+\s*)?(?P<name>[^\W\d_][^:\n\[\]<>]{0,48}?)"
    r"\s*(?:[\[(]\s*[\d:., ]{1,24}[\])])?\s*:(?![/\d])\s*(?P<text>.*)$"
)
"""``Amy: hello``; not ``10:30`` and not ``https://``."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says at a stretch; ``speaker`` is empty where nobody is named."""

    speaker: str
    text: str
    line: int


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
        for turn in _voices(start, payload):
            speaker = turn.speaker or (turns[-1].speaker if turns else "")
            turns.append(Turn(speaker, turn.text, turn.line))
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
    speaker = ""
    held: list[str] = []
    first = start
    for number, line in enumerate(payload, start):
        for name, text in _parts(line):
            if name is not None:
                if spoken(" ".join(held)):
                    yield Turn(speaker, spoken(" ".join(held)), first)
                speaker, held, first = name, [], number
            held.append(text)
    if spoken(" ".join(held)):
        yield Turn(speaker, spoken(" ".join(held)), first)


def _parts(line: str) -> Iterator[tuple[str | None, str]]:
    """Yield (speaker, words) for each voice on a line; the speaker is ``None`` if none begins."""
    pieces = VOICE.split(line)
    if len(pieces) == 1:
        match = NAME.match(TAG.sub("", line))
        yield (match["name"].strip(), match["text"]) if match else (None, line)
        return
    if pieces[0].strip():
        yield None, pieces[0]
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        yield spoken(name), text
