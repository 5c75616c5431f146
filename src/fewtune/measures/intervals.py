"""Bootstrap intervals over groups, for one model and for the paired difference of two.

Every measure is a function of row weights, so one draw of weights serves all measures and both
models of a comparison: that is what makes the comparison paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Statistic", "bootstrap", "mean_interval", "paired", "weights"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Row weights of shape (draws, rows) to values of shape (draws,)."""

RESAMPLES = 10_000
CHUNK = 500
"""Draws handled at once; bounds memory at CHUNK × rows × 8 bytes."""


def weights(groups: NDArray[np.int64], draws: int, seed: int) -> Iterator[Floats]:
    """Yield bootstrap weights in chunks of shape (≤ CHUNK, rows).

    A draw takes as many groups as there are, with replacement; the weight of a row is how often
    its group was taken.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    count = int(numbers.max()) + 1
    draw = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        taken = draw.integers(count, size=(size, count))
        flat = taken + np.arange(size)[:, None] * count
        times = np.bincount(flat.ravel(), minlength=size * count).reshape(size, count)
        yield times[:, numbers].astype(np.float64)


def bootstrap(
    statistic: Statistic,
    groups: NDArray[np.int64],
    *,
    draws: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Return the value and the bounds of its percentile bootstrap interval.

    Parameters
    ----------
    statistic
        Row weights to values.
    groups
        Group number of each row.
    draws, seed
        Of the bootstrap.
    level
        Coverage of the interval.

    Returns
    -------
    tuple of float
        Value, low, high. All three are NaN where the value is not defined.
    """
    value = float(statistic(np.ones((1, len(groups))))[0])
    drawn: Any = np.concatenate([statistic(w) for w in weights(groups, draws, seed)])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or not np.isfinite(value):
        return float("nan"), float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return value, float(low), float(high)


def paired(
    first: Statistic,
    second: Statistic,
    groups: NDArray[np.int64],
    *,
    draws: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Return first minus second on the same rows, with the interval of that difference."""
    return bootstrap(lambda w: first(w) - second(w), groups, draws=draws, seed=seed, level=level)


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of a few independent values and the bounds of Student's interval.

    Examples
    --------
    >>> [round(bound, 3) for bound in mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    value, count = float(found.mean()), len(found)
    if count < 2:
        return value, float("nan"), float("nan")
    half = float(t.ppf((1 + level) / 2, count - 1) * found.std(ddof=1) / np.sqrt(count))
    return value, value - half, value + half
