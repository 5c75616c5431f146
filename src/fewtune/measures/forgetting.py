"""Forgetting: the share of probes of general ability right before and wrong now, less chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.measures.observe.probes import ProbeAnswers
from fewtune.records import Score

__all__ = ["Forgetting", "changed", "nothing_seen"]

Bools = NDArray[np.bool_]

SURE = 1.645
"""Standard errors above chance from which a kind of probe can show forgetting (95%, one side)."""


class Forgetting(Measure):
    """F − (1 − a_before)(1 − a_after)/(k − 1), not below 0, in [0, 1] (2510.17776).

    F is the share of items right before and wrong now; the rest is what two models that guess
    between k options would show without having forgotten anything. It is taken for each kind of
    item with its own k, then averaged over items. Kinds that the base answers no better than by
    guessing are left out: they cannot show forgetting and would only thin it. The part ``net`` is
    the share right before less the share right now, which needs no such correction.
    """

    direction = "lower"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share forgotten, or ``None`` where the base has too little right to forget."""
        seen = _seen(evidence.probes)
        if seen is None:
            return None
        value, low, high = bootstrap(
            lambda w: changed(seen, seen.before, seen.after, w),
            seen.groups,
            seed=seed,
            within=(-1, 1),
        )
        if not (seen.before & ~seen.after).any():
            # Nothing flipped: the bootstrap has no width, however few groups there are.
            high = 1 - 0.025 ** (1 / len(np.unique(seen.groups)))
        return self.named(value, min(low, value), max(high, value), len(seen))

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the net loss: share right before less share right now."""
        seen = _seen(evidence.probes)
        if seen is None:
            return {}
        lost = seen.before.astype(float) - seen.after
        value, low, high = bootstrap(
            lambda w: w @ lost / w.sum(axis=1), seen.groups, seed=seed, within=(-1, 1)
        )
        return {"net": self.named(value, low, high, len(seen))}

    def silence(self, evidence: Evidence) -> str:
        """Return why forgetting cannot be seen."""
        return nothing_seen(evidence.probes)


def changed(answers: ProbeAnswers, first: Bools, then: Bools, weights: Floats) -> Floats:
    """Return the share right at ``first`` and wrong ``then``, less chance, at least 0 for any kind.

    Parameters
    ----------
    answers
        For the kinds and the options.
    first, then
        Which items are right. Swapped they give backward transfer, its mirror.
    weights
        Row weights, of shape (draws, items).

    Returns
    -------
    ndarray of shape (draws,)
    """
    total = np.zeros(len(weights))
    lost = (first & ~then).astype(float)
    for at, options in _kinds(answers):
        w = weights[:, at]
        size = np.maximum(w.sum(axis=1), 1e-12)
        wrong = (w @ ~first[at] / size) * (w @ ~then[at] / size)
        guessed = wrong / (options - 1) if options > 1 else 0.0
        total += np.maximum(w @ lost[at] / size - guessed, 0) * size
    shares: Floats = total / weights.sum(axis=1)
    return shares


def nothing_seen(answers: ProbeAnswers | None) -> str:
    """Return why these probes cannot show forgetting; empty where they can or there are none."""
    if answers is None or _seen(answers) is not None:
        return ""
    if not len(answers):
        return "there are no probes"
    right, count = int(answers.before.sum()), len(answers)
    return (
        f"the base has {right} of {count} probes right, no more than guessing gives: what it does "
        "not know it cannot forget, so these probes cannot show forgetting"
    )


def _kinds(answers: ProbeAnswers) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the items of each kind with one number of options, and that number."""
    kinds = np.asarray(answers.kinds)
    for kind in dict.fromkeys(answers.kinds):
        for options in np.unique(answers.options[kinds == kind]):
            yield np.flatnonzero((kinds == kind) & (answers.options == options)), int(options)


def _seen(answers: ProbeAnswers | None) -> ProbeAnswers | None:
    """Return the items of the kinds that the base knows something of; ``None`` for none."""
    if answers is None:
        return None
    known = [at for at, options in _kinds(answers) if _knows(answers, at, options)]
    if not known:
        return None
    at = np.sort(np.concatenate(known))
    return replace(
        answers,
        kinds=tuple(answers.kinds[i] for i in at),
        groups=answers.groups[at],
        options=answers.options[at],
        before=answers.before[at],
        after=answers.after[at],
    )


def _knows(answers: ProbeAnswers, at: NDArray[np.int64], options: int) -> bool:
    """Return whether the base has surely more of some items right than by guessing."""
    right = answers.before[at].astype(float)
    share = right.mean()
    _, numbers = np.unique(answers.groups[at], return_inverse=True)
    # Standard error of the mean over groups, by linearisation.
    beyond = np.bincount(numbers, right - share)
    error = float(np.sqrt((beyond**2).sum()) / len(at))
    return bool(share - SURE * error > (1 / options if options > 1 else 0.0))
