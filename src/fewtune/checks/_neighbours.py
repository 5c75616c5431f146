"""What a row's nearest neighbours are labelled; words that classes share do not blur their vote."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["neighbour_votes"]

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

NEIGHBOURS = (10, 20, 50)
POWERS = (1, 2, 4)
"""Powers of the similarity that a neighbour's vote weighs."""

PRIORS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Votes that all classes have beforehand, by their frequency."""

WORK = 150_000
"""Products of a row with the rows that it is compared with, on average; past them, the rows are
compared with fewer, drawn at random, so that the work grows with the rows and not their square."""

BLOCK = 500
THREADS = 4
"""Blocks of rows that are compared at once, each in some 50 MB."""


def neighbour_votes(vectors: Any, given: Indices, classes: int, seed: int = 0) -> Floats:
    """Return each row's class probabilities by a vote of its nearest neighbours, itself left out.

    Number of neighbours, weight of nearness and prior are those under which the given labels are
    likeliest. A class may be of many kinds: unlike a linear or naive Bayes classifier, a vote asks
    only those rows that are alike.

    Parameters
    ----------
    vectors
        Rows × features, CSR or dense; rows are brought to unit length.
    given
        Each row's class.
    classes
        Number of classes.
    seed
        For the draw of the rows that are compared with, where there are too many.
    """
    rows = len(given)
    unit = _unit(vectors)
    index, likeness = _nearest(unit, _compared(unit, rows, seed), min(max(NEIGHBOURS), rows - 2))
    everyone = np.arange(rows)
    frequency = (np.bincount(given, minlength=classes) / rows).astype(np.float32)
    best: tuple[float, Floats] | None = None
    for power in POWERS:
        votes = np.zeros((rows, classes), dtype=np.float32)
        for place in range(index.shape[1]):
            weight = np.maximum(likeness[:, place], 0.0) ** power
            votes[everyone, given[index[:, place]]] += weight
            if place + 1 not in NEIGHBOURS and place + 1 != index.shape[1]:
                continue
            total = votes.sum(axis=1)
            for prior in PRIORS:
                own = votes[everyone, given] + prior * frequency[given]
                likely = float(np.mean(np.log(own / (total + prior) + 1e-12)))
                if best is None or likely > best[0]:
                    best = (likely, (votes + prior * frequency) / (total + prior)[:, None])
    if best is None:  # only for the type checker: all tuples above have members
        raise RuntimeError("no number of neighbours was tried")
    return best[1]


def _unit(vectors: Any) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(vectors).astype(np.float32)


def _compared(unit: Any, rows: int, seed: int) -> Indices:
    """Return the rows that all rows are compared with: all, or so many that it does not take long.

    The work of one comparison with all rows is the sum over features of how many rows hold each,
    squared.
    """
    if isinstance(unit, np.ndarray):
        work = float(unit.shape[1]) * rows * rows / 8  # dense products are so much quicker
    else:
        held = np.bincount(unit.indices, minlength=unit.shape[1]).astype(np.float64)
        work = float(held @ held)
    share = WORK * rows / max(work, 1.0)
    if share >= 1:
        return np.arange(rows)
    most = max(int(rows * share), 1_000)
    drawn = np.random.default_rng(seed).choice(rows, min(most, rows), replace=False)
    return np.sort(drawn)


def _nearest(unit: Any, compared: Indices, count: int) -> tuple[Indices, Floats]:
    """Return indices and cosines of each row's nearest among the rows compared, itself left out."""
    rows = unit.shape[0]
    others = unit[compared].T
    if not isinstance(unit, np.ndarray):
        others = others.tocsr()
    count = max(1, min(count, len(compared) - 1))
    place = np.full(rows, -1, dtype=np.intp)
    place[compared] = np.arange(len(compared))
    index = np.empty((rows, count), dtype=np.intp)
    likeness = np.empty((rows, count), dtype=np.float32)

    def fill(start: int) -> None:
        products = unit[start : start + BLOCK] @ others
        cosines = np.asarray(products if isinstance(products, np.ndarray) else products.toarray())
        own = place[start : start + BLOCK]
        inside = np.flatnonzero(own >= 0)
        cosines[inside, own[inside]] = -1.0
        near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        value = np.take_along_axis(cosines, near, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        index[start : start + BLOCK] = compared[np.take_along_axis(near, order, axis=1)]
        likeness[start : start + BLOCK] = np.take_along_axis(value, order, axis=1)

    # Each block writes its own rows, and scipy and numpy let go of the interpreter meanwhile.
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        list(pool.map(fill, range(0, rows, BLOCK)))
    return index, likeness
