"""Which column is which: rows of cells to one reading of them, or an error that shows both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from fewtune.data.formats.base import Table, listed
from fewtune.data.formats.doubt import guess, refuse_hidden, refuse_nested
from fewtune.data.formats.names import (
    EXTRA_FIELDS,
    IMAGE_SUFFIXES,
    NAMES,
    SHAPE_WORDS,
    SYSTEM,
    fold,
)
from fewtune.data.formats.reading import Reading
from fewtune.errors import DataError
from fewtune.records import Shape

__all__ = ["find_reading"]

_SOURCE = re.compile(
    rf"\S:\d+$|\S({'|'.join(map(re.escape, sorted(IMAGE_SUFFIXES)))})$", re.IGNORECASE
)
"""The name of a row: ``file:line``, or the path of an image."""


@dataclass(frozen=True)
class Kind:
    """One way to make a row: its shape, the fields it needs, and those it may have."""

    shape: Shape
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    target: str = ""


KINDS = (
    Kind("chat", ("messages",)),
    Kind("prompt", ("instruction", "input", "output"), target="output"),
    Kind("prompt", ("prompt", "completion"), target="completion"),
    Kind("labelled_image", ("image", "label"), target="label"),
    Kind("labelled_text", ("text", "label"), target="label"),
    Kind("text", ("text",), target="text"),
)


def find_reading(
    table: Table,
    given: Mapping[str, str],
    shape: Shape | None,
    need_target: bool,
) -> tuple[Reading, list[str]]:
    """Return how the rows are to be read, and sentences on what was taken for what.

    Raises
    ------
    DataError
        If no reading fits, several fit equally well, or rows are made in different ways.
    """
    counts = table.column_counts()
    _check_given(given, counts, table)
    main_given = {f: c for f, c in given.items() if f not in EXTRA_FIELDS}
    readings = _candidates(table, main_given, shape, need_target)
    readings = _settle(readings, need_target)
    if not readings:
        raise _nothing_fits(table, main_given, shape)
    reading = _choose(readings, table, need_target)
    if not given and shape is None:
        refuse_hidden(reading, table)
    extras = {f: given.get(f, f) for f in EXTRA_FIELDS if f in given or f in counts}
    if "parent" not in given and not _are_parents(table):
        extras.pop("parent", None)
    extras = {f: c for f, c in extras.items() if c not in reading.main()}
    reading = Reading(reading.shape, {**reading.columns, **extras})
    notes = [f"Read as {reading.words()}."]
    # A chat's system prompt may stand in a column of its own, which is read with it.
    read = {*reading.columns.values(), *(SYSTEM if reading.shape == "chat" else ())}
    unused = [column for column in counts if column not in read]
    if unused:
        notes.append(f"Columns left unused: {listed(unused)}.")
    return reading, notes


def _are_parents(table: Table) -> bool:
    """Return whether the column ``parent`` is that of ``augment``: a source, or nothing.

    Other people call other things by this name, and a row with a parent does not judge.
    """
    found = [record.fields.get("parent") or "" for record in table.records]
    return any(found) and all(
        isinstance(value, str) and (not value or _SOURCE.search(value)) for value in found
    )


def _check_given(given: Mapping[str, str], counts: Mapping[str, int], table: Table) -> None:
    absent = [column for column in given.values() if column not in counts]
    if absent:
        raise DataError(
            f"columns named {listed(absent)}",
            f"columns {listed(counts)}",
            f"{table.name}:{table.header}" if table.header else table.name,
            "Name columns that the file has",
        )


def _candidates(
    table: Table, given: Mapping[str, str], shape: Shape | None, need_target: bool
) -> list[Reading]:
    samples = _samples(table)
    found = []
    for kind in KINDS:
        if shape not in (None, kind.shape) or not set(given) <= {*kind.required, *kind.optional}:
            continue
        found += list(_readings_of(kind, samples, given, need_target, shape))
    return found


def _samples(table: Table) -> dict[str, Any]:
    """Return the first value of each column that is not empty."""
    samples: dict[str, Any] = {}
    for record in table.records:
        for column, value in record.fields.items():
            if samples.get(column) in (None, ""):
                samples[column] = value
    return samples


def _readings_of(
    kind: Kind,
    samples: Mapping[str, Any],
    given: Mapping[str, str],
    need_target: bool,
    shape: Shape | None,
) -> Iterator[Reading]:
    choices: list[Sequence[str | None]] = []
    for field in kind.required:
        columns: list[str] = [given[field]] if field in given else _named(field, samples, shape)
        usable = [c for c in columns if c in given.values() or _value_fits(field, samples[c])]
        dispensable = field == kind.target and not need_target and field != "text"
        if not usable and not dispensable:
            return
        choices.append(usable or [None])
    for chosen in product(*choices):
        columns_by_field = {f: c for f, c in zip(kind.required, chosen, strict=True) if c}
        if len(set(columns_by_field.values())) == len(columns_by_field):
            yield Reading(kind.shape, columns_by_field)


def _named(field: str, columns: Iterable[str], shape: Shape | None) -> list[str]:
    """Return the columns that the field may be; its own name beats all others."""
    names = NAMES[field]
    if field == "prompt" and shape == "prompt":
        names = (*names, *NAMES["text"])
    folded = {column: fold(column) for column in columns}
    own = [column for column, name in folded.items() if name == names[0]]
    return own[:1] or [column for column, name in folded.items() if name in names]


def _value_fits(field: str, value: Any) -> bool:
    if field == "messages":
        return isinstance(value, list) or (
            isinstance(value, str) and value.lstrip().startswith("[")
        )
    if field == "image":
        path = value.get("path") if isinstance(value, dict) else value
        return isinstance(path, str) and path[path.rfind(".") :].lower() in IMAGE_SUFFIXES
    return not isinstance(value, list | dict)


def _settle(readings: Sequence[Reading], need_target: bool) -> list[Reading]:
    """Leave out readings that are part of a fuller one."""
    kept = [r for r in readings if not any(r.main() < other.main() for other in readings)]
    if not need_target and len({r.main() for r in kept}) == 1 and len(kept) > 1:
        # Rows to predict with nothing but an input: the column's name is all there is to go by.
        order: tuple[Shape, ...] = ("chat", "labelled_image", "labelled_text", "prompt", "text")
        if fold(next(iter(kept[0].main()))) in ("prompt", "instruction", "mr"):
            order = ("prompt", *order)
        kept = [min(kept, key=lambda r: order.index(r.shape))]
    return kept


def _choose(readings: Sequence[Reading], table: Table, need_target: bool) -> Reading:
    """Return the one reading that all rows allow."""
    if len(readings) == 1:
        return readings[0]
    covered = []
    for reading in readings:
        needed = reading.main() - {reading.columns.get("input", "")}
        rows = [r for r in table.records if needed <= r.fields.keys()]
        covered.append((reading, rows))
    whole = [reading for reading, rows in covered if len(rows) == len(table.records)]
    # Plain text beside whole rows of another shape repeats them, as in Alpaca's own files.
    whole = [reading for reading in whole if reading.shape != "text"] or whole
    if len(whole) == 1:
        return whole[0]
    if len(whole) > 1:
        raise DataError(
            "columns that can be read in one way only",
            " or ".join(reading.words() for reading in whole[:3]),
            table.name,
            "Choose " + " or ".join(reading.option() for reading in whole[:3]),
        )
    some = [(reading, rows) for reading, rows in covered if rows]
    ways = " and ".join(
        f"{len(rows):,} row{'s'[: len(rows) - 1]} as {reading.words()}, first line {rows[0].line}"
        for reading, rows in some[:3]
    )
    raise DataError(
        "rows that are all made in the same way",
        ways or "rows that share no columns",
        f"{table.name}:{some[0][1][0].line}" if some else table.name,
        "Put rows of each kind in a file of their own",
    )


def _nothing_fits(table: Table, given: Mapping[str, str], shape: Shape | None) -> DataError:
    counts = table.column_counts()
    where = f"{table.name}:{table.header}" if table.header else table.name
    wanted = f" for {SHAPE_WORDS[shape]}" if shape else ""
    if given:
        return DataError(
            f"fields{wanted} that go together: text and label; prompt and completion; instruction, "
            "input and output; image and label; messages; or text alone",
            f"only {listed(f'{f}={c}' for f, c in given.items())} of columns {listed(counts)}",
            where,
            "Name the other column too, e.g. --columns text=question,label=kind",
        )
    if len(table.records) == 1 and all(
        isinstance(value, list | dict) for value in table.records[0].fields.values()
    ):
        return DataError(
            "a row for each example",
            f"one whose cells are lists or objects, under {listed(counts)}",
            where,
            "Write one object for each row, in a list or one a line; from pandas with "
            'to_json(orient="records", lines=True)',
        )
    refuse_nested(table, list(counts), "")
    suggested = guess(table)
    cure = f"Say which column is which, e.g. {suggested}" if suggested else "Bring columns of text"
    # Names like sentences are a first row: the file has no header.
    if table.header and any(len(c) > 40 or c.count(" ") > 3 or c[-1:] in "?!." for c in counts):
        cure = "Add a first line with the names of the columns, e.g. text,label"
    return DataError(
        f"columns{wanted} such as text and label, prompt and completion, messages, or text",
        f"columns {listed(counts)}" if counts else "rows without columns",
        where,
        cure,
    )
