"""The contest: the candidates of a plan fitted, raced and judged, within the time that was told."""

from __future__ import annotations

from fewtune.methods.base import METHODS
from fewtune.select.candidates import Candidate, candidates
from fewtune.select.crossfit import cross_fit, cross_fit_head
from fewtune.select.material import Material
from fewtune.select.race import race
from fewtune.select.search import search
from fewtune.select.trials import Trial, try_out
from fewtune.train.agreement import first_says

__all__ = ["contest", "raced_of"]

TOO_LONG = "time: {name} is left out: with it the fit would take far longer than was told"


def raced_of(material: Material, entered: list[Candidate]) -> list[Candidate]:
    """Return the relatives of the plan's method, which race each other; none where it is solved."""
    own = material.plan.method
    if material.task.name in METHODS.load(own.name).solves:
        return []
    return [candidate for candidate in entered if candidate.method == own]


def contest(material: Material) -> list[Trial]:
    """Return the candidates that the choice is between, fitted, cheapest first.

    Relatives of the plan's method (rates, guards, variations, what a search found) race. Where the
    plan wants folds, what is left is judged out of fold on every known row. A cheaper method for
    which there is no time is left out.
    """
    entered = candidates(material.plan)
    raced = raced_of(material, entered)
    if raced and material.plan.select.search:
        found = search(material, raced[0])
        raced, entered = [*raced, *found], [*entered, *found]
    left = race(material, raced) if raced else None
    trials: list[Trial] = []
    for candidate in entered:
        if candidate in raced and candidate is not left:
            continue
        part = "train" if candidate is left else f"try {candidate.name}"
        # What the race was for is always trained; a plan without one always tries something.
        free = candidate is not left and (left is not None or bool(trials))
        if free and not first_says(material.accelerator, material.pace.room(part)):
            material.pace.drop(part, candidate.name)
            material.journal.write(
                "stage", name="time", sentence=TOO_LONG.format(name=candidate.name)
            )
            continue
        with material.pace.part(part):
            trials.append(_tried(material, candidate))
    return trials


def _tried(material: Material, candidate: Candidate) -> Trial:
    if not material.plan.select.folds:
        return try_out(material, candidate)
    if material.task.name in METHODS.load(candidate.method.name).solves:
        return cross_fit_head(material, try_out(material, candidate))
    return cross_fit(material, candidate)
