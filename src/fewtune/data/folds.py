"""Folds of rows for a cross-fit: disjoint, near-duplicates and groups together, labels even."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fewtune.data.dealing import uniform
from fewtune.data.units import Units, link_rows
from fewtune.data.variations import may_judge
from fewtune.errors import DataError, PlanError
from fewtune.records import Dataset

__all__ = ["folds"]


def folds(
    dataset: Dataset,
    k: int,
    seed: int = 0,
    rows: Sequence[int] | None = None,
    *,
    fewer: bool = False,
) -> list[tuple[int, ...]]:
    """Return k disjoint folds of rows, near-duplicates and groups together, labels spread evenly.

    A fold is what is **out of training** while it is held; ``judging(dataset, fold)`` of it judges:
    a row's variations leave with it and never judge. Those without originals are in no fold.

    Parameters
    ----------
    dataset
        The rows.
    k
        Number of folds, at least 2.
    seed
        Another seed gives other folds.
    rows
        Indices of the rows to fold, e.g. the training rows of a split; all where not given.
    fewer
        Whether fewer folds will do, at least 2, where there are not so many independent rows.

    Returns
    -------
    list of tuple of int
        Indices into ``dataset``, ascending in each fold.

    Raises
    ------
    PlanError
        If k is below 2.
    DataError
        If there are fewer independent rows than folds.
    """
    if k < 2:
        raise PlanError("2 folds or more", f"{k}", cure="Raise the number of folds")
    chosen = range(len(dataset)) if rows is None else sorted(rows)
    part = Dataset(
        tuple(dataset[row] for row in chosen), dataset.shape, dataset.name, dataset.columns
    )
    units = link_rows(part)
    judges = may_judge(part)
    members = [rows for rows in units.members() if any(judges[row] for row in rows)]
    if fewer:
        k = max(2, min(k, len(members)))
    if len(members) < k:
        raise DataError(
            f"at least {k} independent rows for {k} folds",
            f"{len(part)} rows, {len(members)} of them independent",
            dataset.name,
            "Lower the number of folds, or add rows",
        )
    found = _spread(members, judges, units, k, seed)
    return [tuple(chosen[row] for row in sorted(fold)) for fold in found]


def _spread(
    members: Sequence[Sequence[int]], judges: Sequence[bool], units: Units, k: int, seed: int
) -> list[list[int]]:
    """Return the rows of each fold: large units first, each where its labels are rarest.

    Only rows that judge are counted, so that each fold judges by about as many.
    """
    count = {rows[0]: sum(judges[row] for row in rows) for rows in members}
    order = sorted(
        members,
        key=lambda rows: (-count[rows[0]], uniform(seed, units.anchor(rows[0]), rows[0])),
    )
    held: list[Counter[str]] = [Counter() for _ in range(k)]
    found: list[list[int]] = [[] for _ in range(k)]
    for rows in order:
        wanted: Mapping[str, int] = Counter(units.labels[row] for row in rows if judges[row])

        def load(fold: int, wanted: Mapping[str, int] = wanted) -> tuple[float, int]:
            same = sum(held[fold][label] * n for label, n in wanted.items())
            return same, held[fold].total()

        best = min(range(k), key=load)
        found[best] += rows
        held[best].update(wanted)
    return found
