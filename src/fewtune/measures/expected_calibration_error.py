"""Expected calibration error: how far stated probabilities are from how often they come true."""

from __future__ import annotations

import numpy as np

from fewtune.measures.base import Floats, RowMeasure
from fewtune.measures.intervals import RESAMPLES
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["ExpectedCalibrationError"]

MOST_BINS, LEAST_BINS, ROWS_A_BIN = 15, 3, 40


class ExpectedCalibrationError(RowMeasure):
    """Mean over equal-mass bins of |confidence − accuracy| of the likeliest class, in [0, 1].

    A bin for every 40 rows, between 3 and 15 bins. Chance alone gives even a perfect model some
    error, the more the fewer rows; so the interval reaches down by as much as resampling goes up.
    """

    direction = "lower"
    unit = "share"
    within = (0.0, 1.0)
    tasks = frozenset({"text_classification", "image_classification"})

    def values(self, outcomes: Outcomes, weights: Floats) -> Floats:
        """Return the error under each set of weights; a row on a bin's edge counts in both."""
        sure = outcomes.probabilities.max(axis=1)
        order = np.argsort(sure, kind="stable")
        excess = (sure - (outcomes.predicted == outcomes.truth))[order]
        # Rows that are equally sure have no order: what lies between two edges is shared evenly.
        ends = np.flatnonzero(np.append(np.diff(sure[order]) > 0, True))
        none = np.zeros((len(weights), 1))
        mass = np.hstack([none, np.cumsum(weights[:, order], axis=1)[:, ends]])
        moment = np.hstack([none, np.cumsum(weights[:, order] * excess, axis=1)[:, ends]])
        total = mass[:, -1:]
        steps = np.linspace(0, 1, bins(len(outcomes)) + 1)
        # All draws lie behind each other on one line, with a gap between, and are read at once.
        place = 2.0 * np.arange(len(weights))[:, None]
        at_edges = np.interp(steps + place, (mass / total + place).ravel(), moment.ravel())
        errors: Floats = (np.abs(np.diff(at_edges, axis=1)) / total).sum(axis=1)
        return errors

    def of(self, outcomes: Outcomes, seed: int = 0, draws: int = RESAMPLES) -> Score:
        """Return the score on any rows."""
        found = super().of(outcomes, seed, draws)
        low = min(found.value, 2 * found.value - found.high)
        return self.named(found.value, max(0.0, low), found.high, found.n)


def bins(rows: int) -> int:
    """Return how many bins so many rows are put into."""
    return min(MOST_BINS, max(LEAST_BINS, rows // ROWS_A_BIN))
