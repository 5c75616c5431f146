"""How many labels are wrong and which: right labels follow the predictor, wrong ones fall anywhere.

A predictor's mistakes are likeliest where it is unsure. Labels that contradict it as often where it
is sure are wrong ones: their share is what no sharpness of the predictor explains. So the share,
and how likely each label is wrong, come from the data itself, without a limit that knows the set.

Two readings of the predictor are asked, and the more careful one counts for each row: all of its
probabilities at some sharpness, and whether it is contradicted as a function of how sure it is (a
psychometric function with a lapse rate, Wichmann & Hill 2001), which trusts no tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Flips", "estimate"]

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

SHARES = (
    0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3,
)  # fmt: skip
"""Shares of wrong labels that are tried."""

SHARPNESSES = (0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0)

SLOPES = (0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
OFFSETS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""How the log-odds of a mistake fall with the log-odds of the predicted class, and from where."""

BINS = 200

CAUTION = 2.0
"""Nats by which the labels may be less likely under the share that is taken, the least such one,
than under the likeliest: few rows prove few wrong labels."""

LIFT = 0.25
"""Least part of the way from a class's frequency to 1 by which a prediction of the class must be
right: one that guesses knows nothing of the class."""


@dataclass(frozen=True)
class Flips:
    """What the data says of its wrong labels.

    Attributes
    ----------
    share
        The least share of wrong labels that explains the data about as well as the likeliest one.
    likeliest
        The likeliest share.
    wrong
        For each row the probability that its label is wrong; 0 where the predictor agrees, or
        knows nothing of one of the two classes.
    known
        For each class whether the predictor knows it.
    """

    share: float
    likeliest: float
    wrong: Floats
    known: npt.NDArray[np.bool_]


def estimate(probabilities: Floats, given: Indices) -> Flips:
    """Return how many labels are wrong and how likely each is.

    Parameters
    ----------
    probabilities
        Rows × classes, from a predictor that has not seen the row.
    given
        Each row's class.
    """
    rows, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    known = _known(predicted, given, classes)
    judged = known[given] & known[predicted]
    none = Flips(0.0, 0.0, np.zeros(rows), known)
    if classes < 2 or not judged.any():
        return none
    contradicted = predicted != given
    share, likeliest, by_all = _from_probabilities(probabilities, given, judged)
    by_top = _from_certainty(probabilities, given, predicted, judged)
    wrong = np.where(judged & contradicted, np.minimum(by_all, by_top), 0.0)
    return Flips(share, likeliest, wrong, known)


def _from_probabilities(
    probabilities: Floats, given: Indices, judged: npt.NDArray[np.bool_]
) -> tuple[float, float, Floats]:
    """Return careful and likeliest share, and each row's probability of a wrong label.

    The label is the predictor's at some sharpness, or with the share's probability any other.
    """
    rows, classes = probabilities.shape
    logs = np.log(np.maximum(probabilities, 1e-6))
    logs -= logs.max(axis=1, keepdims=True)
    found: dict[float, tuple[float, Floats]] = {}
    for sharpness in SHARPNESSES:
        powered = np.exp(sharpness * logs)
        own = powered[np.arange(rows), given] / powered.sum(axis=1)
        for share in SHARES:
            chance = (1 - share) * own + share * (1 - own) / (classes - 1)
            likely = float(np.log(np.maximum(chance[judged], 1e-9)).sum())
            if share not in found or likely > found[share][0]:
                found[share] = (likely, own)
    share, likeliest = _careful({share: likely for share, (likely, _) in found.items()})
    return share, likeliest, _wrong(found[share][1], share, classes)


def _from_certainty(
    probabilities: Floats, given: Indices, predicted: Indices, judged: npt.NDArray[np.bool_]
) -> Floats:
    """Return each row's probability of a wrong label from that of its predicted class alone.

    A contradiction is a mistake, the rarer the surer the predictor is, or a wrong label, which is
    as frequent everywhere.
    """
    everyone = np.arange(len(given))
    top = probabilities[everyone, predicted].astype(np.float64)
    certain = np.log(top / np.maximum(1 - top, 1e-6))
    contradicted = predicted != given
    edges = np.unique(np.quantile(certain[judged], np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, certain)
    count = np.bincount(place[judged], minlength=len(edges) + 1)
    against = np.bincount(place[judged & contradicted], minlength=len(edges) + 1)
    total = np.bincount(place[judged], certain[judged], minlength=len(edges) + 1)
    middle: Floats = total / np.maximum(count, 1)
    found: dict[float, tuple[float, float, float]] = {}
    for slope in SLOPES:
        for offset in OFFSETS:
            mistake = _mistake(middle, slope, offset)
            for share in SHARES:
                chance = np.clip(share + (1 - 2 * share) * mistake, 1e-9, 1 - 1e-9)
                likely = against @ np.log(chance) + (count - against) @ np.log(1 - chance)
                if share not in found or likely > found[share][0]:
                    found[share] = (float(likely), slope, offset)
    # Caution was taken with the other reading; here it would be taken twice.
    likeliest = max(SHARES, key=lambda share: found[share][0])
    mistake = _mistake(certain, *found[likeliest][1:])
    own = probabilities[everyone, given] / np.maximum(1 - top, 1e-9)
    own = np.where(contradicted, mistake * np.minimum(own, 1.0), 1 - mistake)
    return _wrong(own, likeliest, probabilities.shape[1])


def _mistake(certain: Floats, slope: float, offset: float) -> Floats:
    return np.asarray(1 / (1 + np.exp(np.clip(slope * certain + offset, -30, 30))))


def _careful(likely: dict[float, float]) -> tuple[float, float]:
    """Return the least share that is about as likely as the likeliest, and the likeliest."""
    likeliest = max(SHARES, key=lambda share: likely[share])
    careful = next(share for share in SHARES if likely[share] >= likely[likeliest] - CAUTION)
    return careful, likeliest


def _wrong(own: Floats, share: float, classes: int) -> Floats:
    """Return the probability that a label is wrong whose probability, were it right, is ``own``."""
    flipped = share * (1 - own) / (classes - 1)
    return np.asarray(flipped / np.maximum(flipped + (1 - share) * own, 1e-12))


def _known(predicted: Indices, given: Indices, classes: int) -> npt.NDArray[np.bool_]:
    """Return for each class whether rows predicted as it are right clearly more often than chance.

    By the lower end of a 68% interval (Wilson), so that two lucky hits prove nothing.
    """
    frequency = np.bincount(given, minlength=classes) / len(given)
    hits = np.bincount(given[predicted == given], minlength=classes)
    tries = np.bincount(predicted, minlength=classes)
    lows = [_low(int(hit), int(count)) for hit, count in zip(hits, tries, strict=True)]
    return np.asarray(np.array(lows) >= frequency + LIFT * (1 - frequency))


def _low(hits: int, tries: int) -> float:
    """Return the lower end of the interval of one standard error of a share, after Wilson."""
    if not tries:
        return 0.0
    share = hits / tries
    spread = math.sqrt(share * (1 - share) / tries + 1 / (4 * tries * tries))
    return (share + 1 / (2 * tries) - spread) / (1 + 1 / tries)
