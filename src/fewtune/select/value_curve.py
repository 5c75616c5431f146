"""The value curve: how much better more rows would make the model, and how sure that is.

Nested, stratified subsets of the rows are fitted quickly and judged on rows that none of them
holds. A power law with a floor, error(m) = c + a·m^−b, is fitted to the errors with their
covariance; its exponent is averaged over a grid, since three or four sizes cannot tell it from the
floor. What one draw of rows differs from another is part of the uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import RowMeasure
from fewtune.measures.intervals import weights
from fewtune.select.law import Law, fit_law
from fewtune.select.subsets import nested_subsets
from fewtune.tasks.outcomes import Outcomes, joined

__all__ = ["Point", "Round", "ValueCurve", "value_curve"]

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Sizes of the subsets, as shares of the rows that a round may train on."""

REPEATS = 3
"""Subsets drawn of each size."""

DRAWS = 1000
"""Resamplings of the held rows, for the covariance of the errors."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FitAndScore = Callable[[Sequence[int]], Outcomes]


@dataclass(frozen=True)
class Round:
    """Rows to train on, and rows kept for judging: one fold of a cross-fit, or a plain split.

    Attributes
    ----------
    rows
        Numbers of the rows that may be trained on.
    fit_and_score
        Fits a model on some of them and returns what it does on the round's held rows, which are
        always the same, in the same order.
    """

    rows: Sequence[int]
    fit_and_score: FitAndScore


@dataclass(frozen=True)
class Point:
    """The headline measure of models fitted on so many rows, with its 95% interval."""

    rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ValueCurve:
    """What more rows would be worth.

    Attributes
    ----------
    measure, unit, direction
        Name, unit and better direction of the headline measure.
    points
        What was measured, the smallest subset first.
    rows
        Rows there are.
    more
        Rows more that are spoken of.
    gain, low, high
        Improvement that they would bring and its 95% interval, positive for better; NaN where
        nothing can be said.
    doubt
        Why nothing can be said, as a clause; empty where something can.
    drawn
        The law as (rows, value), for the plot; empty where it does not fit.
    """

    measure: str
    unit: str
    direction: str
    points: tuple[Point, ...]
    rows: int
    more: int
    gain: float
    low: float
    high: float
    doubt: str = ""
    drawn: tuple[tuple[float, float], ...] = ()

    def sentence(self) -> str:
        """Return the answer in one sentence.

        Examples
        --------
        >>> ValueCurve("accuracy", "share", "higher", (), 400, 200, 0.03, 0.01, 0.05).sentence()
        '200 more rows: about +3.0 ± 2.0 points of accuracy.'
        """
        if self.doubt:
            return f"What {self.more:,} more rows would bring cannot be told: {self.doubt}."
        name = self.measure.replace("_", " ")
        scale, unit, digits = (
            (100, f"points of {name}", 1) if self.unit == "share" else (1, f"{self.unit} less", 3)
        )
        half = scale * (self.high - self.low) / 2
        middle = scale * self.gain
        sign = "+" if self.unit == "share" else ""
        return (
            f"{self.more:,} more rows: about {sign}{middle:.{digits}f} ± {half:.{digits}f} {unit}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return all fields as plain values; what is not known is ``None``."""
        found = asdict(self)
        for name in ("gain", "low", "high"):
            found[name] = found[name] if np.isfinite(found[name]) else None
        return {**found, "sentence": self.sentence()}


def value_curve(
    rounds: Sequence[Round],
    measure: RowMeasure,
    strata: Sequence[Any],
    groups: Sequence[int],
    *,
    more: int | None = None,
    shares: Sequence[float] = SHARES,
    repeats: int = REPEATS,
    seed: int = 0,
) -> ValueCurve:
    """Return what more rows would be worth, measured on the rows there are.

    It takes ``len(rounds) * (repeats * (len(shares) - 1) + 1)`` fits.

    Parameters
    ----------
    rounds
        Folds of a cross-fit, or one round of a plain split.
    measure
        The headline measure.
    strata, groups
        Label (or anything else that subsets are to hold evenly) and group number of every row.
    more
        Rows more that are spoken of; as many again by default.
    shares
        Sizes of the subsets. Those with fewer rows than strata are left out.
    repeats
        Subsets of each size but the whole.
    seed
        Of the subsets.
    """
    known = sorted({row for one in rounds for row in one.rows})
    usable = _usable(rounds, strata, shares)
    more = len(known) if more is None else more
    sizes, outcomes = _fitted(rounds, strata, groups, usable, repeats, seed)
    values = [_drawn(measure, [joined(parts) for parts in found]) for found in outcomes]
    points = tuple(_point(size, found) for size, found in zip(sizes, values, strict=True))

    def answer(doubt: str, law: Law | None = None) -> ValueCurve:
        gain = (float("nan"),) * 3
        drawn: tuple[tuple[float, float], ...] = ()
        if law is not None:
            ahead = len(known), len(known) + more
            gain = law.gain(*ahead)
            ends = np.geomspace(sizes[0], len(known) + more, 40)
            drawn = tuple((float(m), _value(measure, law.error(float(m)))) for m in ends)
            if not doubt and law.silent(*ahead):
                doubt = "between the sizes that were tried the gain does not rise above chance"
        return ValueCurve(
            measure.name,
            measure.unit,
            measure.direction,
            points,
            len(known),
            more,
            *gain,
            doubt,
            drawn,
        )

    if len(usable) < 3:
        return answer(f"{len(known)} rows are too few to be divided into three sizes")
    if more > 2 * len(known):
        return answer(f"the law does not reach further than {2 * len(known):,} rows more")
    fits = [sum(map(len, found)) if len(found) > 1 else 1 for found in outcomes]
    spread = _spread(measure, sizes, outcomes, usable)
    law = fit_law(sizes, [_errors(measure, found) for found in values], spread, fits)
    if law is None:
        return answer("the scores of the subsets follow no law")
    return answer("", law)


def _usable(rounds: Sequence[Round], strata: Sequence[Any], shares: Sequence[float]) -> list[float]:
    """Return the shares whose subsets have a row of every stratum in every round."""
    least = []
    for one in rounds:
        kinds = len({strata[row] for row in one.rows})
        # A text without labels has one stratum; a handful of rows is the least there.
        least.append(max(kinds, 4) / max(1, len(one.rows)))
    return [share for share in shares if share >= max(least)]


def _fitted(
    rounds: Sequence[Round],
    strata: Sequence[Any],
    groups: Sequence[int],
    shares: Sequence[float],
    repeats: int,
    seed: int,
) -> tuple[list[float], list[list[list[Outcomes]]]]:
    """Return for each share the mean number of rows, and by repeat each round's outcomes."""
    sizes: list[list[int]] = [[] for _ in shares]
    found: list[list[list[Outcomes]]] = [[[] for _ in range(repeats)] for _ in shares]
    for number, one in enumerate(rounds):
        for repeat in range(repeats):
            own = seed * 1_000_003 + number * 1_009 + repeat
            drawn = nested_subsets(one.rows, strata, groups, shares, seed=own)
            for at, subset in enumerate(drawn):
                if len(subset) == len(one.rows) and repeat:
                    continue
                sizes[at].append(len(subset))
                found[at][repeat].append(one.fit_and_score(subset))
    there = [[parts for parts in repeated if parts] for repeated in found]
    return [float(np.mean(size)) for size in sizes], there


def _spread(
    measure: RowMeasure,
    sizes: Sequence[float],
    outcomes: Sequence[Sequence[Sequence[Outcomes]]],
    shares: Sequence[float],
) -> float:
    """Return the variance of the error over draws of rows, times the rows.

    Within a round repeats differ by their subsets, and by how those happen to suit the few held
    rows: that part shows when the held rows are resampled, and is taken off. Subsets of nearly
    all rows are nearly alike and say less than fresh rows would.
    """
    found = []
    for size, repeated, share in zip(sizes, outcomes, shares, strict=True):
        for same_held in zip(*repeated, strict=True) if len(repeated) > 1 else ():
            values = _drawn(measure, same_held)
            apart = values - values.mean(axis=0)
            seen, chance = apart[:, 0] @ apart[:, 0], apart[:, 1:].var(axis=1).sum()
            found.append(size * float(seen - chance) / (len(repeated) - 1) / (1 - share))
    return max(0.0, float(np.mean(found))) if found else 0.0


def _drawn(measure: RowMeasure, outcomes: Sequence[Outcomes]) -> Floats:
    """Return values of shape (repeats, 1 + DRAWS): the value itself, then the resampled ones.

    The same rows are drawn for every size and repeat, which keeps their differences.
    """
    first = outcomes[0]
    chunks = [np.ones((1, len(first))), *weights(first.groups, DRAWS, 0)]
    return np.stack([np.concatenate([measure.values(o, w) for w in chunks]) for o in outcomes])


def _errors(measure: RowMeasure, values: Floats) -> Floats:
    return 1 - values if measure.direction == "higher" else values


def _value(measure: RowMeasure, error: float) -> float:
    return 1 - error if measure.direction == "higher" else error


def _point(size: float, values: Floats) -> Point:
    means = values.mean(axis=0)
    low, high = np.quantile(means[1:], [0.025, 0.975])
    return Point(round(size), float(means[0]), float(low), float(high))
