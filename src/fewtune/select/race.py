"""The race: candidates in short trials, of which each discards the worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fewtune.measures.base import RowMeasure
from fewtune.select.candidates import Candidate
from fewtune.select.dial import GIVEN_UP
from fewtune.select.material import Material
from fewtune.select.trials import Trial, try_out
from fewtune.train.agreement import first_says

__all__ = ["LEAST_UPDATES", "SHARES", "race", "ranked", "rounds"]

SHARES = (0.15, 0.4)
"""Shares of the updates that the rounds of a race give before the last, which gives all."""

LEAST_UPDATES = 20
"""Fewer tell nothing: warm-up is hardly over."""

REACH = 1.5
"""Times the budget of general loss from which a blend near the tuned end brings a model within."""


def race(material: Material, entered: Sequence[Candidate]) -> Candidate:
    """Return the candidate that is left after short trials, of which each discards the worse.

    Successive halving (1502.07943): every round trains what is left from the start, each time for
    longer, and keeps the best (see ``ranked``). The dial stands at 1 all the while: it is turned
    once, for the one that is left.
    """
    material = replace(material, plan=material.plan.changed({"select.dial": [1.0]}))
    left = list(entered)
    for number, share, _, stay in rounds(len(left)):
        if len(left) == 1:
            break
        left, trials = _round(material, number, left)
        own = trials[0].rise.value if left[0] is entered[0] else None
        most = borne(material.plan.budget.general_loss, own)
        order = ranked(trials, material.headline, most)
        material.journal.write(
            "race",
            share=share,
            order=[
                {
                    "name": left[i].name,
                    "value": t.score.value,
                    "stays": r < stay,
                    "rise": t.rise.value,
                }
                for r, (i, t) in enumerate((i, trials[i]) for i in order)
            ],
        )
        left = [left[i] for i in first_says(material.accelerator, sorted(order[:stay]))]
        material.journal.write("stage", name="time", sentence=material.pace.sentence())
    return left[0]


def rounds(count: int) -> list[tuple[int, float, int, int]]:
    """Return of each round its number, its share of the updates, who enters and who stays.

    A third stays and at least two; the last round before the whole training leaves one. A round
    that would discard nobody is not held.

    Examples
    --------
    >>> rounds(6)
    [(1, 0.15, 6, 2), (2, 0.4, 2, 1)]
    >>> rounds(2)
    [(2, 0.4, 2, 1)]
    >>> rounds(1)
    []
    """
    held = []
    for number, share in enumerate(SHARES, 1):
        stay = 1 if share == SHARES[-1] else max(2, math.ceil(count / 3))
        if count > stay:
            held.append((number, share, count, stay))
            count = stay
    return held


def _round(
    material: Material, number: int, left: Sequence[Candidate]
) -> tuple[list[Candidate], list[Trial]]:
    """Return what was tried in a round and its trials; what there is no time for is dropped."""
    tried: list[Candidate] = []
    trials: list[Trial] = []
    for place, candidate in enumerate(left):
        part = f"race {number} {place}"
        if trials and not first_says(material.accelerator, material.pace.room(part)):
            material.pace.drop(part, candidate.name)
            continue
        with material.pace.part(part):
            short = candidate.shortened(SHARES[number - 1], LEAST_UPDATES)
            trials.append(try_out(material, short))
        # Its figures decide; its model would lie beside those of all the others.
        trials[-1].model = material.base()
        tried.append(candidate)
    return tried, trials


def ranked(trials: Sequence[Trial], measure: RowMeasure, most_rise: float = math.inf) -> list[int]:
    """Return the places of the trials, best first, by the headline measure on validation rows.

    Of language models those that cost more of general text than is borne come last. Among the
    others those nearly as good as the best (``dial.GIVEN_UP``) come in the order of what they cost:
    the target first, and then the least forgetting.

    Parameters
    ----------
    trials
        Judged on the same rows.
    measure
        The headline measure.
    most_rise
        Most rise of the loss on general text that is borne, as a share.
    """
    sign = 1 if measure.direction == "higher" else -1
    rises = [trial.rise.value for trial in trials]
    within = [rise is None or rise <= most_rise for rise in rises]
    values = [sign * trial.score.value for trial in trials]
    best = max(value for value, kept in zip(values, within, strict=True) if kept == any(within))

    def key(place: int) -> tuple[float, ...]:
        rise, value = rises[place], values[place]
        near = rise is not None and best - value <= GIVEN_UP * abs(best)
        costs = rise if near and rise is not None else 0.0
        return within[place], near, -costs, value, -float(trials[place].validation.losses.sum())

    return sorted(range(len(trials)), key=key, reverse=True)


def borne(budget: float, own: float | None) -> float:
    """Return the most rise of the loss on general text that a short trial may have.

    What is beyond the budget is not shipped, however good it is; a blend near the tuned end can
    bring a little more within. But short trials end at high rates and cost more than whole ones:
    whatever the plan's own settings cost in them is borne.

    Parameters
    ----------
    budget
        The plan's, as a share; 0 for no bound.
    own
        Rise of the plan's own settings; ``None`` where they are out of the race.

    Examples
    --------
    >>> borne(0.05, 0.04), borne(0.05, 0.09), borne(0.0, 0.09)
    (0.075, 0.09, inf)
    """
    return max(round(REACH * budget, 6), own or 0.0) if budget else math.inf
