"""Worth: the value curve of the chosen candidate on the known rows of a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fewtune.methods.probe import refit
from fewtune.select.controls import from_states
from fewtune.select.material import Material
from fewtune.select.refit import again
from fewtune.select.trials import Trial
from fewtune.select.value_curve import Round, ValueCurve, value_curve
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.agreement import first_says

__all__ = ["worth"]

REPEATS = 2
"""Subsets of each size where every one of them is a training: seven trainings in all."""


def worth(material: Material, chosen: Trial) -> ValueCurve | None:
    """Return what more rows would be worth to the chosen candidate, measured on known rows alone.

    A head that a solver fits is fitted on subsets of every fold's rest; a trained candidate on
    subsets of the first fold's rest alone, as many epochs as was found best. ``None`` where the
    plan does not ask, or there is no time for it.
    """
    if not material.plan.select.value_curve:
        return None
    if not first_says(material.accelerator, material.pace.room("value curve")):
        material.pace.drop("value curve", "value curve")
        return None
    said = "asking what more rows would bring"
    material.journal.write("stage", name="value curve", sentence=said)
    with material.pace.part("value curve"):
        return _curve(material, chosen)


def _curve(material: Material, chosen: Trial) -> ValueCurve:
    strata = [row.label for row in material.known]
    groups = _groups(material)
    folds = [fold for fold in material.folds() if any(material.judges()[i] for i in fold)]
    most = _round(len(material.known))
    if chosen.head is not None:
        rounds = [_solved(material, chosen, fold) for fold in folds]
        return value_curve(
            rounds, material.headline, strata, groups, more=most, seed=material.plan.seed
        )
    rounds = [_trained(material, chosen, folds[0])]
    return value_curve(
        rounds,
        material.headline,
        strata,
        groups,
        more=most,
        repeats=REPEATS,
        seed=material.plan.seed,
    )


def _round(count: int) -> int:
    """Return ``count`` with one digit: nobody asks what 617 more rows would bring."""
    size: int = 10 ** (len(str(count)) - 1)
    return max(1, count // size) * size


def _groups(material: Material) -> list[int]:
    """Return a number for each known row: rows of one group, and variations of one row, alike."""
    numbers: dict[str, int] = {}
    found = []
    for row in material.known:
        own = row.example.group or row.example.parent or row.example.source
        found.append(numbers.setdefault(own, len(numbers)))
    return found


def _parts(material: Material, fold: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the rows that train while a fold is held, and those that judge."""
    out, judges = set(fold), material.judges()
    rest = [row for row in range(len(material.known)) if row not in out]
    return rest, [row for row in fold if judges[row]]


def _solved(material: Material, chosen: Trial, fold: Sequence[int]) -> Round:
    rest, held = _parts(material, fold)
    head, states = chosen.head, material.known_states(names=True)
    assert head is not None

    def score(rows: Sequence[int]) -> Outcomes:
        fitted = refit(states.take(np.asarray(rows, dtype=np.int64)), head)
        unseen = material.states()[0][held]
        return from_states(material, fitted, unseen, [material.known[i] for i in held])

    return Round(rest, score)


def _trained(material: Material, chosen: Trial, fold: Sequence[int]) -> Round:
    rest, held = _parts(material, fold)

    def score(rows: Sequence[int]) -> Outcomes:
        _, model = again(material, chosen, rows, f"{len(rows)}rows")
        return material.task.outcomes(model, [material.known[i] for i in held])

    return Round(rest, score)
