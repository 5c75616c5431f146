"""The cheaper methods that are tried beside the plan's own, and how they train."""

from __future__ import annotations

from fewtune.methods.base import METHODS
from fewtune.plan.compared import (
    COMPARED_EVALUATIONS,
    COMPARED_ROWS,
    CONTRASTIVE_UPDATES,
    compared_options,
)
from fewtune.plan.plan import Part, Plan, TrainingPlan

__all__ = ["rung_training", "rungs_below"]


def rungs_below(
    method: str, contrast: bool, rows: int, per_class: float, reasons: dict[str, str]
) -> list[Part]:
    """Return what a classifier of texts is tried with beside ``method``, cheapest first.

    Parameters
    ----------
    method
        The plan's own.
    contrast
        Whether contrastive tuning may be among them.
    rows, per_class
        Training rows in all and of a class, about.
    reasons
        Why, which is added here.
    """
    reasons["select.rungs"] = (
        "a head on frozen states costs seconds and forgets nothing; tuning has to beat it"
    )
    rungs = [Part(name="head")]
    if contrast and method != "contrastive":
        options, deeper = compared_options(rows, per_class)
        rungs.append(Part(name="contrastive", options=options))
        few = deeper or f"about {per_class:.0f} training rows a class"
        reasons["select.rungs"] += f"; so has contrastive tuning, good with {few}"
    return rungs


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
