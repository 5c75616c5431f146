"""What a collector is given and what it returns."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NoReturn

from fewtune.data.formats.decode import BINARY_MAGICS, open_text, read_lines
from fewtune.errors import DataError
from fewtune.family import Family
from fewtune.records import Dataset

__all__ = [
    "COLLECTORS",
    "MAX_MARKED",
    "MAX_TEXT",
    "Collector",
    "Document",
    "Options",
    "TargetShape",
    "decode_head",
    "many",
    "nothing_found",
    "quote",
    "words_in",
]

TargetShape = Literal["text", "prompt", "chat"]
"""The shapes that documents can be made into."""

SNIFF = 256 * 1024
"""Bytes from which the kind of a document is found."""

MAX_TEXT = 8 * 1024**2
"""Bytes of the longest text that is read: eight thick novels."""

MAX_MARKED = 2 * 1024**2
"""Bytes of the longest Markdown or HTML, whose trees take up to 200 times as much memory."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# Scripts that put no spaces between words; two signs count as one word.
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


def words_in(text: str) -> int:
    """Return the number of words; two signs of Chinese, Japanese or Thai count as one.

    Examples
    --------
    >>> words_in("Open from 8 to 6."), words_in("診療時間")
    (5, 2)
    """
    if text.isascii():
        return len(text.split())
    return len(UNSPACED.sub(" ", text).split()) + (len(UNSPACED.findall(text)) + 1) // 2


def quote(text: str, width: int = 50) -> str:
    r"""Return text in quotes, on one line and shortened, as notes and errors show it.

    Examples
    --------
    >>> quote("Do you\n open on Sundays?", 12)
    "'Do you open…'"
    """
    shown = " ".join(text.split())
    shown = shown if len(shown) <= width else shown[: width - 1].rstrip() + "…"
    return repr(shown) if shown.isprintable() else ascii(shown)


def many(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it is due.

    Examples
    --------
    >>> many(1, "row"), many(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def decode_head(data: bytes) -> str:
    """Return the characters of the first bytes of a file; empty where they are not text."""
    if any(data.startswith(magic) for magic in BINARY_MAGICS):
        return ""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "ignore")
    elif data[1:400:2].count(0) > 80 or data[0:400:2].count(0) > 80:
        codec = "utf-16-le" if data[1:400:2].count(0) > 80 else "utf-16-be"
        text = data.decode(codec, "ignore")
    else:
        # The cut may go through a character, so the last bytes may be dropped.
        try:
            text = data.decode("utf-8-sig", "strict" if len(data) < SNIFF else "ignore")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return "" if len(CONTROL.findall(text)) > max(2, len(text) // 100) else text


@dataclass(frozen=True)
class Document:
    """One file to collect from.

    Attributes
    ----------
    path
        Where its bytes lie.
    name
        What the user called it, a path or a URL: the first part of every source.
    media_type
        What a web server called it; empty for files.
    charset
        The encoding a web server told; empty for files.
    """

    path: Path
    name: str
    media_type: str = ""
    charset: str = ""

    @property
    def suffix(self) -> str:
        """The end of the name in lower case, such as ``.html``; empty for URLs without one."""
        return Path(self.name.split("?", 1)[0].split("#", 1)[0]).suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 256 KiB.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(SNIFF)
        except OSError as error:
            raise DataError(
                "a file that can be read",
                error.strerror or str(error),
                self.name,
                "Mend its permissions",
            ) from error

    @cached_property
    def text_head(self) -> str:
        """The characters of ``head``; empty where the file is binary."""
        return decode_head(self.head)

    def at(self, line: int) -> str:
        """Return ``file:line``."""
        return f"{self.name}:{line}"

    def refuse_larger(self, most: int, kind: str) -> None:
        """Raise if the file is larger than ``most`` bytes.

        Raises
        ------
        DataError
            Naming both sizes.
        """
        size = self.path.stat().st_size
        if size > most:
            raise DataError(
                f"{kind} of at most {most / 1024**2:.0f} MiB",
                f"one of {size / 1024**2:.1f} MiB",
                self.name,
                "Cut it into smaller files",
            )

    def lines(self, notes: list[str]) -> list[str]:
        """Return the lines of a text file without their ends; its encoding is said in ``notes``.

        Raises
        ------
        DataError
            If the file is empty, too large, or not text in one encoding.
        """
        self.refuse_larger(MAX_TEXT, "a text")
        with open_text(self.path, self.name) as (text, encoding):
            if encoding.note:
                notes.append(encoding.note)
            # Only the ends that editors count, so that file:line opens the right one.
            return [line.rstrip("\r\n") for line in _split_returns(read_lines(text, self.name))]


def _split_returns(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines; those that old Macs ended with a carriage return only are parted."""
    for line in lines:
        body = line.rstrip("\r\n")
        yield from body.split("\r") if "\r" in body else [body]


def _no_roles() -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Options:
    """How to collect.

    Attributes
    ----------
    shape
        How rows are made; ``None`` for the collector's own way.
    words
        Words of the longest piece into which a document is cut, at least 20.
    roles
        Which speaker has which role: ``{"Amy": "assistant"}``; names in any case.
    """

    shape: TargetShape | None = None
    words: int = 200
    roles: Mapping[str, str] = field(default_factory=_no_roles)


class Collector(ABC):
    """Makes examples of one kind of document.

    A member's file defines one subclass.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Ends of names that promise this kind."""
    shape: ClassVar[TargetShape] = "text"
    """How rows are made unless the user says otherwise."""

    @abstractmethod
    def accepts(self, document: Document) -> float:
        """Return how sure it is that the document is its kind: 0 not at all, 1 certain.

        The content decides before the name does; a name alone counts at most 0.3.
        """

    @abstractmethod
    def collect(self, document: Document, options: Options) -> Dataset:
        """Return the examples in the order of the document, and notes on what was left out.

        Raises
        ------
        DataError
            If the document is broken, or holds nothing of this kind; file and line are named.
        MissingExtra
            If the library that reads it is not installed.
        """


def nothing_found(expected: str, got: str, document: Document, cure: str) -> NoReturn:
    """Raise that a document holds nothing to collect."""
    raise DataError(expected, got, document.name, cure)


COLLECTORS: Family[Collector] = Family(
    "fewtune.data.collectors",
    Collector,
    "collector",
    not_members=[
        "blocks",
        "fetch",
        "markup",
        "pairs",
        "pdf_lines",
        "cues",
        "roles",
        "run",
        "turns",
        "walk",
    ],
)
