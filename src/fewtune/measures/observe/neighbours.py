"""Which rows lie next to each other before and after tuning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAREST", "observe_neighbours"]

NEAREST = 10
"""Neighbours looked at."""

CHUNK = 512
"""Rows compared with all others at once."""


def observe_neighbours(before: Any, after: Any, nearest: int = NEAREST) -> NDArray[np.float64]:
    """Return for each row the share of its nearest neighbours that stayed, in [0, 1].

    Parameters
    ----------
    before, after
        States of the same rows under the two models, of shape (rows, width), as
        ``methods.head.features`` gives them; the widths may differ. Nearness is the cosine.
    nearest
        Neighbours of each row; fewer than half of the other rows, so that chance keeps few.

    Returns
    -------
    ndarray of shape (rows,)
        Empty where there are fewer than three rows.
    """
    rows = len(before)
    k = min(nearest, (rows - 1) // 2)
    if k < 1:
        return np.zeros(0)
    old, new = _nearest(_unit(before), k), _nearest(_unit(after), k)
    kept = [len(set(a) & set(b)) for a, b in zip(old.tolist(), new.tolist(), strict=True)]
    return np.asarray(kept, dtype=np.float64) / k


def _unit(states: Any) -> NDArray[np.float64]:
    found = np.asarray(states, dtype=np.float64)
    unit: NDArray[np.float64] = found / np.maximum(
        np.linalg.norm(found, axis=1, keepdims=True), 1e-12
    )
    return unit


def _nearest(states: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the places of the k nearest other rows of each row; of equally near the earlier."""
    found = []
    for start in range(0, len(states), CHUNK):
        # Rounded, so that rows that are copies of each other tie whatever the order of sums.
        near = np.round(states[start : start + CHUNK] @ states.T, 9)
        near[np.arange(len(near)), start + np.arange(len(near))] = -np.inf
        found.append(np.argsort(-near, axis=1, kind="stable")[:, :k])
    return np.concatenate(found)
