"""Rows from tables as text: csv and tsv, with the line on which each row starts."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

from fewtune.data.formats.base import MAX_COLUMNS, MAX_LINE, Faults, Record, Table, clip, listed
from fewtune.data.formats.decode import open_text, read_lines
from fewtune.errors import DataError

__all__ = ["read_csv", "read_tsv"]

SEVERAL, MOST = 3, 0.8
"""Lines inside a cell from which on, and the share of them that look like rows, are told."""

_CURE = "Mend the row, or put quotes around cells that hold a separator or a quote"


def read_csv(path: Path, name: str, known: Collection[str] = ()) -> Table:
    """Return the rows of a csv file; semicolons and tabs as separators are found and said.

    Parameters
    ----------
    path, name
        The file, and what to call it in errors.
    known
        Names of columns that are looked for, in lower case: they tell which separator is meant.
    """
    with open_text(path, name) as (text, encoding):
        lines = read_lines(text, name)
        first = next(lines)
        notes = [encoding.note] if encoding.note else []
        # Excel reads, and some programs write, the separator in a line before the header.
        told = re.fullmatch(r"sep=([,;\t|])\s*", first, re.IGNORECASE)
        passed = 1 if told else 0
        first = next(lines, "") if told else first
        delimiter = told[1] if told else _find_delimiter(first, known)
        if delimiter != ",":
            words = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}[delimiter]
            notes.append(f"The columns are separated by {words}.")
        table = Table(name, [], str(path.parent), notes)
        table = _read(_chain(first, lines), table, delimiter, csv.QUOTE_MINIMAL, passed)
        _say_swallowed(table, delimiter)
        return table


def read_tsv(path: Path, name: str) -> Table:
    """Return the rows of a file with tabs between cells, whether or not it uses quotes.

    Many such files never quote, so that a quote is a character like any other: one at the beginning
    of a cell and another at the end of a later one would make a single cell of all between them.
    """
    quoted = fault = None
    try:
        quoted = _tabs(path, name, csv.QUOTE_MINIMAL)
    except DataError as error:
        fault = error
    if quoted is not None and not any(
        "\n" in cell and "\t" in cell
        for record in quoted.records
        for cell in record.fields.values()
    ):
        return quoted
    try:
        plain = _tabs(path, name, csv.QUOTE_NONE)
    except DataError:
        if quoted is not None:
            return quoted
        raise fault or AssertionError from None
    plain.notes.append("Quotes were read as characters, since they do not enclose whole cells.")
    return plain


def _tabs(path: Path, name: str, quoting: Literal[0, 3]) -> Table:
    with open_text(path, name) as (text, encoding):
        table = Table(name, [], str(path.parent), [encoding.note] if encoding.note else [])
        return _read(read_lines(text, name), table, "\t", quoting)


def _say_swallowed(table: Table, delimiter: str) -> None:
    """Say which rows have a cell of several lines most of which look like rows themselves."""
    for record in table.records:
        for cell in record.fields.values():
            # What stands before the first line end and after the last may be parts of cells.
            inside = cell.split("\n")[1:-1]
            alike = sum(line.count(delimiter) == len(record.fields) - 1 for line in inside)
            if len(inside) >= SEVERAL and alike >= MOST * len(inside):
                table.notes.append(
                    f"A cell of {table.where(record)} holds {len(inside) + 2:,} lines that look "
                    "like rows of their own: a quote at its beginning may not be meant as one."
                )
                return


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _find_delimiter(header: str, known: Collection[str]) -> str:
    """Return the separator under which the header holds most known names, else most cells."""
    best, best_score = ",", (-1, -1)
    for delimiter in (",", ";", "\t", "|"):
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            continue
        hits = sum(cell.strip().lower() in known for cell in cells)
        score = (hits, len(cells) if hits else int(len(cells) > 1))
        if score > best_score:
            best, best_score = delimiter, score
    return best


class _Rows:
    """Cells of each row with the physical line on which it starts."""

    def __init__(
        self, lines: Iterator[str], delimiter: str, quoting: Literal[0, 3], passed: int
    ) -> None:
        self._reader = csv.reader(
            lines, delimiter=delimiter, quoting=quoting, strict=quoting != csv.QUOTE_NONE
        )
        self.line = self._passed = passed

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            self.line = self._passed + self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            yield self.line, cells


def _read(
    lines: Iterator[str], table: Table, delimiter: str, quoting: Literal[0, 3], passed: int = 0
) -> Table:
    """Return the rows; ``passed`` lines of the file stood before."""
    rows = _Rows(lines, delimiter, quoting, passed)
    # The csv module keeps its longest cell for the whole process, so it is put back.
    before = csv.field_size_limit(MAX_LINE)
    try:
        _fill(table, rows)
    except csv.Error as error:
        raise DataError(
            f"a table with {_WORDS[delimiter]} between cells",
            str(error),
            f"{table.name}:{rows.line}",
            _CURE,
        ) from error
    finally:
        csv.field_size_limit(before)
    return table


_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def _fill(table: Table, rows: _Rows) -> None:
    header: list[str] = []
    blank: list[int] = []
    faults = Faults("rows with as many cells as the header has names", _CURE)
    for line, cells in rows:
        if not cells or (len(cells) == 1 and not cells[0].strip() and len(header) != 1):
            blank.append(line)
        elif not header:
            header = _check_header(cells, f"{table.name}:{line}")
            table.header = line
        elif len(cells) != len(header):
            faults.add(
                f"{table.name}:{line}",
                f"{len(header)} cells ({listed(header, 4)})",
                f"{len(cells)} cells, starting {clip(cells[0], 40)}",
            )
        else:
            table.records.append(Record(line, dict(zip(header, cells, strict=True))))
    faults.finish()
    last = table.records[-1].line if table.records else 0
    inside = [number for number in blank if number < last]
    if inside:
        table.notes.append(f"Empty lines were left out: {listed(map(str, inside))}.")


def _check_header(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"a table of at most {MAX_COLUMNS:,} columns",
            f"{len(names):,} columns",
            where,
            "Keep the columns that training needs",
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(
            "a header that names each column once",
            f"{listed(twice)} more than once",
            where,
            "Rename or remove the repeated columns",
        )
    # Spreadsheets and pandas leave the column of row numbers without a name.
    return [name or f"unnamed {number}" for number, name in enumerate(names, 1)]
