"""The budget of a language model: what weights cost of general text, and what keeps within."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewtune.measures.observe.divergence import general_rows
from fewtune.select.material import Material
from fewtune.tasks.base import Row
from fewtune.tasks.generation import Generation

__all__ = ["GIVEN_UP", "NOT_ASKED", "General", "Rise", "within"]

Floats = NDArray[np.float64]

GIVEN_UP = 0.01
"""Most of the headline, as a share, that is given up for less forgetting."""

GIVEN_TO_KEEP = 0.05
"""Most of it that is given up to keep the budget: what breaks it is not shipped at all."""


@dataclass(frozen=True)
class Rise:
    """What weights cost on general text, as a share; ``None`` where that is not asked.

    ``error`` is its standard error over the passages, ``beyond`` whether it is surely beyond the
    budget.
    """

    value: float | None = None
    beyond: bool = False
    error: float = 0.0


NOT_ASKED = Rise()


class General:
    """The passages of general text that choose, as the base reads them.

    Nothing is read where the plan has no budget of general loss, or the task is no language.
    """

    def __init__(self, material: Material) -> None:
        self._bound = material.plan.budget.general_loss
        self._task = material.task
        self._rows: list[Row] = []
        if self._bound and isinstance(material.task, Generation):
            self._rows = general_rows(material.task, choosing=True)
            self._base = material.once(
                "losses of general text",
                lambda: material.task.outcomes(material.base(), self._rows).losses,
            )

    def losses(self, model: nn.Module) -> Floats | None:
        """Return a model's loss on each passage in nats; ``None`` where that is not asked."""
        return self._task.outcomes(model, self._rows).losses if self._rows else None

    def rise(self, losses: Floats | None) -> Rise:
        """Return what losses on the passages are above the base's."""
        if losses is None:
            return NOT_ASKED
        rise = float(losses.sum() / self._base.sum() - 1)
        # Standard error of a ratio of sums, by linearisation.
        error = float(np.sqrt(((losses - (1 + rise) * self._base) ** 2).sum()) / self._base.sum())
        return Rise(rise, rise - error > self._bound, error)


def within(values: Sequence[float], rises: Sequence[Rise]) -> list[int]:
    """Return which of several weights of one training may be kept, in their order.

    Those not far behind the best (``GIVEN_TO_KEEP``) that keep the budget; where none does, of
    those nearly as good as the best (``GIVEN_UP``) the one that costs least. Weights further behind
    would ship a model that hardly does its task; then the verdict says what the tuning costs.

    Parameters
    ----------
    values
        The headline of each, higher is better.
    rises
        What each costs. All are kept where that is not asked.
    """
    best = max(values)

    def cost(value: float, rise: Rise) -> float:
        if rise.value is None:
            return 0.0
        behind = best - value
        if not rise.beyond and behind <= GIVEN_TO_KEEP * abs(best):
            return 0.0
        return rise.value if rise.beyond and behind <= GIVEN_UP * abs(best) else math.inf

    costs = [cost(value, rise) for value, rise in zip(values, rises, strict=True)]
    return [place for place, one in enumerate(costs) if one == min(costs)]
