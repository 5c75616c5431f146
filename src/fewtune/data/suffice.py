"""Suffice: whether rows are enough, and of the kind, to train, to choose and to judge by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fewtune.errors import DataError
from fewtune.records import Dataset

__all__ = ["LEAST_ROWS", "refuse_insufficient"]

LEAST_ROWS = 10
JOINTS = (";", "|", ",")
"""What people put between several labels of one row."""


def refuse_insufficient(rows: Dataset) -> None:
    """Raise a DataError where rows cannot be split into some that train, choose and judge.

    There are too few, all are the same, some have no target, none weighs anything, or their labels
    are no classes: only one, some seen once, numbers that are measured, or several in one cell.
    """
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"at least {LEAST_ROWS} rows, to train, to choose and to judge",
            f"{len(rows)}",
            rows.name,
            "Bring more rows; a few dozen are a start",
        )
    if len({(e.input, e.target, e.messages) for e in rows}) == 1:
        raise DataError(
            "rows that differ", f"{len(rows)} identical rows", rows.name, "Check the columns"
        )
    missing = [e.source for e in rows if e.target is None]
    if missing:
        raise DataError(
            "a target in every row",
            f"{len(missing)} without",
            ", ".join(missing[:5]),
            "Add them or name the column with --columns",
        )
    if not any(example.weight > 0 for example in rows):
        raise DataError(
            "a weight above 0 in some row", "0 in every row", rows.name, "Check the column weight"
        )
    if rows.shape in ("labelled_text", "labelled_image"):
        _refuse_classes(rows)


def _refuse_classes(rows: Dataset) -> None:
    seen: dict[str, list[str]] = {}
    for example in rows:
        seen.setdefault(str(example.target), []).append(example.source)
    if len(seen) < 2:
        raise DataError(
            "two labels or more",
            f"only {next(iter(seen))!r}",
            rows.name,
            "Add rows of another label, or name the label's column with --columns",
        )
    idle = sorted(set(seen) - {str(example.target) for example in rows if example.weight > 0})
    if idle:
        raise DataError(
            "a weight above 0 in some row of every label",
            f"0 in every row of {', '.join(map(repr, idle[:5]))}",
            rows.name,
            "Weigh some of them, or leave the label out",
        )
    single = [label for label, where in seen.items() if len(where) < 2]
    if not single:
        return
    told = [f"{label!r} at {seen[label][0]}" for label in single[:5]]
    if all(map(_is_number, seen)) and len(single) > len(seen) / 2:
        raise DataError(
            "labels that name classes",
            f"{len(seen)} different numbers in {len(rows)} rows, most once: {', '.join(told[:2])}",
            rows.name,
            "Classes are told apart here and numbers not foretold: write a few classes in their "
            "place, such as low, middle and high",
        )
    joint = _joint(seen, single)
    if joint:
        raise DataError(
            "one label in a row",
            f"several with {joint!r} between them: {', '.join(told[:2])}",
            rows.name,
            "Keep the label that matters most in each row, or fit one model for each label, with "
            "yes and no as its classes",
        )
    raise DataError(
        "at least 2 rows of every label, one to learn from and one to judge by",
        f"1 row of {', '.join(told)}",
        rows.name,
        "Add rows of that label, or leave it out",
    )


def _is_number(label: str) -> bool:
    try:
        float(label.strip().replace(",", "."))
    except ValueError:
        return False
    return True


def _joint(seen: Mapping[str, Sequence[str]], single: Sequence[str]) -> str:
    """Return what stands between several labels of a row, or nothing if each has one.

    Most of the labels that are seen once are then made of parts that other labels have as well.
    """
    for joint in JOINTS:
        parts = {label: [part.strip() for part in label.split(joint)] for label in seen}
        counted = Counter(part for some in parts.values() for part in set(some))
        joined = [
            label
            for label in single
            if len(parts[label]) > 1 and all(counted[part] > 1 for part in parts[label])
        ]
        if 2 * len(joined) > len(single):
            return joint
    return ""
