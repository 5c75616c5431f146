"""Greedy answers of base and tuned to the same prompts, beside what should be written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Written"]


@dataclass(frozen=True)
class Written:
    """What two models answer to the prompts of test rows.

    Attributes
    ----------
    groups
        Group number of each row.
    targets
        What the rows have for an answer.
    base, tuned
        The likeliest answers of the two models.
    """

    groups: NDArray[np.int64]
    targets: tuple[str, ...]
    base: tuple[str, ...]
    tuned: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)
