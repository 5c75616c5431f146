"""Nested subsets of the rows: every stratum in its share, groups whole, small ones in larger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["nested_subsets"]


def nested_subsets(
    rows: Sequence[int],
    strata: Sequence[Any],
    groups: Sequence[int],
    shares: Sequence[float],
    *,
    seed: int = 0,
) -> list[list[int]]:
    """Return a subset of ``rows`` for each share, each holding the smaller ones.

    Groups stay whole. Strata are dealt evenly: in every subset each has its share of rows, up to
    a group.

    Parameters
    ----------
    rows
        Numbers of the rows to draw from.
    strata, groups
        Stratum (a label) and group number of every row of the data, by row number.
    shares
        Ascending shares of the rows, the last at most 1.
    seed
        Another seed draws other subsets.
    """
    draw = np.random.default_rng(seed)
    members: dict[int, list[int]] = {}
    for row in rows:
        members.setdefault(int(groups[row]), []).append(row)
    by_stratum: dict[Any, list[list[int]]] = {}
    for unit in members.values():
        by_stratum.setdefault(strata[unit[0]], []).append(unit)
    ranked: list[tuple[float, float, list[int]]] = []
    for units in by_stratum.values():
        for place, at in enumerate(draw.permutation(len(units))):
            # The tie is drawn, so that strata of one size do not always come in one order.
            ranked.append(((place + 0.5) / len(units), float(draw.random()), units[at]))
    order = [row for _, _, unit in sorted(ranked, key=lambda r: r[:2]) for row in unit]
    return [order[: max(1, round(share * len(order)))] for share in shares]
