"""Lines such as ``[00:03] Amy: hello`` to turns, and which names before a colon are speakers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fewtune.data.collectors.base import many, quote
from fewtune.data.collectors.cues import NAME, Turn
from fewtune.data.collectors.roles import known_role

__all__ = ["Call", "read_calls", "settle", "split_line"]

STAMP = re.compile(
    r"^\s*(?:[-*>]\s)?[\[(]?\s?(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},?[T ]{1,3})?"
    r"\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:\s?[ap]\.?m\.?)?Z?\s?[\])]?\s{0,4}[-–—|]?\s{0,4}"
    r"(?=\D|$)",
    re.IGNORECASE,
)
"""A time, perhaps with a date, at the start of a line."""

STAMP_AFTER = re.compile(
    r"[\s,]{0,4}[\[(]?\s?\d{1,3}:\d{2}(?::\d{2})?(?:\s?[ap]m)?\s?[\])]?$", re.IGNORECASE
)
BOLD = re.compile(r"^\s*(?:[-*>]\s)?[*_]{1,3}([^*_\n:]{1,50}?)\s?(:?)\s?[*_]{1,3}\s?(:?)\s*")
SEPARATOR = re.compile(r"^\s*(?:[-=*_~]{3,}|[-=*_~]{2,}.{1,60}?[-=*_~]{2,})\s*$")
TITLE = re.compile(
    r"^\s*(?:#{1,6}\s*)?(?:call|conversation|chat|transcript|session|ticket|case|dialogue)\b"
    r"[\s:#.-]*(?:no\.?|id|number)?[\s:#.-]*[\w./-]{0,30}\d[\w./-]{0,30}\s*$",
    re.IGNORECASE,
)
LONGEST_TITLE = 120
"""Characters of a line that may part calls, or hold a name and a time alone."""

ABOUT = frozenset(
    "date time duration call subject topic participants recorded location channel language queue "
    "file transcript note notes status phone number id ticket case start started end ended "
    "recording source title reason summary".split()
)
"""First words of lines that tell about a call and are not spoken in it."""


@dataclass(slots=True)
class Call:
    """One conversation: its turns, and the ISO date that stands above them, if one does."""

    turns: list[Turn] = field(default_factory=list)
    time: str = ""


def split_line(line: str) -> tuple[str, str] | None:
    """Return (name, words) of a line that begins a turn, or nothing.

    Examples
    --------
    >>> split_line("[00:03] Amy: Hello, how are you?")
    ('Amy', 'Hello, how are you?')
    >>> split_line("Come at 10:30, please.")
    """
    bare = STAMP.sub("", line, count=1).rstrip()
    bold = BOLD.match(bare)
    if bold and (bold.group(2) or bold.group(3)):
        bare = f"{bold.group(1)}: {bare[bold.end() :]}"
    match = NAME.match(bare)
    if match:
        return match["name"].strip(), match["text"].strip()
    # A name and a time alone on a line stand above the words.
    if len(bare) > LONGEST_TITLE:
        return None
    stamped = STAMP.match(line) or STAMP_AFTER.search(bare)
    name = STAMP_AFTER.sub("", bare).strip(" -–—|*_")
    if stamped and re.fullmatch(r"[^\W\d_][\w.'’() -]{0,40}", name) and len(name.split()) <= 4:
        return name, ""
    return None


def read_calls(lines: Sequence[str], notes: list[str]) -> list[Call]:
    """Return the conversations of a text file, parted by rules or by titles with a number."""
    calls = [Call()]
    parts: list[str] = []
    about = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) <= LONGEST_TITLE and (SEPARATOR.match(line) or TITLE.match(line)):
            _finish(calls[-1], parts)
            if calls[-1].turns:
                calls.append(Call())
            continue
        turns = calls[-1].turns
        found = split_line(line)
        if found and not turns and found[0].split()[0].lower() in ABOUT:
            calls[-1].time = _iso(found[1]) or calls[-1].time
            about += 1
        elif found:
            _finish(calls[-1], parts)
            turns.append(Turn(found[0], "", number))
            parts.append(found[1])
        elif turns:
            parts.append(" ".join(STAMP.sub("", line, count=1).split()))
        else:
            about += 1
    _finish(calls[-1], parts)
    if about:
        notes.append(f"{many(about, 'line')} above the first turn, about the call, left out.")
    return [call for call in calls if call.turns]


def _finish(call: Call, parts: list[str]) -> None:
    """Give the last turn the words of its lines."""
    if parts:
        call.turns[-1] = replace(call.turns[-1], text=" ".join(filter(None, parts)))
        parts.clear()


def _iso(text: str) -> str:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None).isoformat()
    except ValueError:
        return ""


def settle(turns: Sequence[Turn], given: Iterable[str], notes: list[str]) -> list[Turn]:
    """Return the turns with every name before a colon decided: a speaker, or just words.

    Speakers are those that ``given`` names, whose name is a role, or who speak twice; a name that
    stands once among speakers is taken for words of the turn before, and said. A turn without a
    name goes on with the speaker before it.
    """
    counts = Counter(turn.speaker for turn in turns if turn.speaker)
    named = {name.lower() for name in given}
    sure = {
        turn.speaker
        for turn in turns
        if turn.speaker
        and (
            turn.certain
            or turn.speaker.lower() in named
            or known_role(turn.speaker)
            or counts[turn.speaker] > 1
        )
    }
    if len(sure) < 2:
        sure |= set(counts)
    made: list[Turn] = []
    for turn in turns:
        last = made[-1] if made else None
        if turn.speaker in sure:
            made.append(turn)
        elif not turn.speaker:
            made.append(Turn(last.speaker if last else "", turn.text, turn.line, turn.certain))
        elif last:
            notes.append(
                f"Line {turn.line}: {quote(turn.speaker + ':')} was taken for words of "
                f"{last.speaker}; if somebody speaks here, say --roles "
                f'"{turn.speaker}=user" (or assistant, or skip).'
            )
            words = f"{turn.speaker}: {turn.text}".strip()
            made[-1] = Turn(last.speaker, f"{last.text} {words}".strip(), last.line, last.certain)
        else:
            made.append(Turn("", f"{turn.speaker}: {turn.text}".strip(), turn.line))
    return [turn for turn in made if turn.text]
