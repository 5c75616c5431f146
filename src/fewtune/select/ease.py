"""Easing: a refit whose trial forgot next to nothing and learnt nearly all is held less."""

from __future__ import annotations

from collections.abc import Sequence

from fewtune.plan.plan import Part, Plan
from fewtune.select.candidates import held_by
from fewtune.select.trials import Trial

__all__ = ["AIMED_AT", "eased", "slack"]

LITTLE = 0.01
"""Rise of the loss on general text, as a share, that is next to nothing, however large the budget:
the hold is what keeps it small, so a larger rise is no reason to weaken it."""

LEARNT = 0.05
"""Share of the base's loss on the validation rows that is left where nearly all was learnt."""

AIMED_AT = 0.75
"""Share of that, or of a smaller budget, which an eased refit may spend: its rise is foretold from
other passages, of a model that was trained on fewer rows."""


def slack(trial: Trial, plan: Plan) -> float:
    """Return how many times weaker the trial's refit may be held; 1 for as hard as the trial.

    What is lost grows about as the hold is weakened: half of it lost 1.5 and 2.2 times as much on a
    development draw. Where little of the loss is left, as of facts that are asked again, what it
    says to the weights is small beside what the hold says: a quarter of it left a third of that
    loss. Elsewhere the hold keeps a model from learning by heart, and a quarter of it cost 5% of
    the target where the trial had learnt to its end, and more where it turned worse before
    (benchmarks/LOG.md). ``select.ease`` is the largest answer.
    """
    budget, most = plan.budget.general_loss, plan.select.ease
    if not plan.select.refit or trial.rise.value is None:
        return 1.0
    if not budget or not held_by(trial.candidate.regularizers):
        return 1.0
    if trial.turned or not _nearly_all_learnt(trial):
        return 1.0
    aim = AIMED_AT * min(budget, LITTLE)
    # A few dozen passages tell a small rise no better than to their standard error.
    lost = trial.rise.value + trial.rise.error
    return most if lost * most <= aim else max(1.0, aim / lost)


def _nearly_all_learnt(trial: Trial) -> bool:
    losses = [evaluation.loss for evaluation in trial.evaluations]
    return bool(losses) and min(losses) <= LEARNT * losses[0]


def eased(regularizers: Sequence[Part], times: float) -> tuple[Part, ...]:
    """Return the regularizers, ``kl_to_base`` with so many times less weight."""
    weight = held_by(regularizers) / times
    return tuple(
        part.model_copy(update={"options": part.options | {"weight": weight}})
        if part.name == "kl_to_base"
        else part
        for part in regularizers
    )
