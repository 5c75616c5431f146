"""Partitions: the known rows in folds, as often as the plan repeats it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fewtune.data.folds import folds
from fewtune.measures.observe.spread import spread
from fewtune.select.material import Material

__all__ = ["MOST_LEARNT", "Fold", "partitions"]

MOST_LEARNT = 1000
"""Known rows that are read, in each partition, by a model that was trained on them as well. What a
model makes of its own rows is told by a thousand of them; of fewer each is read."""


@dataclass(frozen=True)
class Fold:
    """One fold, by numbers of known rows.

    Attributes
    ----------
    held
        Rows that are out of training and judge.
    rest
        Rows that train.
    learnt
        Rows of ``rest`` that its model is asked about too: those that the next fold holds, so that
        in one partition each row is read once unknown and once known.
    """

    held: tuple[int, ...]
    rest: tuple[int, ...]
    learnt: tuple[int, ...]


def partitions(material: Material) -> list[list[Fold]]:
    """Return the folds of each partition; ``select.repeats`` says how many partitions there are.

    The first has the plan's seed, each further one another. All hold the same rows.

    Raises
    ------
    DataError
        If there are fewer independent rows than folds.
    """

    def compute() -> list[list[Fold]]:
        first = material.folds()
        place = {row: number for number, row in enumerate(material.places)}
        seeds = [material.plan.seed + i for i in range(1, material.plan.select.repeats)]
        others = [folds(material.data, len(first), seed, material.places) for seed in seeds]
        numbered = [[tuple(place[row] for row in part) for part in parts] for parts in others]
        return [_folds(material, parts) for parts in (first, *numbered)]

    return material.once("partitions", compute)


def _folds(material: Material, parts: Sequence[Sequence[int]]) -> list[Fold]:
    judges, every = material.judges(), range(len(material.known))
    held = [tuple(row for row in part if judges[row]) for part in parts]
    most = -(-MOST_LEARNT // len(parts))
    found = []
    for number, part in enumerate(parts):
        after = held[(number + 1) % len(parts)]
        out = set(part)
        rest = tuple(row for row in every if row not in out)
        found.append(Fold(held[number], rest, tuple(after[i] for i in spread(most, len(after)))))
    return found
