"""The dial: how far from base (0) to tuned (1) the model stands, chosen on validation rows.

θ = (1 − α)·base + α·tuned (WiSE-FT, 2109.01903); for LoRA the adapter's scale. Nothing is trained
again. The dial stays at 1 where no blend is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewtune.measures.observe.divergence import general_rows
from fewtune.records import Score
from fewtune.select.material import Material
from fewtune.select.near import stays, surest
from fewtune.tasks.base import Row
from fewtune.tasks.generation import Generation
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.agreement import first_says
from fewtune.train.checkpoint import restore_weights
from fewtune.train.run import Training

__all__ = ["GIVEN_UP", "NOT_ASKED", "Dialled", "Rise", "turn"]


GIVEN_UP = 0.01
"""Most of the headline, as a share, that is given up for less forgetting."""

GIVEN_TO_KEEP = 0.05
"""Most of it that is given up to keep the budget: what breaks it is not shipped at all."""


@dataclass(frozen=True)
class Rise:
    """What a blend costs on general text, as a share; ``None`` where that is not asked.

    ``error`` is its standard error over the passages, ``beyond`` whether it is surely beyond the
    budget.
    """

    value: float | None = None
    beyond: bool = False
    error: float = 0.0


NOT_ASKED = Rise()


@dataclass(frozen=True)
class Dialled:
    """Where the dial stands, what the model does there on validation rows, and what tuning costs.

    ``rise`` is that of the whole tuning, the dial at 1.
    """

    alpha: float
    outcomes: Outcomes
    rise: Rise = NOT_ASKED


def turn(material: Material, run: Training, settled: Callable[[], None] = lambda: None) -> Dialled:
    """Sweep the blends of the plan, leave the model at the best, and journal the curve.

    The best is the one with the better headline measure; for a classifier, of those not
    surely behind it, the one whose loss is lowest at its best temperature (``near.surest``); but
    a classifier stays at 1 before a blend that is not surely better (``near.stays``).
    For a language model, of blends that are not far behind the best (``GIVEN_TO_KEEP``) those that
    keep within the plan's budget of general loss come first, and where none does, of those nearly
    as good as the best (``GIVEN_UP``) the one that costs least. A blend further back would ship a
    model that hardly does its task; then the verdict says what the tuning costs.
    ``settled`` is called once the weights of a blend are in the model: it may fit its head.
    """
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    general = _General(material)
    seen = []
    for alpha in sorted({*material.plan.select.dial, 1.0}):
        restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
        settled()
        outcomes = material.task.outcomes(run.model, material.validation)
        seen.append((alpha, outcomes, measure.of(outcomes), general.rise(run)))

    best = max(sign * score.value for _, _, score, _ in seen)

    def cost(found: tuple[float, Outcomes, Score, Rise]) -> float:
        _, _, score, rise = found
        if rise.value is None:
            return 0.0
        behind = best - sign * score.value
        if not rise.beyond and behind <= GIVEN_TO_KEEP * abs(best):
            return 0.0
        return rise.value if rise.beyond and behind <= GIVEN_UP * abs(best) else math.inf

    least = min(cost(one) for one in seen)
    left = [one for one in seen if cost(one) == least]
    place = surest(measure, [one[1] for one in left])
    tuned, blend = left[-1][1], left[place][1]
    if tuned.labels and stays(measure, tuned, blend, few=not run.method.solves_after):
        place = len(left) - 1
    alpha, outcomes, _, _ = left[first_says(material.accelerator, place)]
    for at, found, score, rise in seen:
        material.journal.write(
            "dial",
            run.stage,
            run.update,
            alpha=at,
            value=score.value,
            low=score.low,
            high=score.high,
            loss=float(found.losses.sum() / found.units.sum()),
            chosen=at == alpha,
            **({} if rise.value is None else {"general_loss": rise.value, "beyond": rise.beyond}),
        )
    restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
    settled()
    return Dialled(alpha, outcomes, rise=seen[-1][3])


class _General:
    """General text under the base, to compare blends with."""

    def __init__(self, material: Material) -> None:
        self._bound = material.plan.budget.general_loss
        self._rows: list[Row] = []
        if self._bound and isinstance(material.task, Generation):
            self._rows = general_rows(material.task, choosing=True)
            self._base = material.once(
                "losses of general text",
                lambda: material.task.outcomes(material.base(), self._rows).losses,
            )

    def rise(self, run: Training) -> Rise:
        """Return what the model's present weights cost."""
        if not self._rows:
            return NOT_ASKED
        losses = run.task.outcomes(run.model, self._rows).losses
        rise = float(losses.sum() / self._base.sum() - 1)
        # Standard error of a ratio of sums, by linearisation.
        error = float(np.sqrt(((losses - (1 + rise) * self._base) ** 2).sum()) / self._base.sum())
        return Rise(rise, rise - error > self._bound, error)
