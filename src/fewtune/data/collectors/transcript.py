"""Calls and chats: "Speaker: text", WebVTT and SRT, with times or without, to messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from fewtune.data.collectors.base import Collector, Document, Options, TargetShape, many
from fewtune.data.collectors.blocks import Block, as_dataset
from fewtune.data.collectors.cues import TIMING, Turn, read_cues
from fewtune.data.collectors.pairs import LABEL
from fewtune.data.collectors.roles import as_messages, assign, known_role
from fewtune.data.collectors.turns import Call, read_calls, settle, split_line
from fewtune.data.formats.chats import as_input
from fewtune.errors import DataError
from fewtune.records import Dataset, Example, Message

__all__ = ["Transcript"]

SNIFFED_LINES = 400


class Transcript(Collector):
    """Collects conversations."""

    suffixes = (".vtt", ".srt")
    shape = "chat"

    def accepts(self, document: Document) -> float:
        """Return 1 for WebVTT, 0.95 for SRT, 0.85 where most lines start with a speaker."""
        text = document.text_head
        if text.startswith("WEBVTT"):
            return 1.0
        lines = [line for line in text.split("\n")[:SNIFFED_LINES] if line.strip()]
        if any(TIMING.match(line) for line in lines[:20]):
            return 0.95
        if document.suffix in self.suffixes:
            return 0.3 if lines else 0.0
        if text.lstrip().startswith(("<", "{", "[{")):
            return 0.0
        return 0.85 if _mostly_turns(lines) else 0.0

    def collect(self, document: Document, options: Options) -> Dataset:
        """Return one chat for each call; as prompt, one row for each answer."""
        notes: list[str] = []
        lines = document.lines(notes)
        if self._has_cues(document, lines):
            calls = [Call(read_cues(lines, document))]
        else:
            calls = read_calls(lines, notes)
        if not calls:
            raise DataError(
                "lines such as Amy: hello",
                "none in which somebody is named",
                document.name,
                "Export the transcript with the speakers' names, or choose another --collector",
            )
        for call in calls:
            call.turns = settle(call.turns, options.roles, notes)
        if options.shape == "text":
            return _as_text(calls, document, options, notes)
        examples: list[Example] = []
        for call in calls:
            # Every row of a call is of one group, so that no split can cut through it.
            group = document.name if len(calls) == 1 else document.at(call.turns[0].line)
            examples += _rows(call, group, document, options, notes)
        shape: TargetShape = options.shape or self.shape
        return Dataset(tuple(examples), shape, document.name, notes=tuple(dict.fromkeys(notes)))

    def _has_cues(self, document: Document, lines: Sequence[str]) -> bool:
        if document.suffix in self.suffixes or document.text_head.startswith("WEBVTT"):
            return True
        return any(TIMING.match(line) for line in lines[:50])


def _mostly_turns(lines: Sequence[str]) -> bool:
    """Return whether lines look like a conversation: two speakers, one of them twice."""
    names = [found[0].lower() for found in map(split_line, lines) if found]
    if any(map(LABEL.match, lines)) or len(names) < 3 or 5 * len(names) < 2 * len(lines):
        return False
    counts = Counter(names)
    again = sum(count for count in counts.values() if count > 1)
    roles = {known_role(name) for name in counts} - {""}
    return len(counts) > 1 and (2 * again >= len(names) or len(roles) > 1)


def _rows(
    call: Call, group: str, document: Document, options: Options, notes: list[str]
) -> Iterator[Example]:
    """Yield the rows of one call.

    Raises
    ------
    DataError
        If nobody is named, or roles cannot be told.
    """
    where = document.at(call.turns[0].line) if call.turns else document.name
    speakers = list(dict.fromkeys(turn.speaker for turn in call.turns))
    if not any(speakers):
        raise DataError(
            "a conversation with the speakers' names",
            f"{many(len(call.turns), 'turn')} in which nobody is named",
            where,
            "Export it with the speakers' names, or collect it with --as text",
        )
    if "" in speakers:
        notes.append(f"Words before the first name were left out ({where}).")
        call.turns = [turn for turn in call.turns if turn.speaker]
        speakers.remove("")
    roles = assign(speakers, options.roles, where, notes)
    turns = as_messages(call.turns, roles)
    messages = tuple(message for message, _ in turns)
    answers = [at for at, message in enumerate(messages) if message.role == "assistant"]
    if options.shape == "prompt":
        if not _has_user(messages[: answers[0]]):
            notes.append("What the assistant says before the user does was not made a row.")
        for at in answers:
            if _has_user(messages[:at]):
                prompt = as_input(messages[:at])
                source = document.at(turns[at][1])
                yield Example(prompt, messages[at].content, source, group, time=call.time)
        return
    last = answers[-1]
    yield Example(
        as_input(messages[:last]),
        messages[last].content,
        where,
        group,
        messages=messages,
        time=call.time,
    )


def _has_user(messages: Sequence[Message]) -> bool:
    return any(message.role == "user" for message in messages)


def _as_text(
    calls: Sequence[Call], document: Document, options: Options, notes: list[str]
) -> Dataset:
    """Return what is said as text, a turn on each line, cut between turns."""
    blocks = []
    for call in calls:
        section = str(call.turns[0].line) if call.turns else ""
        for turn in _joined(call.turns):
            text = f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text
            blocks.append(Block(text, str(turn.line), tight=True, section=section))
    return as_dataset(blocks, document, options, notes)


def _joined(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Yield turns, those of one speaker in a row joined."""
    for speaker, said in groupby(turns, key=lambda turn: turn.speaker):
        together = list(said)
        yield Turn(speaker, " ".join(turn.text for turn in together), together[0].line)
