"""The race: rivals of the plan's own settings in short trials, of which the best goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fewtune.measures.base import RowMeasure
from fewtune.select.candidates import Candidate
from fewtune.select.dial import GIVEN_UP
from fewtune.select.left_out import tried_or_left
from fewtune.select.material import Material
from fewtune.select.trials import Trial, try_out
from fewtune.train.agreement import first_says

__all__ = ["LEAST_UPDATES", "SHARES", "race", "ranked", "rounds"]

SHARES = (0.1, 0.4)
"""Shares of the updates that the rounds of a race give. A first round of 15% named the same in six
of seven development draws and a worse rival in the seventh, for half as much again
(benchmarks/LOG.md)."""

FEW = 4
"""Rivals of which one round leaves one: another would cost as much as the whole training that the
best of them has anyway."""

LEAST_UPDATES = 10
"""Fewer tell nothing, and a fit of few rows makes hardly more than fifty in all."""

REACH = 1.5
"""Times the budget of general loss from which a blend near the tuned end brings a model within."""


def race(material: Material, entered: Sequence[Candidate]) -> list[Candidate]:
    """Return the plan's own settings, and the rival that leads them after short trials, if any.

    Successive halving (1502.07943) among the rivals: every round trains what is left from the
    start, each time for longer, and keeps the best (see ``ranked``); the plan's own settings take
    part in every round. Short trials flatter what learns fast: a high rate, a weak hold, weights
    that leave out what is hard. So no rival takes the place of the plan's own by them; who leads is
    trained as long as they are, and the choice is made there. The dial stands at 1 all the while.

    Parameters
    ----------
    entered
        The plan's own settings first.
    """
    material = replace(material, plan=material.plan.changed({"select.dial": [1.0]}))
    own, rivals = entered[0], list(entered[1:])
    held = rounds(len(rivals))
    for number, share, _, stay in held:
        left, trials = _round(material, number, [own, *rivals])
        most = borne(material.plan.budget.general_loss, trials[0].rise.value)
        order = ranked(trials, material.headline, most)
        # Who is behind at the end of a race that flatters haste is not worth a whole training.
        ahead = order[: order.index(0)] if number == held[-1][0] else order
        kept = first_says(material.accelerator, sorted([p for p in ahead if p][:stay]))
        material.journal.write(
            "race",
            share=share,
            order=[
                {
                    "name": left[place].name,
                    "value": trials[place].score.value,
                    "stays": place == 0 or place in kept,
                    "rise": trials[place].rise.value,
                }
                for place in order
            ],
        )
        rivals = [left[place] for place in kept]
        material.journal.write("stage", name="time", sentence=material.pace.sentence())
    return [own, *rivals]


def rounds(rivals: int) -> list[tuple[int, float, int, int]]:
    """Return of each round its number, its share of the updates, how many rivals enter and stay.

    A few rivals have one round, of which the best stays; of more a third stays for another.

    Examples
    --------
    >>> rounds(4)
    [(1, 0.1, 4, 1)]
    >>> rounds(7)
    [(1, 0.1, 7, 3), (2, 0.4, 3, 1)]
    >>> rounds(0)
    []
    """
    if not rivals:
        return []
    if rivals <= FEW:
        return [(1, SHARES[0], rivals, 1)]
    stay = math.ceil(rivals / 3)
    return [(1, SHARES[0], rivals, stay), (2, SHARES[1], stay, 1)]


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
            trial = tried_or_left(material, short, try_out) if trials else try_out(material, short)
        if trial is None:
            continue
        trials.append(trial)
        # Its figures decide; its model would lie beside those of all the others.
        trials[-1].let_go()
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
