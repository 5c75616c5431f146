"""Easing: a refit whose trial forgot next to nothing is held to its base by so much less."""

from __future__ import annotations

from collections.abc import Sequence

from fewtune.plan.plan import Part, Plan
from fewtune.select.candidates import held_by
from fewtune.select.trials import Trial

__all__ = ["AIMED_AT", "eased", "slack"]

LITTLE = 0.01
"""Rise of the loss on general text, as a share, that is next to nothing, however large the budget:
the hold is what keeps it small, so a larger rise is no reason to weaken it."""

AIMED_AT = 0.75
"""Share of that, or of a smaller budget, which an eased refit may spend: its rise is foretold from
other passages, of a model that was trained on fewer rows."""


def slack(trial: Trial, plan: Plan) -> float:
    """Return how many times weaker the trial's refit may be held; 1 for as hard as the trial.

    What is lost grows about as the hold is weakened: half of it lost 1.5 and 2.2 times as much on a
    development draw (benchmarks/LOG.md). ``select.ease`` is the largest answer.
    """
    budget, most = plan.budget.general_loss, plan.select.ease
    if not plan.select.refit or trial.rise is None:
        return 1.0
    if not budget or not held_by(trial.candidate.regularizers):
        return 1.0
    aim = AIMED_AT * min(budget, LITTLE)
    return most if trial.rise * most <= aim else max(1.0, aim / trial.rise)


def eased(regularizers: Sequence[Part], times: float) -> tuple[Part, ...]:
    """Return the regularizers, ``kl_to_base`` with so many times less weight."""
    weight = held_by(regularizers) / times
    return tuple(
        part.model_copy(update={"options": part.options | {"weight": weight}})
        if part.name == "kl_to_base"
        else part
        for part in regularizers
    )
