"""A regularizer of a user's own, named in plans as ``poison:Poison``: its penalty becomes NaN."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field

from fewtune.family import Options
from fewtune.regularizers.base import Regularizer


class PoisonOptions(Options):
    update: int = Field(3, ge=1, description="update whose loss becomes NaN")


class Poison(Regularizer):
    Options = PoisonOptions

    def penalty(self, run: Any) -> torch.Tensor | None:
        wrong = run.update + 1 == self.options.update
        return torch.tensor(float("nan") if wrong else 0.0)
