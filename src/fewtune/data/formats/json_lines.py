"""Rows from JSON: one object a line (jsonl), or one array of objects (json)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewtune.data.formats.base import MAX_COLUMNS, Faults, Record, Table, clip, listed, name_kind
from fewtune.data.formats.decode import open_text, read_lines
from fewtune.errors import DataError

__all__ = ["read_json", "read_jsonl"]

_ROW = "a JSON object in each line"
_CURE = 'Mend the line; every row is an object such as {"text": "…", "label": "…"}'


class _RepeatedKey(ValueError):
    """The same key twice in one object, of which JSON readers silently keep the last."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise _RepeatedKey(f"the key {clip(twice, 40)} twice in one object")
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _reason(error: Exception) -> str:
    """Return what the parser did not like, without its own idea of lines."""
    if isinstance(error, json.JSONDecodeError):
        message = error.msg.lower().removesuffix(" at")  # "unterminated string starting at"
        return f"{message} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "objects nested too deeply"
    return str(error)


def read_jsonl(path: Path, name: str) -> Table:
    """Return the rows of a file with one JSON object a line.

    A file that holds one array all the same is read as such, and said so.

    Raises
    ------
    DataError
        If lines are no objects; up to five of them are named.
    """
    with open_text(path, name) as (text, encoding):
        notes = [encoding.note] if encoding.note else []
        lines = read_lines(text, name)
        table = Table(name, [], str(path.parent), notes)
        faults = Faults(_ROW, _CURE)
        blank: list[int] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                blank.append(number)
                continue
            if not table.records and line.lstrip().startswith("["):
                return _from_array(line, lines, number, table)
            _add_line(line, number, table, faults)
        faults.finish()
    _note_blank(table, blank)
    return table


def _add_line(line: str, number: int, table: Table, faults: Faults) -> None:
    where = f"{table.name}:{number}"
    try:
        row = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        faults.add(where, "a JSON object", f"{_reason(error)}: {clip(line.strip(), 40)}")
        return
    _add_row(row, number, table, faults)


def _add_row(row: Any, number: int, table: Table, faults: Faults) -> None:
    where = f"{table.name}:{number}"
    if not isinstance(row, dict):
        faults.add(where, "a JSON object", name_kind(row))
    elif len(row) > MAX_COLUMNS:
        faults.add(where, f"at most {MAX_COLUMNS} keys", f"{len(row):,} keys")
    else:
        table.records.append(Record(number, row))


def _note_blank(table: Table, blank: list[int]) -> None:
    """Say which empty lines stood between rows; those at the end are how editors end a file."""
    last = table.records[-1].line if table.records else 0
    inside = [number for number in blank if number < last]
    if inside:
        table.notes.append(f"Empty lines were left out: {listed(map(str, inside))}.")


def _from_array(first: str, rest: Iterator[str], number: int, table: Table) -> Table:
    table.notes.append("The file holds one JSON array, not one object a line; it was read as such.")
    return _parse_array(first + "".join(rest), number, table)


def read_json(path: Path, name: str) -> Table:
    """Return the rows of a JSON file: an array of objects, or objects one after the other.

    An object that holds nothing but one list of objects stands for that list.
    """
    with open_text(path, name) as (text, encoding):
        table = Table(name, [], str(path.parent), [encoding.note] if encoding.note else [])
        content = "".join(read_lines(text, name))
    if content.lstrip().startswith("["):
        return _parse_array(content, 1, table)
    return _parse_objects(content, table)


class _Cursor:
    """Walks over JSON text value by value and knows on which line it is."""

    def __init__(self, content: str, line: int, name: str) -> None:
        self._content = content
        self._name = name
        self._line = line
        self._counted = 0
        self.position = 0

    def line(self) -> int:
        self._line += self._content.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def skip(self, characters: str) -> str:
        """Move over white space and these characters; return those moved over."""
        passed = []
        while self.position < len(self._content):
            character = self._content[self.position]
            if character in characters:
                passed.append(character)
            elif character not in " \t\r\n":
                break
            self.position += 1
        return "".join(passed)

    def at_end(self) -> bool:
        return self.position >= len(self._content)

    def value(self) -> Any:
        try:
            value, self.position = _DECODER.raw_decode(self._content, self.position)
        except (ValueError, RecursionError) as error:
            if isinstance(error, json.JSONDecodeError):
                self.position = max(error.pos, self._counted)
                reason = error.msg.lower()
            else:
                reason = _reason(error)
            raise self.fault(reason) from error
        return value

    def fault(self, reason: str) -> DataError:
        line = self.line()
        return DataError("JSON that can be read", reason, f"{self._name}:{line}", _CURE)


def _parse_array(content: str, line: int, table: Table) -> Table:
    cursor = _Cursor(content, line, table.name)
    faults = Faults("objects in a JSON array", _CURE)
    cursor.skip("")
    cursor.position += 1
    while True:
        separators = cursor.skip(",")
        if cursor.at_end():
            raise cursor.fault("the end of the file inside the array")
        if content[cursor.position] == "]":
            break
        if separators != ("," if table.records else ""):
            raise cursor.fault(f"{separators!r} between two values, where one comma belongs")
        start = cursor.line()
        _add_row(cursor.value(), start, table, faults)
    cursor.position += 1
    cursor.skip("")
    if not cursor.at_end():
        raise cursor.fault("more text after the end of the array")
    faults.finish()
    return table


def _parse_objects(content: str, table: Table) -> Table:
    cursor = _Cursor(content, 1, table.name)
    faults = Faults("a JSON array of objects", _CURE)
    cursor.skip("")
    while not cursor.at_end():
        start = cursor.line()
        _add_row(cursor.value(), start, table, faults)
        cursor.skip("")
    faults.finish()
    if len(table.records) == 1:
        return _unwrap(table)
    table.notes.append("The file holds one JSON object after the other, not an array.")
    return table


def _unwrap(table: Table) -> Table:
    """Return the rows of ``{"data": [{…}, …]}``; anything else stays one row."""
    only = table.records[0]
    if len(only.fields) == 1:
        key, value = next(iter(only.fields.items()))
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            if "role" not in value[0] and "from" not in value[0]:
                table.records = [Record(number, row) for number, row in enumerate(value, 1)]
                table.notes.append(
                    f"The rows are the list under {clip(key, 40)}; they are counted, "
                    "not named by their line."
                )
    return table
