"""L1 to the base: pulls every weight back to its value in the base by the same force."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fewtune.family import Options
from fewtune.regularizers._changes import NO_BASE, Changes
from fewtune.regularizers.base import Regularizer, Running

__all__ = ["L1"]


class L1Options(Options):
    """Options of ``l1``."""

    strength: float = Field(1e-3, gt=0, description="times the sum of absolute changes")


class L1(Regularizer):
    """Adds strength · Σ |θ − θ₀| to the loss: weights that help little stay at the base.

    For LoRA the sum is over the change of the adapted weights.
    """

    Options = L1Options
    refuses = NO_BASE

    def start(self, run: Running) -> None:
        """Find the weights that train."""
        self._changes = Changes(run)

    def penalty(self, run: Running) -> Tensor:
        """Return strength · Σ |θ − θ₀|, whose slope at no change is 0."""
        strength: float = self.options.strength
        return strength * self._changes.sum(lambda _, c: c.abs().sum())
