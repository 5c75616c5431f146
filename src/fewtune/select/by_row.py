"""By row: how hard each known row is, how much of it is memorized, and whose label is suspect."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewtune.checks._flips import estimate
from fewtune.checks.label_errors import FEWEST_ROWS, KNOWS, LIKELY
from fewtune.select.material import Material
from fewtune.select.watched import Place, Rounds, rows_of, unknown
from fewtune.tasks.outcomes import Outcomes

__all__ = ["ByRow", "by_row", "records", "strange"]

Floats = NDArray[np.float64]

FENCE = 1.5
"""Interquartile ranges above the upper quartile from which a figure is an outlier (Tukey 1977): of
figures that are normally distributed one in three hundred is."""

FEWEST = 20
"""Rows below which quartiles say nothing of outliers."""


@dataclass(frozen=True)
class ByRow:
    """What models of a cross-fit make of each row.

    Attributes
    ----------
    rows
        Numbers of the known rows, ascending.
    unknown
        What models that did not know a row do on it: the mean of all partitions.
    learnt
        Loss of each row in nats by models that were trained on it, NaN where none was asked.
    """

    rows: tuple[int, ...]
    unknown: Outcomes
    learnt: Floats


def by_row(material: Material, rounds: Rounds, place: Place) -> ByRow:
    """Return what the models of a cross-fit make of each row at one place."""
    rows = rows_of(rounds)
    every, count = unknown(material, rounds, place), len(rows)
    mean = replace(every.take(range(count)), losses=every.losses.reshape(-1, count).mean(axis=0))
    if mean.labels:
        shares = every.probabilities.reshape(-1, count, len(mean.labels)).mean(axis=0)
        mean = replace(mean, probabilities=shares)
    sums, times = np.zeros(len(material.known)), np.zeros(len(material.known))
    for one in (one for folds in rounds for one in folds):
        at = list(one.fold.learnt)
        sums[at] += one.learnt[one.reached(place)].losses
        times[at] += 1
    means = np.divide(sums, times, out=np.full(len(sums), np.nan), where=times > 0)
    return ByRow(tuple(rows), mean, means[rows])


def records(material: Material, found: ByRow) -> list[dict[str, Any]]:
    """Return what ``crossfit.jsonl`` keeps: one record for each row, in the order of the rows.

    Losses are nats a byte for a language model, whose rows differ in length, and nats a row else.
    """
    outcomes = found.unknown
    sizes = np.maximum(outcomes.bytes, 1)
    out, own = outcomes.losses / sizes, found.learnt / sizes
    wrong = _wrong(outcomes)
    suspect = set(np.flatnonzero(wrong >= LIKELY)) if outcomes.labels else strange(out)
    made = []
    for place, number in enumerate(found.rows):
        example = material.known[number].example
        learnt = None if math.isnan(own[place]) else round(float(own[place]), 5)
        record: dict[str, Any] = {
            "source": example.source,
            "fingerprint": example.fingerprint,
            "input": example.input,
            "target": example.target,
            "out_of_fold": round(float(out[place]), 5),
            "in_fold": learnt,
            "memorized": None if learnt is None else round(float(out[place] - own[place]), 5),
            "suspect": place in suspect,
        }
        if outcomes.labels:
            told = place in suspect
            best = outcomes.labels[int(outcomes.predicted[place])]
            record["suspected_label"] = best if told else None
            record["suspected_probability"] = round(float(wrong[place]), 3) if told else None
        made.append(record)
    return made


def _wrong(outcomes: Outcomes) -> Floats:
    """Return how likely each label is wrong, estimated as the check of the data does (``_flips``).

    Zeros where the rows are too few, or the models too often wrong to overrule anybody.
    """
    given = outcomes.truth.astype(np.intp)
    knows = len(given) >= FEWEST_ROWS and (outcomes.predicted == given).mean() >= KNOWS
    found = estimate(outcomes.probabilities, given).wrong if knows else np.zeros(len(given))
    return np.asarray(found, dtype=np.float64)


def strange(losses: Floats) -> set[int]:
    """Return which losses are outliers above the others, on a scale of their logarithms.

    Examples
    --------
    >>> strange(np.array([1.0, 1.1, 1.2, 0.9, 0.8] * 4 + [5.0]))
    {20}
    """
    if len(losses) < FEWEST:
        return set()
    logs = np.log(np.maximum(losses, 1e-9))
    low, high = np.quantile(logs, (0.25, 0.75))
    return set(np.flatnonzero(logs > high + FENCE * (high - low)).tolist())
