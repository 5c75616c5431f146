"""What readers of files hand to readers of rows, and how they say what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from fewtune.errors import DataError

__all__ = [
    "MAX_COLUMNS",
    "MAX_FAULTS",
    "MAX_LINE",
    "Faults",
    "Record",
    "Table",
    "clip",
    "listed",
    "name_kind",
]

MAX_LINE = 10_000_000
"""Characters of the longest line or cell that is read: ten thick novels."""

MAX_COLUMNS = 1_000
"""Columns of the widest table that is read."""

MAX_FAULTS = 5
"""Broken rows that one error names before reading stops."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stood in the file.

    Attributes
    ----------
    line
        Where it starts, counted from 1; the number of the row where a file has no lines.
    fields
        Its cells by column.
    place
        Its path inside a folder, by which it is spoken of instead of a line.
    """

    line: int
    fields: Mapping[str, Any]
    place: str = ""


@dataclass(slots=True)
class Table:
    """The rows of one file before anybody decided what they mean.

    Attributes
    ----------
    name
        What the user called the file; the first part of every ``file:line``.
    records
        The rows in file order.
    folder
        Where relative paths in the rows start from; empty where there is no such folder.
    notes
        What the reader noticed about the file, one sentence each.
    header
        Line of the names of the columns; 0 where every row carries its own.
    """

    name: str
    records: list[Record]
    folder: str = ""
    notes: list[str] = field(default_factory=list)
    header: int = 0

    def where(self, record: Record) -> str:
        """Return ``file:line`` of a row, or the path of an image."""
        if record.place:
            return f"{self.name}/{record.place}"
        return f"{self.name}:{record.line}"

    def column_counts(self) -> dict[str, int]:
        """Return for each column in how many rows it stands, in order of appearance."""
        counts: dict[str, int] = {}
        for record in self.records:
            for column in record.fields:
                counts[column] = counts.get(column, 0) + 1
        return counts


class Faults:
    """Collects what is wrong with single rows, and raises them together.

    Parameters
    ----------
    expected
        What every row should have been, for an error about several.
    cure
        What to do about them.
    """

    def __init__(self, expected: str, cure: str) -> None:
        self.expected = expected
        self.cure = cure
        self._found: list[tuple[str, str, str]] = []

    def add(self, where: str, expected: str, got: str) -> None:
        """Note one broken row; raise as soon as there are enough of them to tell."""
        self._found.append((where, expected, got))
        if len(self._found) >= MAX_FAULTS:
            self._raise(more=True)

    def finish(self) -> None:
        """Raise if a broken row was noted."""
        if self._found:
            self._raise(more=False)

    def _raise(self, more: bool) -> NoReturn:
        where, expected, got = self._found[0]
        if len(self._found) == 1:
            raise DataError(expected, got, where, self.cure)
        count = f"{len(self._found)} broken rows{' or more' if more else ''}"
        each = "; ".join(
            f"{place}: expected {want}, got {came}" for place, want, came in self._found
        )
        raise DataError(self.expected, f"{count}: {each}", where, self.cure)


def clip(value: object, width: int = 60) -> str:
    """Return the value in quotes, on one line and shortened, as errors show it.

    Examples
    --------
    >>> clip("a  b" * 40, 12)
    "'a  ba  ba  …'"
    """
    text = value if isinstance(value, str) else repr(value)
    shown = text if len(text) <= width else text[: width - 1] + "…"
    return ascii(shown) if not shown.isprintable() else repr(shown)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Return names joined by commas, the long tail counted.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = [name if len(name) <= 40 and name.isprintable() else clip(name, 40) for name in names]
    if len(every) <= most:
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most} more"


def name_kind(value: object) -> str:
    """Return what a value is, in words.

    Examples
    --------
    >>> name_kind([1]), name_kind(None), name_kind(2.5)
    ('a list', 'nothing (null)', 'the number 2.5')
    """
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {clip(value, 30).strip(chr(39))}"
    if isinstance(value, str):
        return f"the text {clip(value, 40)}"
    names: dict[type, str] = {
        list: "a list",
        tuple: "a list",
        dict: "an object",
        bytes: "bytes",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def numbered(rows: Iterable[Mapping[str, Any]], start: int = 1) -> Iterator[Record]:
    """Yield rows of a file without lines, counted from ``start``."""
    for number, fields in enumerate(rows, start):
        yield Record(number, fields)
