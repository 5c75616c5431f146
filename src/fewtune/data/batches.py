"""Which rows make each update, and how an update is cut into batches that fit.

An update's rows are a function of seed, epoch and lengths alone, so that a resumed run, another
number of processes or a smaller batch sees the same updates. Rows of like length meet in an update
(little padding), and the order of updates is random.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

__all__ = ["Balanced", "Order", "chunks"]

POOL = 16
"""Updates whose rows are drawn together and sorted by length; more is less padding, less random."""


class Order:
    """The rows of every update of a training, reproducible from the seed.

    Parameters
    ----------
    lengths
        Tokens of each row.
    size
        Rows of one update. The last update of an epoch may have fewer.
    seed
        Of the shuffle.

    Examples
    --------
    >>> order = Order([5, 9, 5, 9, 5], size=2, seed=0)
    >>> order.updates_per_epoch
    3
    >>> sorted(row for update in range(3) for row in order.rows(update))
    [0, 1, 2, 3, 4]
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self.lengths = lengths
        self.size = min(size, len(lengths))
        self.seed = seed
        self._epoch = -1
        self._updates: list[list[int]] = []

    @property
    def updates_per_epoch(self) -> int:
        """Number of updates in which every row comes once."""
        return -(-len(self.lengths) // self.size)

    def rows(self, update: int) -> list[int]:
        """Return the rows of the ``update``-th update (from 0) of the whole training."""
        epoch, place = divmod(update, self.updates_per_epoch)
        if epoch != self._epoch:
            self._updates = self._shuffled(epoch)
            self._epoch = epoch
        return self._updates[place]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        draw = random.Random(f"{self.seed}/{epoch}")
        rows = list(range(len(self.lengths)))
        draw.shuffle(rows)
        updates: list[list[int]] = []
        for start in range(0, len(rows), self.size * POOL):
            pool = sorted(rows[start : start + self.size * POOL], key=self.lengths.__getitem__)
            updates += [pool[i : i + self.size] for i in range(0, len(pool), self.size)]
        draw.shuffle(updates)
        return updates


class Balanced:
    """The rows of every update, as many of each class that comes; reproducible from the seed.

    Classes take turns in random rounds, and within a class its rows do, so that after some rounds
    every row of a class has come about as often as any other.

    Parameters
    ----------
    labels
        Class of each row.
    size
        Rows of one update; fewer where classes with fewer rows than ``each`` come.
    seed
        Of the turns.
    each
        Rows of a class in one update; more where there are too few classes to fill it.

    Examples
    --------
    >>> order = Balanced([0, 0, 1, 1, 2, 2], size=4, seed=0)
    >>> order.updates_per_epoch
    2
    >>> [len(order.rows(update)) for update in range(3)]
    [4, 4, 4]
    """

    def __init__(self, labels: Sequence[int], size: int, seed: int, each: int = 2) -> None:
        self._of: dict[int, list[int]] = {}
        for row, label in enumerate(labels):
            self._of.setdefault(label, []).append(row)
        self.size = min(size, len(labels))
        self.seed = seed
        self._classes = max(1, min(len(self._of), self.size // each))
        self._each = max(each, self.size // self._classes)
        self._count = len(labels)

    @property
    def updates_per_epoch(self) -> int:
        """Number of updates in which as many rows come as there are."""
        return -(-self._count // self.size)

    def rows(self, update: int) -> list[int]:
        """Return the rows of the ``update``-th update (from 0), one of each class at a time."""
        first = update * self._classes
        turns = [self._turn(turn) for turn in range(first, first + self._classes)]
        taken = [self._some(label, time) for label, time in turns]
        by_place = [rows[n] for n in range(self._each) for rows in taken if n < len(rows)]
        # A class can end one round and begin the next: a small one would meet itself.
        return list(dict.fromkeys(by_place))

    def _turn(self, turn: int) -> tuple[int, int]:
        """Return which class has a turn, and how many turns it had before."""
        time, place = divmod(turn, len(self._of))
        labels = sorted(self._of)
        random.Random(f"{self.seed}/classes/{time}").shuffle(labels)
        return labels[place], time

    def _some(self, label: int, time: int) -> list[int]:
        """Return the rows of a class for one of its turns."""
        rows = self._of[label][:]
        again, place = divmod(time * self._each, len(rows))
        random.Random(f"{self.seed}/{label}/{again}").shuffle(rows)
        return (rows[place:] + rows[:place])[: self._each]


def chunks(
    rows: Sequence[int], lengths: Sequence[int], budget: int, most: int = 0
) -> Iterator[list[int]]:
    """Yield ``rows`` in batches whose padded size stays within ``budget`` tokens.

    Parameters
    ----------
    rows
        Row numbers; they are taken longest first, so a batch pads little.
    lengths
        Tokens of every row of the data, by row number.
    budget
        Most tokens of a batch, padding included. A single longer row is a batch of its own.
    most
        Most rows of a batch; 0 for no such bound.

    Examples
    --------
    >>> list(chunks([0, 1, 2], [4, 10, 5], budget=10))
    [[1], [2, 0]]
    """
    batch: list[int] = []
    widest = 0
    for row in sorted(rows, key=lambda r: -lengths[r]):
        wide = max(widest, lengths[row])
        if batch and (wide * (len(batch) + 1) > budget or (most and len(batch) == most)):
            yield batch
            batch, wide = [], lengths[row]
        batch.append(row)
        widest = wide
    if batch:
        yield batch
