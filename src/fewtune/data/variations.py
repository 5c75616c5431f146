"""Rows made from other rows (``parent``): they train beside them, and never judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fewtune.data.dealing import TRAIN
from fewtune.data.units import Units
from fewtune.records import Dataset

__all__ = ["judging", "may_judge", "say_left_out", "without_originals"]


def may_judge(dataset: Dataset) -> list[bool]:
    """Return for each row whether it may validate or test: it is no variation, or all rows are."""
    found = [not example.parent for example in dataset]
    return found if any(found) else [True] * len(dataset)


def judging(dataset: Dataset, rows: Iterable[int]) -> tuple[int, ...]:
    """Return those of ``rows``, such as a fold of ``split.folds``, that may validate or test."""
    judges = may_judge(dataset)
    return tuple(row for row in rows if judges[row])


def without_originals(units: Units, judges: Sequence[bool]) -> list[int]:
    """Return the variations that belong to no row of the data that is none."""
    return [row for unit in units.members() if not any(judges[r] for r in unit) for row in unit]


def say_left_out(
    parts: Sequence[int], judges: Sequence[bool], alone: Sequence[int]
) -> tuple[list[int], list[str]]:
    """Return the variations of rows that judge, which no part may have, and what to say of them."""
    left_out = [r for r, part in enumerate(parts) if part != TRAIN and not judges[r]]
    sentences = []
    if left_out:
        sentences.append(
            f"Left out: {len(left_out):,} variations of rows that judge, so none of them trains."
        )
    if alone:
        sentences.append(
            f"{len(alone):,} variations train whose originals are not in the data under their "
            "name or group: make sure that those do not judge."
        )
    return left_out, sentences
