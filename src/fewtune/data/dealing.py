"""Which part a row goes to: a draw from its content, unless a part runs off its share."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

__all__ = ["TEST", "TRAIN", "VALIDATION", "Dealer", "uniform"]

TRAIN, VALIDATION, TEST = 0, 1, 2

LABEL_SLACK = 1.0
"""Rows by which a part may be off its share of a label before that overrules draws."""

ALL_SLACK, ALL_SLACK_SHARE = 3.0, 0.01
"""The same over all labels: rows, or a share of them if that is more."""


def uniform(seed: int, *names: object) -> float:
    """Return a number from 0 to below 1 that depends on nothing but the seed and the names."""
    text = "\x1f".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


class Dealer:
    """Deals rows to parts in file order, within each label and over all of them by share."""

    def __init__(self, shares: Sequence[float], seed: int) -> None:
        self._shares = shares
        self._seed = seed
        self._label_rows: dict[str, Counter[int]] = defaultdict(Counter)
        self._all: Counter[int] = Counter()
        self._units = 0

    def take(self, label: str, part: int) -> None:
        """Count one more row."""
        self._label_rows[label][part] += 1
        self._all[part] += 1

    def move(self, label: str, old: int, new: int) -> None:
        """Count a row elsewhere."""
        self._label_rows[label][old] -= 1
        self._all[old] -= 1
        self.take(label, new)

    def choose(self, label: str, anchor: str) -> int:
        """Return the part of a row that is linked to none before it."""
        rows = self._label_rows[label]
        count = sum(rows.values()) + 1
        if count == 1:
            self._units += 1
            return TRAIN
        total = sum(self._all.values()) + 1
        # Where rows come in groups, being behind by a group is what being behind by a row is else.
        group = total / (self._units + 1)
        slack_all = max(ALL_SLACK * group, ALL_SLACK_SHARE * total)
        slack = LABEL_SLACK * group
        self._units += 1
        behind = [share * count - rows[part] for part, share in enumerate(self._shares)]
        behind_all = [share * total - self._all[part] for part, share in enumerate(self._shares)]
        most = max(range(3), key=lambda part: behind[part])
        if behind[most] > slack:
            return most
        allowed = [p for p in range(3) if self._shares[p] > 0 and behind[p] >= 1 - slack]
        late = [p for p in allowed if behind_all[p] > slack_all]
        if late:
            return max(late, key=lambda part: behind_all[part])
        drawn = self._draw(anchor)
        if drawn in allowed:
            return drawn
        return max(allowed, key=lambda part: behind[part]) if allowed else most

    def _draw(self, anchor: str) -> int:
        """Return a part by share, from nothing but the seed and the row itself."""
        number = uniform(self._seed, anchor)
        if number < self._shares[TEST]:
            return TEST
        return VALIDATION if number < self._shares[TEST] + self._shares[VALIDATION] else TRAIN
