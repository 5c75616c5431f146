"""The contest: the candidates of a plan fitted, raced and judged, within the time that was told."""

from __future__ import annotations

from fewtune.methods.base import METHODS
from fewtune.select.candidates import Candidate, candidates
from fewtune.select.crossfit import cross_fit, cross_fit_head
from fewtune.select.left_out import tried_or_left
from fewtune.select.material import Material
from fewtune.select.race import race
from fewtune.select.search import search
from fewtune.select.trials import Trial, let_go, try_out
from fewtune.train.agreement import first_says

__all__ = ["RIVAL", "contest", "raced_of"]

RIVAL = "rival"
"""The part of a fit in which the one that leads a race is trained as long as the plan's own."""

TOO_LONG = "time: {name} is left out: with it the fit would take far longer than was told"


def raced_of(material: Material, entered: list[Candidate]) -> list[Candidate]:
    """Return the relatives of the plan's method, which race each other; none where it is solved."""
    own = material.plan.method
    if material.task.name in METHODS.load(own.name).solves:
        return []
    return [candidate for candidate in entered if candidate.method == own]


def contest(material: Material) -> list[Trial]:
    """Return the candidates that the choice is between, fitted, cheapest first.

    Relatives of the plan's method (rates, guards, variations, what a search found) race, and the
    one that leads the plan's own settings is trained beside them. Where the plan wants folds, what
    is left is judged out of fold on every known row. What there is no time for is left out.
    """
    entered = candidates(material.plan)
    raced = raced_of(material, entered)
    if raced and material.plan.select.search:
        found = search(material, raced[0])
        raced, entered = [*raced, *found], [*entered, *found]
    left = race(material, raced) if raced else []
    if len(left) < 2:
        material.pace.drop(RIVAL)
    trials: list[Trial] = []
    for candidate in entered:
        if candidate in raced and candidate not in left:
            continue
        own = candidate in left[:1]
        part = "train" if own else RIVAL if candidate in left else f"try {candidate.name}"
        # The plan's own settings are always tried; a plan whose method is solved tries something.
        free = not own and bool(left or trials)
        if free and not first_says(material.accelerator, material.pace.room(part)):
            material.pace.drop(part, candidate.name)
            material.journal.write(
                "stage", name="time", sentence=TOO_LONG.format(name=candidate.name)
            )
            continue
        with material.pace.part(part):
            trial = (
                tried_or_left(material, candidate, _tried) if free else _tried(material, candidate)
            )
        if trial is None:
            continue
        trials.append(trial)
        # A model that tuning left as it was is kept as it is; another is trained anew.
        if own and len(left) > 1 and material.plan.select.refit and trials[-1].updates:
            let_go(material, trials[-1])
    return trials


def _tried(material: Material, candidate: Candidate) -> Trial:
    if not material.plan.select.folds:
        return try_out(material, candidate)
    if material.task.name in METHODS.load(candidate.method.name).solves:
        return cross_fit_head(material, try_out(material, candidate))
    return cross_fit(material, candidate)
