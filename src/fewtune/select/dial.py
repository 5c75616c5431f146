"""The dial: how far from base (0) to tuned (1) the model stands, chosen on validation rows.

θ = (1 − α)·base + α·tuned (WiSE-FT, 2109.01903); for LoRA the adapter's scale. Nothing is trained
again. The dial stays at 1 where no blend is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewtune.select.material import Material
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.checkpoint import restore_weights
from fewtune.train.run import Training

__all__ = ["Dialled", "turn"]


@dataclass(frozen=True)
class Dialled:
    """Where the dial stands and what the model does there on the validation rows."""

    alpha: float
    outcomes: Outcomes


def turn(material: Material, run: Training, settled: Callable[[], None] = lambda: None) -> Dialled:
    """Sweep the blends of the plan, leave the model at the best, and journal the curve.

    The best is the one with the better headline measure; of equals the one with the lower loss.
    ``settled`` is called once the weights of a blend are in the model: it may fit its head.
    """
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    seen = []
    for alpha in sorted({*material.plan.select.dial, 1.0}):
        restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
        settled()
        outcomes = material.task.outcomes(run.model, material.validation)
        seen.append((alpha, outcomes, measure.of(outcomes)))
    alpha, outcomes, _ = max(seen, key=lambda s: (sign * s[2].value, -s[1].losses.sum(), s[0]))
    for at, found, score in seen:
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
        )
    restore_weights(run.model, run.method.blend(run.start, run.best, alpha))
    settled()
    return Dialled(alpha, outcomes)
