"""A power law with a floor, fitted to the errors of a few sizes with all their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Law", "fit_law"]

Floats = NDArray[np.float64]

EXPONENTS = np.linspace(0.15, 1.2, 43)
"""Exponents that are averaged over, each held equally likely before the data speak."""

HIGHEST_FLOOR = 1.2
"""Highest floor, as a share of the error at the largest size; above 1 the error rises again."""

NO_FLOOR = 0.1
"""How likely there is no floor at all, before the data speak."""

INEXACT = 0.003
"""How far the truth may be from any such law, as a share of the error."""

WIDER = 1.5
"""How much wider an answer is than the laws say, which know nothing of curves that follow none of
them (benchmarks/LOG.md)."""

SAMPLES = 4000
"""Laws drawn."""

DOUBTFUL = 0.01
"""A law whose residuals are less likely than this does not fit."""


@dataclass(frozen=True)
class Law:
    """Laws that go with the errors, drawn with the probability that they are the right one.

    Each says error(m) = e · (f + (1 − f) · (m / size)^−b).

    Attributes
    ----------
    size
        The largest size that was measured.
    errors
        The error e of each law at that size.
    floors
        Its floor f, as a share of e.
    exponents
        Its exponent b.
    spread
        Variance of the error over draws of rows, times the rows: what a draw adds of itself.
    """

    size: float
    errors: Floats
    floors: Floats
    exponents: Floats
    spread: float

    def error(self, rows: float) -> float:
        """Return the expected error after so many rows, the median over laws."""
        return float(np.median(self._errors(rows)))

    def gain(self, rows: float, then: float) -> tuple[float, float, float]:
        """Return by how much the error falls from ``rows`` to ``then``, and its 95% interval.

        The gain of one draw of rows, which is the draw that somebody will make.
        """
        low, middle, high = self._quantiles(rows, then)
        below, above = WIDER * (middle - low), WIDER * (high - middle)
        return middle, middle - below, middle + above

    def silent(self, rows: float, then: float) -> bool:
        """Return whether the laws do not say if the error falls or rises.

        Their own 95% is asked, not the wider one that a gain is told with: that covers curves of
        other shapes, and these fall with more rows too.
        """
        low, _, high = self._quantiles(rows, then)
        return low <= 0 <= high

    def _quantiles(self, rows: float, then: float) -> tuple[float, float, float]:
        falls = self._errors(rows) - self._errors(then)
        noise = np.random.default_rng(1).standard_normal(len(falls))
        luck = np.sqrt(max(0.0, self.spread * (1 / rows - 1 / then)))
        low, middle, high = np.quantile(falls + luck * noise, [0.025, 0.5, 0.975])
        return float(low), float(middle), float(high)

    def _errors(self, rows: float) -> Floats:
        found: Floats = self.errors * (
            self.floors + (1 - self.floors) * (rows / self.size) ** -self.exponents
        )
        return found


def fit_law(
    sizes: Sequence[float], errors: Sequence[Floats], spread: float, fits: Sequence[int]
) -> Law | None:
    """Return the laws that go with the errors, or ``None`` if none does.

    Three or four sizes cannot tell the exponent from the floor; so all exponents of a grid are
    weighed by their likelihood, what is linear in the law being integrated out.

    Parameters
    ----------
    sizes
        Rows of each size, ascending.
    errors
        For each size, of shape (repeats, 1 + draws): the errors themselves, then those on
        resampled rows, the same for all sizes.
    spread
        Variance of the error over draws of rows, times the rows.
    fits
        Subsets that each size is the mean of.
    """
    from scipy.stats import chi2

    means = np.asarray([found[:, 0].mean() for found in errors])
    resampled = np.stack([found[:, 1:].mean(axis=0) for found in errors])
    luck = [spread / size / number for size, number in zip(sizes, fits, strict=True)]
    inexact = np.diag(np.asarray(luck) + (INEXACT * means) ** 2 + 1e-12)
    inverse: Floats = np.linalg.inv(np.cov(resampled) + inexact).astype(np.float64)
    draw = np.random.default_rng(0)
    parts = [
        one
        for exponent in EXPONENTS
        for one in _with_exponent(float(exponent), np.asarray(sizes), means, inverse, draw)
    ]
    misfit = min(part.misfit for part in parts)
    if not np.isfinite(misfit) or chi2.sf(misfit, max(1, len(sizes) - 2)) < DOUBTFUL:
        return None
    weight = np.asarray([part.prior * np.exp(-(part.misfit - misfit) / 2) for part in parts])
    taken = draw.multinomial(SAMPLES, weight / weight.sum())
    drawn = [
        part.laws[draw.integers(len(part.laws), size=times)]
        for part, times in zip(parts, taken, strict=True)
        if times
    ]
    laws = np.concatenate(drawn)
    return Law(sizes[-1], laws[:, 0], laws[:, 1], laws[:, 2], spread)


@dataclass(frozen=True)
class _Part:
    """Laws of one exponent, with or without a floor: columns e, f and b."""

    laws: Floats
    misfit: float
    prior: float


def _with_exponent(
    exponent: float, sizes: Floats, means: Floats, inverse: Floats, draw: np.random.Generator
) -> list[_Part]:
    """Return the laws of one exponent; the error is linear in e·f and e·(1 − f)."""
    fall = (sizes / sizes[-1]) ** -exponent
    width = 1 / float(fall @ inverse @ fall)
    scale = width * float(fall @ inverse @ means)
    rest = means - scale * fall
    drawn = scale + np.sqrt(width) * draw.standard_normal(SAMPLES)
    bare = np.column_stack([drawn, np.zeros(SAMPLES), np.full(SAMPLES, exponent)])
    found = [_Part(bare, float(rest @ inverse @ rest), NO_FLOOR * np.sqrt(2 * np.pi * width))]
    design = np.column_stack([np.ones(len(sizes)), fall])
    inner = np.linalg.inv(design.T @ inverse @ design)
    middle = inner @ design.T @ inverse @ means
    rest = means - design @ middle
    both = draw.multivariate_normal(middle, inner, size=SAMPLES)
    whole = both.sum(axis=1)
    share = both[:, 0] / np.where(whole > 0, whole, np.inf)
    possible = (whole > 0) & (share >= 0) & (share <= HIGHEST_FLOOR)
    if possible.any():
        laws = np.column_stack([whole, share, np.full(SAMPLES, exponent)])[possible]
        # The floor is even between 0 and its highest; e·f is what was integrated over.
        prior = (1 - NO_FLOOR) * 2 * np.pi * np.sqrt(np.linalg.det(inner)) * possible.mean()
        floored = prior / (HIGHEST_FLOOR * float(whole[possible].mean()))
        found.append(_Part(laws, float(rest @ inverse @ rest), floored))
    return found
