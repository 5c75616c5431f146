"""What a model did on each row: the one input of every measure. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outcomes", "group_numbers", "joined"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """A model's answers on rows, in the order of the rows.

    Attributes
    ----------
    sources
        ``file:line`` of each row.
    groups
        Group number of each row; an interval resamples groups, since rows of one group go together.
    losses
        Negative log-likelihood of each row's target in nats, summed over its units.
    units
        Supervised units of each row: tokens for generation, 1 for classification.
    bytes
        UTF-8 bytes of each target; zeros for classification.
    truth
        Class number of each row; empty for generation.
    probabilities
        Rows × classes; of shape (0, 0) for generation.
    labels
        Name of each class; empty for generation.
    """

    sources: tuple[str, ...]
    groups: Ints
    losses: Floats
    units: Ints
    bytes: Ints
    truth: Ints
    probabilities: Floats
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def predicted(self) -> Ints:
        """Class number that the model holds most likely, for each row."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def take(self, rows: Sequence[int] | Ints) -> Outcomes:
        """Return the outcomes of some rows only."""
        at = np.asarray(rows, dtype=np.int64)
        some: dict[str, Any] = {
            name: getattr(self, name)[at] for name in ("groups", "losses", "units", "bytes")
        }
        classified = len(self.truth) > 0
        return Outcomes(
            sources=tuple(self.sources[i] for i in at),
            truth=self.truth[at] if classified else self.truth,
            probabilities=self.probabilities[at] if classified else self.probabilities,
            labels=self.labels,
            **some,
        )


def group_numbers(groups: Sequence[str]) -> Ints:
    """Return a number for each row, equal where groups are; an empty name is a group of its own.

    Examples
    --------
    >>> group_numbers(["a", "", "a", ""]).tolist()
    [0, 1, 0, 2]
    """
    known: dict[str, int] = {}
    numbers = [
        known.setdefault(name or f"\0{place}", len(known)) for place, name in enumerate(groups)
    ]
    return np.asarray(numbers, dtype=np.int64)


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of several sets of rows one after the other.

    Groups that have one number in two parts are taken for different ones.
    """
    shift = np.cumsum([0, *(int(part.groups.max()) + 1 if len(part) else 0 for part in parts)])
    groups = [part.groups + at for part, at in zip(parts, shift, strict=False)]
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("losses", "units", "bytes", "truth", "probabilities")
    }
    return Outcomes(
        sources=tuple(source for part in parts for source in part.sources),
        groups=np.concatenate(groups),
        labels=parts[0].labels,
        **whole,
    )
