"""From rows that a model did not know: its temperature, and sets that hold the truth as promised.

No row is held out for it: out-of-fold outcomes of the known rows serve (2107.07511 on conformal
sets; 1706.04599 on temperature), or the validation rows where there was no cross-fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.errors import DataError
from fewtune.tasks.outcomes import Outcomes

__all__ = [
    "Calibration",
    "calibrate",
    "fit_temperature",
    "least_share",
    "likely",
    "temper",
    "tempered",
]

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 0.02, 50.0
"""Temperatures that are tried; beyond, the rows say nothing."""

PERCENTS = tuple(range(50, 100))
"""Coverages, in percent, that a finished model can be asked for."""


@dataclass(frozen=True)
class Calibration:
    """What rows that a model did not know say of its probabilities.

    Attributes
    ----------
    temperature
        What its logits are divided by; above 1 for a model that is too sure of itself.
    n
        Rows behind it.
    least
        By percent of coverage: the least probability of a class that belongs into the set. A
        coverage for which there are too few rows is not there.
    """

    temperature: float
    n: int
    least: Mapping[int, float]

    def of(self, coverage: float) -> float:
        """Return the least probability of a class in sets of this coverage, a share.

        Raises
        ------
        DataError
            If the coverage is not a whole percent that the rows suffice for.
        """
        percent = round(100 * coverage)
        if percent not in self.least or abs(100 * coverage - percent) > 1e-6:
            most = max(self.least, default=0)
            raise DataError(
                f"a coverage in whole percents from {PERCENTS[0] / 100:g} to {most / 100:g}"
                if most
                else "a model with enough rows for sets of labels",
                f"{coverage:g}",
                f"{self.n} rows that the model did not know",
                "Ask for less, or fit with more rows",
            )
        return self.least[percent]

    def as_json(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        least = {str(percent): share for percent, share in self.least.items()}
        return {"temperature": self.temperature, "n": self.n, "least": least}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Calibration:
        """Return what ``as_json`` wrote."""
        least = {int(percent): float(share) for percent, share in kept["least"].items()}
        return cls(float(kept["temperature"]), int(kept["n"]), least)


def calibrate(unknown: Outcomes) -> Calibration:
    """Return the calibration of a classifier.

    Where every row is right, no temperature is the likeliest: the lower, the better, and a model
    that a dozen rows found no fault with would be as good as certain of whatever it says. Then the
    rows are taken to be right with a probability of (n + 1) / (n + 2), as Platt's scaling has it
    (1999).

    Parameters
    ----------
    unknown
        What models that did not know them did on rows, at temperature 1: out of fold, or on
        validation rows.
    """
    right = len(unknown) > 0 and bool((unknown.predicted == unknown.truth).all())
    temperature = fit_temperature(unknown, doubt=1 / (len(unknown) + 2) if right else 0.0)
    after = tempered(unknown, temperature)
    found = {percent: least_share(after, percent / 100) for percent in PERCENTS}
    least = {percent: share for percent, share in found.items() if share is not None}
    return Calibration(temperature, len(unknown), least)


def fit_temperature(unknown: Outcomes, doubt: float = 0.0) -> float:
    """Return the temperature at which the outcomes have the lowest log loss; 1 without rows.

    Parameters
    ----------
    unknown
        Outcomes of rows that the model did not know.
    doubt
        Share of a row that is taken to be of the other classes that it may be, each as much.
    """
    from scipy.optimize import minimize_scalar

    if not len(unknown):
        return 1.0
    logits = np.log(np.maximum(unknown.probabilities, 1e-300))
    right = logits[np.arange(len(unknown)), unknown.truth]
    if doubt:
        # A class that was never trained has no share of it.
        known = unknown.probabilities > 0
        rest = np.where(known, logits, 0).sum(axis=1) - right
        others = known.sum(axis=1) - 1
        right = np.where(others, (1 - doubt) * right + doubt * rest / np.maximum(others, 1), right)

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((_log_sum_exp(scale * logits) - scale * right).mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(math.exp(found.x))


def tempered(outcomes: Outcomes, temperature: float) -> Outcomes:
    """Return the outcomes as they are with all logits divided by the temperature."""
    logits = np.log(np.maximum(outcomes.probabilities, 1e-300)) / temperature
    logs = logits - _log_sum_exp(logits)[:, None]
    losses = -logs[np.arange(len(outcomes)), outcomes.truth]
    return replace(outcomes, probabilities=np.exp(logs), losses=losses)


def temper(model: Any, temperature: float) -> None:
    """Divide a classifier's logits by a temperature, for good: it is kept in its head's weights."""
    import torch

    with torch.no_grad():
        model.head.weight.div_(temperature)
        model.head.bias.div_(temperature)


def _log_sum_exp(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    found: Floats = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return found


def least_share(unknown: Outcomes, coverage: float) -> float | None:
    """Return the least probability of a class that belongs into a set of the given coverage.

    Sets of all classes at least as likely hold the truth of a new row with this probability, if it
    is drawn as these rows were (split conformal, score 1 − p). Such a set may be empty: none of
    the classes is likely enough.

    Parameters
    ----------
    unknown
        Rows that the model did not know, at the temperature of the model that is asked.
    coverage
        Share of rows whose set is to hold the truth.

    Returns
    -------
    float or None
        ``None`` for fewer than ⌈1 / (1 − coverage)⌉ − 1 rows, which cannot promise it.
    """
    n = len(unknown)
    # Rounded first: 0.9 · 10 is a little more than 9 in floating point.
    rank = math.ceil(round((n + 1) * coverage, 9))
    if rank > n:
        return None
    given = np.sort(unknown.probabilities[np.arange(n), unknown.truth])[::-1]
    return float(given[rank - 1])


def likely(probabilities: Floats, least: float) -> NDArray[np.bool_]:
    """Return which classes belong into the set of each row, of shape (rows, classes)."""
    # Probabilities that went through a file and a model again differ in their last digits.
    found: NDArray[np.bool_] = probabilities >= least - 1e-9
    return found
