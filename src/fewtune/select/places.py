"""Places: for how long and how far from the base all folds of a cross-fit together are best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fewtune.select.budget import General, within
from fewtune.select.dial import Stand, tell
from fewtune.select.fitting import evaluation
from fewtune.select.material import Material
from fewtune.select.near import surest
from fewtune.select.watched import START, Place, Rounds, general, rows_of, unknown
from fewtune.train.monitors.base import Evaluation

__all__ = ["best_place", "course", "stands", "tell_places"]


def best_place(material: Material, rounds: Rounds) -> Place:
    """Return where all folds together are best.

    Of a language model among the places within its budget of general loss (``budget.within``). Of
    equals, and for a classifier of those that are nearly as good, the one with the lower loss
    (``near.surest``). A place that only some folds reached counts with what the others ended with.
    """
    measure, passages = material.headline, General(material)
    sign = 1 if measure.direction == "higher" else -1
    # The first of equals: trained less, dialled less.
    every = sorted(_places(rounds), reverse=True)
    found = [unknown(material, rounds, place) for place in every]
    ones = np.ones((1, len(found[0])))
    values = [sign * float(measure.values(one, ones)[0]) for one in found]
    left = within(values, [passages.rise(general(rounds, place)) for place in every])
    return every[left[surest(measure, [found[i] for i in left])]]


def _places(rounds: Rounds) -> set[Place]:
    return {place for folds in rounds for one in folds for place in one.unknown}


def course(material: Material, rounds: Rounds, place: Place) -> list[Evaluation]:
    """Return what all folds together do at every update, the dial where it was chosen to stand.

    What is kept is a blend, so it is its course that says whether training turned worse.
    """
    found = []
    for update in sorted({update for update, _ in _places(rounds)}):
        one = evaluation(material, unknown(material, rounds, (update, place[1])), update)
        # A repeat is no further row: it makes no figure surer.
        error = one.error * math.sqrt(len(rounds))
        found.append(replace(one, best=update == place[0], error=error))
    return found


def stands(material: Material, rounds: Rounds, update: int) -> list[Stand]:
    """Return what all folds together do after an update at every stand of the dial."""
    passages, rows = General(material), len(rows_of(rounds))
    found = []
    for alpha in sorted({a for u, a in _places(rounds) if u}) if update else [START[1]]:
        outcomes = unknown(material, rounds, (update, alpha))
        score = replace(material.headline.of(outcomes), n=rows)
        rise = passages.rise(general(rounds, (update, alpha)))
        found.append(Stand(alpha, outcomes, score, rise))
    return found


def tell_places(
    material: Material,
    name: str,
    place: Place,
    evaluations: Sequence[Evaluation],
    dialled: Sequence[Stand],
) -> None:
    """Journal the course over the updates, and the curve of the dial at the one that was chosen."""
    for one in evaluations:
        material.journal.write("crossfit", name, one.update, value=one.headline, alpha=place[1])
    tell(material, name, place[0], dialled, place[1])
