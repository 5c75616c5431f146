"""The dial: how far from base (0) to tuned (1) the model stands, chosen on validation rows.

θ = (1 − α)·base + α·tuned (WiSE-FT, 2109.01903); for LoRA the adapter's scale. Nothing is trained
again. The dial stays at 1 where no blend is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fewtune.records import Score
from fewtune.select.budget import GIVEN_UP, NOT_ASKED, General, Rise, within
from fewtune.select.material import Material
from fewtune.select.near import stays, surest
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.agreement import first_says
from fewtune.train.checkpoint import restore_weights
from fewtune.train.run import Training

__all__ = ["GIVEN_UP", "NOT_ASKED", "Dialled", "Rise", "Stand", "tell", "turn"]


@dataclass(frozen=True)
class Stand:
    """One stand of the dial: α, what the model does there, its headline, and what it costs."""

    alpha: float
    outcomes: Outcomes
    score: Score
    rise: Rise = NOT_ASKED


@dataclass(frozen=True)
class Dialled:
    """Where the dial stands, what the model does there on validation rows, and what tuning costs.

    ``rise`` is that of the whole tuning, the dial at 1; ``kept_rise`` that of the blend that stays.
    """

    alpha: float
    outcomes: Outcomes
    rise: Rise = NOT_ASKED
    kept_rise: Rise = NOT_ASKED


def turn(material: Material, run: Training, settled: Callable[[], None] = lambda: None) -> Dialled:
    """Sweep the blends of the plan, leave the model at the best, and journal the curve.

    The best is the one with the better headline measure; for a classifier, of those not
    surely behind it, the one whose loss is lowest at its best temperature (``near.surest``); but
    a classifier stays at 1 before a blend that is not surely better (``near.stays``).
    For a language model, of blends that are not far behind the best those that keep within the
    plan's budget of general loss come first (``budget.within``).
    ``settled`` is called once the weights of a blend are in the model: it may fit its head.
    """
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    general = General(material)
    seen = []
    for alpha in sorted({*material.plan.select.dial, 1.0}):
        restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
        settled()
        outcomes = material.task.outcomes(run.model, material.validation)
        rise = general.rise(general.losses(run.model))
        seen.append(Stand(alpha, outcomes, measure.of(outcomes), rise))

    kept = within([sign * one.score.value for one in seen], [one.rise for one in seen])
    left = [seen[place] for place in kept]
    place = surest(measure, [one.outcomes for one in left])
    tuned, blend = left[-1].outcomes, left[place].outcomes
    if tuned.labels and stays(measure, tuned, blend, few=not run.method.solves_after):
        place = len(left) - 1
    stand = left[first_says(material.accelerator, place)]
    tell(material, run.stage, run.update, seen, stand.alpha)
    restore_weights(run.model, run.method.blend(run.start, run.best, stand.alpha))
    settled()
    return Dialled(stand.alpha, stand.outcomes, seen[-1].rise, stand.rise)


def tell(
    material: Material, stage: str, update: int, stands: Iterable[Stand], chosen: float
) -> None:
    """Journal the curve of the dial, from which the report draws it."""
    for one in stands:
        rise = {"general_loss": one.rise.value, "beyond": one.rise.beyond}
        material.journal.write(
            "dial",
            stage,
            update,
            alpha=one.alpha,
            value=one.score.value,
            low=one.score.low,
            high=one.score.high,
            loss=float(one.outcomes.losses.sum() / one.outcomes.units.sum()),
            chosen=one.alpha == chosen,
            **({} if one.rise.value is None else rise),
        )
