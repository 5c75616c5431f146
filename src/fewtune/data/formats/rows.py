"""Rows to examples: the cells that a reading names become their fields."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fewtune.data.formats.base import Faults, Record, Table, clip, name_kind
from fewtune.data.formats.chats import BadTurn, as_input, parse_turns
from fewtune.data.formats.names import SYSTEM
from fewtune.data.formats.reading import Reading
from fewtune.records import Example, Message

__all__ = ["Broken", "examples_from"]

WHOLE = re.compile(r"^(-?\d+)\.0+$")
"""A whole number that is written as a fraction."""


class Broken(Exception):
    """What was expected of a cell and what came."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got
        super().__init__(expected, got)


class _Reader:
    """Makes examples of the rows of one table, and remembers what it had to bend."""

    def __init__(
        self, table: Table, reading: Reading, given: Mapping[str, str], need_target: bool
    ) -> None:
        self._table = table
        self._columns = reading.columns
        self._given = given
        self._need_target = need_target
        self.bent: Counter[str] = Counter()
        self._make: Callable[[Record], dict[str, Any]] = {
            "chat": self._chat,
            "prompt": self._alpaca if "instruction" in reading.columns else self._prompt,
            "labelled_text": self._labelled,
            "labelled_image": self._image,
            "text": self._plain,
        }[reading.shape]

    def example(self, record: Record) -> Example:
        return Example(
            **self._make(record), source=self._table.where(record), **self._extras(record)
        )

    def _cell(self, record: Record, field: str) -> Any:
        column = self._columns[field]
        if column not in record.fields:
            keys = ", ".join(list(record.fields)[:6]) or "none"
            raise Broken(f"the column {clip(column, 40)}", f"a row with the columns {keys}")
        return _filled(record.fields[column])

    def _string(self, record: Record, field: str) -> str:
        value = self._cell(record, field)
        if value is None:
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.bent[f"numbers under {clip(self._columns[field], 40)} were read as text"] += 1
            return _number(value)
        return self._clean(value, field)

    def _clean(self, value: Any, field: str) -> str:
        if not isinstance(value, str):
            raise Broken(f"text under {clip(self._columns[field], 40)}", name_kind(value))
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise Broken(
                    f"whole characters under {clip(self._columns[field], 40)}",
                    f"half of a character at position {error.start + 1}",
                ) from error
        return value

    def _target(self, record: Record, field: str) -> str | None:
        """Return the cell, or nothing where rows to predict leave it out or empty."""
        if not self._need_target:
            column = self._columns.get(field)
            if column is None or _filled(record.fields.get(column)) in (None, ""):
                return None
        return self._label(record) if field == "label" else self._string(record, field)

    def _label(self, record: Record) -> str:
        value = self._cell(record, "label")
        if value is None:
            return ""
        column = clip(self._columns["label"], 40)
        if isinstance(value, bool):
            self.bent[f"truth values under {column} were read as the labels true and false"] += 1
            return str(value).lower()
        if isinstance(value, int | float):
            self.bent[f"labels under {column} are numbers and were read as names"] += 1
            return _number(value)
        if isinstance(value, list):
            raise Broken("one label in a row", f"a list of {len(value)}")
        text = self._clean(value, "label")
        if text != text.strip():
            self.bent["labels had spaces around them, which were taken off"] += 1
        return text.strip()

    def _labelled(self, record: Record) -> dict[str, Any]:
        return {"input": self._string(record, "text"), "target": self._target(record, "label")}

    def _prompt(self, record: Record) -> dict[str, Any]:
        return {
            "input": self._string(record, "prompt"),
            "target": self._target(record, "completion"),
        }

    def _alpaca(self, record: Record) -> dict[str, Any]:
        parts = [self._string(record, "instruction")]
        if self._columns["input"] in record.fields:
            parts.append(self._string(record, "input"))
        prompt = "\n\n".join(part for part in parts if part.strip())
        return {"input": prompt, "target": self._target(record, "output")}

    def _plain(self, record: Record) -> dict[str, Any]:
        return {"input": "", "target": self._string(record, "text")}

    def _image(self, record: Record) -> dict[str, Any]:
        value = self._cell(record, "image")
        path = value.get("path") if isinstance(value, dict) else value
        if not isinstance(path, str) or not path:
            raise Broken("the path of an image", name_kind(value))
        found = find_image(self._clean(path, "image"), self._table.folder)
        return {
            "input": found,
            "target": self._target(record, "label"),
            "digest": _digest(found),
        }

    def _chat(self, record: Record) -> dict[str, Any]:
        value = self._cell(record, "messages")
        system = next((s for name in SYSTEM if (s := record.fields.get(name))), None)
        try:
            turns = parse_turns(value, system)
        except BadTurn as bad:
            raise Broken(bad.expected, bad.got) from bad
        for turn in turns:
            self._clean(turn.content, "messages")
        return self._from_turns(turns)

    def _from_turns(self, turns: tuple[Message, ...]) -> dict[str, Any]:
        answers = [at for at, turn in enumerate(turns) if turn.role == "assistant"]
        if not self._need_target and turns and turns[-1].role != "assistant":
            return {"input": as_input(turns), "target": None, "messages": turns}
        if not answers:
            roles = ", ".join(turn.role for turn in turns[:6]) or "no turns"
            raise Broken("a chat in which the assistant says something", roles)
        if answers[-1] < len(turns) - 1:
            self.bent["chats go on after the assistant's last turn; that rest trains nothing"] += 1
        return {
            "input": as_input(turns[: answers[-1]]),
            "target": turns[answers[-1]].content,
            "messages": turns,
        }

    def _extras(self, record: Record) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if "group" in self._columns:
            value = _filled(record.fields.get(self._columns["group"]))
            if isinstance(value, list | dict):
                raise Broken("a name or number as the group", name_kind(value))
            # A column of numbers with a gap is written with points: 1.0 is the group 1 elsewhere.
            name = "" if value is None else self._clean(str(value), "group")
            values["group"] = WHOLE.sub(r"\1", name)
        if "weight" in self._columns:
            values["weight"] = _weight(record.fields.get(self._columns["weight"]))
        if "time" in self._columns:
            values["time"] = _time(record.fields.get(self._columns["time"]))
        if "parent" in self._columns:
            value = record.fields.get(self._columns["parent"])
            if not isinstance(value, str | None):
                raise Broken("the source of a row as the parent", name_kind(value))
            values["parent"] = self._clean(value, "parent") if value else ""
        return values


def _filled(value: Any) -> Any:
    """Return a cell; ``NaN``, by which pandas writes an empty one, as nothing."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: float) -> str:
    """Return a number as a name: ``2.0`` and ``2`` are the same one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _weight(value: Any) -> float:
    if value is None or value == "":
        return 1.0
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise Broken("a number from 0 up as the weight", name_kind(value))
    return weight


def _time(value: Any) -> str:
    """Return the time so that earlier ones sort first as text: ISO, and UTC if a zone is given."""
    if value is None or value == "":
        return ""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat()
        if isinstance(value, str):
            value = _parse_time(value.strip())
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return str(value.isoformat())
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
    except (ValueError, OverflowError, OSError):
        pass
    raise Broken("an ISO date or time, such as 2025-03-01 or 2025-03-01T14:30", name_kind(value))


def _parse_time(text: str) -> date:
    """Return a date, or a date and time where the text has one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def find_image(path: str, folder: str) -> str:
    """Return the path of an image under ``folder``.

    Raises
    ------
    Broken
        If it leaves the folder or is not there.
    """
    root = Path(folder)
    try:
        full = root / path
        if not full.resolve().is_relative_to(root.resolve()):
            raise Broken("an image inside the folder of the file", f"the path {clip(path)}")
        found = full.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise Broken("the path of an image", f"{clip(path)}: {error}") from error
    if not found:
        raise Broken("an image that exists", f"the path {clip(path)}")
    return str(full)


def _digest(path: str) -> str:
    """Return the SHA-256 of a file's bytes, in hex.

    Raises
    ------
    Broken
        If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Broken("an image that can be read", f"{Path(path).name}: {error.strerror}") from error


def examples_from(
    table: Table, reading: Reading, given: Mapping[str, str], need_target: bool
) -> tuple[tuple[Example, ...], list[str]]:
    """Return the rows as examples, and sentences on what had to be bent to read them.

    Raises
    ------
    DataError
        If rows are broken; up to five of them are named.
    """
    reader = _Reader(table, reading, given, need_target)
    faults = Faults("rows that can all be read", "Mend these rows")
    made = []
    for record in table.records:
        try:
            made.append(reader.example(record))
        except Broken as broken:
            faults.add(table.where(record), broken.expected, broken.got)
    faults.finish()
    return tuple(made), [f"{count:,} {what}." for what, count in reader.bent.items()]
