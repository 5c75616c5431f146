"""Watched: what the models of a cross-fit do wherever one place for all of them may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fewtune.select.budget import General
from fewtune.select.fitting import evaluation
from fewtune.select.material import Material
from fewtune.select.partitions import Fold
from fewtune.tasks.outcomes import Outcomes, group_numbers, joined
from fewtune.train.checkpoint import restore_weights
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training

__all__ = [
    "START",
    "Place",
    "Rounds",
    "Watched",
    "general",
    "learnt",
    "rows_of",
    "unknown",
    "watch",
]

Floats = NDArray[np.float64]

Place = tuple[int, float]
"""Number of updates and stand of the dial."""

START: Place = (0, 1.0)
"""Before the first update every blend is the start."""


@dataclass
class Watched:
    """What one fold's model does at every evaluation and every stand of the dial.

    Attributes
    ----------
    fold
        Its rows.
    unknown, learnt
        By place what it does on the rows that the fold holds, and on rows that it trained on.
    general
        By place its losses on passages of general text, in nats; ``None`` where that is not asked.
    """

    fold: Fold
    unknown: dict[Place, Outcomes] = field(default_factory=dict)
    learnt: dict[Place, Outcomes] = field(default_factory=dict)
    general: dict[Place, Floats | None] = field(default_factory=dict)

    def reached(self, place: Place) -> Place:
        """Return the place; where training ended before, that of its end."""
        update, alpha = place
        last = max(u for u, _ in self.unknown if u <= update)
        return (last, alpha) if last else START


Rounds = Sequence[Sequence[Watched]]
"""The folds of each partition."""


def watch(
    material: Material, run: Training, watched: Watched, settled: Callable[[], None]
) -> Callable[[int], Evaluation]:
    """Return an evaluation on the rows that the fold holds, which fills ``watched`` as well.

    ``settled`` is called once the weights of a blend are in the model: it may fit its head.
    """
    task, passages = material.task, General(material)
    held = [material.known[i] for i in watched.fold.held]
    own = [material.known[i] for i in watched.fold.learnt]
    blends = sorted({a for a in material.plan.select.dial if 0 < a < 1})

    def look(place: Place) -> None:
        settled()
        watched.unknown[place] = task.outcomes(run.model, held)
        watched.learnt[place] = task.outcomes(run.model, own)
        watched.general[place] = passages.losses(run.model)

    def evaluate(update: int) -> Evaluation:
        look((update, 1.0))
        if update and blends:
            now = run.weights()
            for alpha in blends:
                restore_weights(run.model, run.method.blend(run.start, now, alpha))
                look((update, alpha))
            restore_weights(run.model, now)
        return evaluation(material, watched.unknown[update, 1.0], update)

    return evaluate


def rows_of(rounds: Rounds) -> list[int]:
    """Return the numbers of the known rows that are judged, ascending; once in each partition."""
    return sorted(row for one in rounds[0] for row in one.fold.held)


def unknown(material: Material, rounds: Rounds, place: Place) -> Outcomes:
    """Return what models that did not know them do on the rows, partition after partition.

    In each the rows stand in the order of ``rows_of``. A row has one group in all of them, so an
    interval does not take a repeat for another row.
    """
    rows = rows_of(rounds)
    groups = group_numbers([material.known[row].example.group for row in rows])
    parts = []
    for folds in rounds:
        order = [row for one in folds for row in one.fold.held]
        found = joined([one.unknown[one.reached(place)] for one in folds])
        parts.append(found.take(np.argsort(order)))
    return replace(joined(parts), groups=np.tile(groups, len(rounds)))


def learnt(rounds: Rounds, place: Place) -> Outcomes:
    """Return what models that were trained on them do on the rows, as far as they were asked."""
    return joined([one.learnt[one.reached(place)] for folds in rounds for one in folds])


def general(rounds: Rounds, place: Place) -> Floats | None:
    """Return the loss on each passage of general text in nats, the mean over all models."""
    found = [one.general[one.reached(place)] for folds in rounds for one in folds]
    asked = [losses for losses in found if losses is not None]
    return np.mean(asked, axis=0) if asked else None
