"""How long and how fast a method trains that is tried beside the plan's own."""

from __future__ import annotations

from fewtune.methods.base import METHODS
from fewtune.plan.compared import COMPARED_EVALUATIONS, COMPARED_ROWS, CONTRASTIVE_UPDATES
from fewtune.plan.plan import Plan, TrainingPlan

__all__ = ["rung_training"]


def rung_training(plan: Plan, rung: str) -> TrainingPlan:
    """Return the loop's settings for a method of ``select.rungs``: the plan's, at its own rate.

    A method whose rows are compared has its own number and size of updates too.
    """
    own, other = METHODS.load(plan.method.name), METHODS.load(rung)
    scaled = plan.training.learning_rate * other.rate_factor / own.rate_factor
    changes: dict[str, object] = {"learning_rate": min(float(f"{scaled:.1e}"), 1.0)}
    if other.compares and not own.compares:
        changes |= {
            "updates": CONTRASTIVE_UPDATES[plan.effort],
            "batch_size": COMPARED_ROWS,
            "evaluations": COMPARED_EVALUATIONS,
            # Cut, an update of compared rows is computed twice.
            "tokens_per_batch": TrainingPlan().tokens_per_batch,
        }
    return plan.training.model_copy(update=changes)
