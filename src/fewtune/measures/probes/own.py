"""The user's own probes: questions with options, questions with an answer, and passages of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewtune.data.formats.base import Faults, Record, clip
from fewtune.data.load import read_table
from fewtune.errors import DataError
from fewtune.measures.probes import ProbeItem

__all__ = ["OwnProbes", "load_probes"]

FIELDS = ("prompt", "options", "answer", "text")
EXPECTED = "prompt, options and answer; prompt and answer; or text in every row"


@dataclass(frozen=True, slots=True)
class OwnProbes:
    """What a file of probes holds.

    Attributes
    ----------
    items
        Questions. One with options is right where the right option is the likeliest by the byte;
        one without is right where the model would write the answer word for word.
    texts
        Passages whose loss per byte is compared before and after.
    """

    items: tuple[ProbeItem, ...]
    texts: tuple[str, ...]


def load_probes(path: str | Path) -> OwnProbes:
    """Return the probes in a file (jsonl, json, csv, tsv, parquet; also as .gz or .xz).

    Each row has ``prompt``, ``options`` and ``answer`` (the options as a list, or in one cell with
    ``|`` between them; the answer as one of them, or its number from 0), or ``prompt`` and
    ``answer``, or ``text``. Other columns are not read.

    Raises
    ------
    DataError
        If the file cannot be read or has no row, or naming the rows that are no probes by
        ``file:line``.
    """
    table = read_table(path)
    faults = Faults(EXPECTED, "Mend or remove the rows")
    items: list[ProbeItem] = []
    texts: list[str] = []
    seen: dict[Any, str] = {}
    for record in table.records:
        where = table.where(record)
        try:
            found = _probe(record, where)
        except _Fault as fault:
            faults.add(where, fault.expected, fault.got)
            continue
        key = found if isinstance(found, str) else (found.context, frozenset(found.options))
        if key in seen:
            faults.add(where, "a new probe", f"that of {seen[key]} again")
            continue
        seen[key] = where
        if isinstance(found, str):
            texts.append(found)
        else:
            items.append(found)
    faults.finish()
    if not seen:
        raise DataError("at least one probe", "a file without rows", table.name, "Add rows")
    return OwnProbes(tuple(items), tuple(texts))


class _Fault(Exception):
    """What is wrong with one row."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected, self.got = expected, got


def _probe(record: Record, where: str) -> ProbeItem | str:
    cells = {k.strip().lower(): v for k, v in record.fields.items() if _given(v)}
    if "text" in cells and "prompt" not in cells:
        return _text(cells, "text")
    if "prompt" not in cells or "answer" not in cells:
        named = ", ".join(k for k in FIELDS if k in cells) or "none of these"
        raise _Fault(EXPECTED, named)
    prompt = _text(cells, "prompt")
    if "options" not in cells:
        return ProbeItem(where, "own", prompt, (f" {_text(cells, 'answer')}",), 0, asked=True)
    options = _options(cells["options"])
    answer = _place(cells["answer"], options)
    return ProbeItem(where, "own", prompt, tuple(f" {o}" for o in options), answer, asked=True)


def _given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _text(cells: Mapping[str, Any], name: str) -> str:
    value = cells[name]
    if isinstance(value, bool | list | dict):
        raise _Fault(f"{name} as text", clip(value))
    return str(value).strip()


def _options(value: Any) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _Fault("options as a list, or with | between them", clip(value)) from error
    if isinstance(value, str):
        value = value.split("|")
    if not isinstance(value, list) or any(isinstance(o, bool | list | dict) for o in value):
        raise _Fault("options as a list, or with | between them", clip(value))
    options = [str(option).strip() for option in value]
    if len(options) < 2 or len(set(options)) < len(options) or "" in options:
        raise _Fault("2 options or more that differ", clip(value))
    return options


def _place(value: Any, options: list[str]) -> int:
    """Return the number of the right option; an option's own words go before its number."""
    said = str(value).strip()
    if said in options:
        return options.index(said)
    if said.isdecimal() and int(said) < len(options):
        return int(said)
    numbers = f"its number from 0 to {len(options) - 1}"
    raise _Fault(f"an answer that is one of the options, or {numbers}", clip(said))
