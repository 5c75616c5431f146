"""Headings and paragraphs of a document to pieces of sensible length, each under its headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fewtune.data.collectors.base import Document, Options, TargetShape, many, words_in
from fewtune.records import Dataset, Example, Message

__all__ = ["Block", "Piece", "as_dataset", "cut", "make_pair", "unwrap"]

SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]”’]*\s+(?=[^\s])|(?<=[。！？])|\n+")

BULLET = re.compile(r"^([•◦▪‣·–*-]|\d{1,2}[.)]|[a-z][.)])\s")
PARTED = re.compile(r"[a-zà-ÿ]-$")
MARGIN = 50
"""Letters from which a line may have been broken by a margin."""


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph, list, table or piece of code.

    Attributes
    ----------
    text
        Its words; lines only where they mean something.
    place
        Where it starts, as it stands in the source: a line (``12``), ``page3``, ``paragraph7``.
    level
        1 to 6 for a heading; 0 for anything else.
    tight
        Whether it follows the block before it without a blank line, as items of one list do.
    section
        Name of a boundary that pieces do not cross, such as a page; empty for none.
    """

    text: str
    place: str
    level: int = 0
    tight: bool = False
    section: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one section, ``headings`` the ones above it from the outermost down."""

    headings: tuple[str, ...]
    text: str
    place: str
    section: str
    part: int = 1


def cut(blocks: Iterable[Block], words: int) -> list[Piece]:
    """Return pieces of at most ``words`` words each (headings not counted), in order.

    Neighbouring paragraphs of one section are joined as long as they fit; longer ones are cut
    between sentences, and a sentence that is longer still between words.
    """
    pieces: list[Piece] = []
    for headings, section, body in _sections(blocks):
        part = 0
        held: list[Block] = []
        count = 0
        for block in _fitting(body, words):
            size = words_in(block.text)
            if held and count + size > words:
                part += 1
                pieces.append(_join(headings, section, held, part))
                held, count = [], 0
            held.append(block)
            count += size
        if held:
            pieces.append(_join(headings, section, held, part + 1))
    return pieces


def _sections(
    blocks: Iterable[Block],
) -> Iterator[tuple[tuple[str, ...], str, list[Block]]]:
    """Yield (headings, name of the section, its blocks), where there are any."""
    trail: list[tuple[int, str]] = []
    body: list[Block] = []
    name = ""
    for block in blocks:
        if block.level:
            if body:
                yield tuple(text for _, text in trail), name, body
            body = []
            trail = [(level, text) for level, text in trail if level < block.level]
            trail.append((block.level, block.text))
            name = block.section or block.place
        elif block.text.strip():
            if body and block.section != body[-1].section:
                yield tuple(text for _, text in trail), name, body
                body = []
            name = name if body else (block.section or name or block.place)
            body.append(block)
    if body:
        yield tuple(text for _, text in trail), name, body


def _join(headings: tuple[str, ...], section: str, held: Sequence[Block], part: int) -> Piece:
    text = "".join(("\n" if block.tight else "\n\n") + block.text for block in held)
    return Piece(headings, text.strip(), held[0].place, section, part)


def _fitting(body: Iterable[Block], words: int) -> Iterator[Block]:
    """Yield blocks none of which is longer than a piece."""
    for block in body:
        if words_in(block.text) <= words:
            yield block
            continue
        for number, text in enumerate(_cut_text(block.text, words)):
            yield replace(block, text=text, tight=block.tight if number == 0 else False)


def _cut_text(text: str, words: int) -> Iterator[str]:
    """Yield parts of a long paragraph, cut where sentences end where that is possible."""
    start = 0
    ends = [match.end() for match in SENTENCE_END.finditer(text)] + [len(text)]
    last, count = 0, 0
    for end in ends:
        size = words_in(text[last:end])
        if count and count + size > words:
            yield text[start:last].strip()
            start, count = last, 0
        if size > words:
            yield from _cut_words(text[last:end], words)
            start, count = end, 0
        else:
            count += size
        last = end
    if text[start:].strip():
        yield text[start:].strip()


def _cut_words(sentence: str, words: int) -> Iterator[str]:
    """Yield parts of a sentence without an end, cut between words, or between signs."""
    parts = sentence.split()
    if len(parts) >= words_in(sentence):
        for start in range(0, len(parts), words):
            yield " ".join(parts[start : start + words])
    else:
        for start in range(0, len(sentence), 2 * words):
            yield sentence[start : start + 2 * words].strip()


def unwrap(lines: Sequence[str]) -> str:
    r"""Return lines as one text: those that a margin broke are joined, short ones stay lines.

    A word parted by a hyphen at the end of a line is mended.

    Examples
    --------
    >>> unwrap(["We are open from Monday to Thursday until six, and on Fri-", "day until four."])
    'We are open from Monday to Thursday until six, and on Friday until four.'
    >>> unwrap(["Flu shot | $30", "Sick note | $15"])
    'Flu shot | $30\nSick note | $15'
    """
    longest = max((len(line) for line in lines), default=0)
    parts: list[str] = []
    last = ""
    for line in lines:
        full = longest >= MARGIN and len(last) > 0.7 * longest and " | " not in last + line
        if not parts or not line.strip():
            parts.append(line if not parts else "\n")
        elif full and PARTED.search(last) and line[:1].islower():
            parts[-1] = parts[-1][:-1]
            parts.append(line)
        elif full and not BULLET.match(line):
            parts.append(f" {line}")
        else:
            parts.append(f"\n{line}")
        last = line
    return "".join(parts).strip()


def make_pair(
    prompt: str, completion: str, source: str, group: str, shape: TargetShape | None
) -> Example:
    """Return a question and its answer, or a heading and its text, as one row of ``shape``."""
    if shape == "text":
        return Example("", f"{prompt}\n{completion}", source, group)
    if shape == "chat":
        turns = (Message("user", prompt), Message("assistant", completion))
        return Example(f"user: {prompt}", completion, source, group, messages=turns)
    return Example(prompt, completion, source, group)


def as_dataset(
    blocks: Sequence[Block],
    document: Document,
    options: Options,
    notes: list[str],
    title: str = "",
    place: Callable[[str], str] | None = None,
) -> Dataset:
    """Return the pieces of a document as rows.

    Text rows hold the headings, a line each, and after a blank line the text. As prompt or chat
    the headings ask and the text answers; what has neither heading nor ``title`` is left out, and
    said.

    Parameters
    ----------
    place
        Turns a block's place into the source; ``file:place`` if not given.
    """
    place = place or (lambda where: f"{document.name}:{where}")
    pieces = cut(blocks, options.words)
    shape = options.shape or "text"
    seen: Counter[str] = Counter()
    examples: list[Example] = []
    bare: list[str] = []
    for piece in pieces:
        where = place(piece.place)
        seen[where] += 1
        # Pieces of one long paragraph start at one place, so the later ones are numbered.
        source = where if seen[where] == 1 else f"{where}.{seen[where]}"
        group = place(piece.section)
        headings = piece.headings or ((title,) if title and shape != "text" else ())
        if shape == "text":
            lines = "\n".join(headings)
            text = f"{lines}\n\n{piece.text}" if lines else piece.text
            examples.append(Example("", text, source, group))
        elif headings:
            prompt = ": ".join(headings) + (f" (part {piece.part})" if piece.part > 1 else "")
            examples.append(make_pair(prompt, piece.text, source, group, shape))
        else:
            bare.append(source)
    if bare:
        notes.append(
            f"{many(len(bare), 'piece')} without a heading that could ask left out "
            f"(the first is {bare[0]}); --as text keeps all."
        )
    return Dataset(tuple(examples), shape, document.name, notes=tuple(notes))
