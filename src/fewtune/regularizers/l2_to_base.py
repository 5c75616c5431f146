"""L2-SP: pulls every weight back to its value in the base, in proportion to how far it went."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fewtune.family import Options
from fewtune.regularizers._changes import NO_BASE, Changes
from fewtune.regularizers.base import Regularizer, Running

__all__ = ["L2ToBase"]


class L2ToBaseOptions(Options):
    """Options of ``l2_to_base``."""

    strength: float = Field(1.0, gt=0, description="half of it times the squared distance")


class L2ToBase(Regularizer):
    """Adds strength / 2 · Σ (θ − θ₀)² to the loss (1802.01483).

    Plain weight decay pulls towards zero, which is not where the base is. For LoRA the sum is over
    the change of the adapted weights.
    """

    Options = L2ToBaseOptions
    refuses = NO_BASE

    def start(self, run: Running) -> None:
        """Find the weights that train."""
        self._changes = Changes(run)

    def penalty(self, run: Running) -> Tensor:
        """Return strength / 2 · Σ (θ − θ₀)²."""
        strength: float = self.options.strength
        return strength / 2 * self._changes.sum(lambda _, c: c.square().sum())
