"""How long and how fast a method trains whose rows are compared with each other."""

from __future__ import annotations

from fewtune.methods.base import METHODS
from fewtune.plan.plan import Effort, TrainingPlan

__all__ = [
    "COMPARED_EVALUATIONS",
    "COMPARED_ROWS",
    "CONTRASTIVE_DIAL",
    "CONTRASTIVE_UPDATES",
    "compared_training",
]

COMPARED_ROWS = 48
"""Rows of an update in which rows are compared: some two dozen classes at once."""

CONTRASTIVE_UPDATES = {"quick": 60, "normal": 120, "thorough": 120}
"""The loss is low after a few dozen updates; what more of them spoil the dial takes back."""

CONTRASTIVE_DIAL = (0.5, 1.0)
"""Between them the accuracy hardly changes, and every stand fits a head."""

COMPARED_EVALUATIONS = 1
"""Each fits a head, and none decides: the last weights are kept and dialled."""


def compared_training(
    method: str, parameters: int, task: str, effort: Effort, reasons: dict[str, str]
) -> TrainingPlan:
    """Return the settings of a method whose rows are compared with each other."""
    rate = METHODS.load(method)().rates(parameters, task)[1]
    reasons["training.learning_rate"] = (
        f"usual for {method}; the dial mends a rate that is too high"
    )
    reasons["training.updates"] = (
        "enough for the loss to settle, however many rows there are: pairs are many times the rows"
    )
    reasons["training.batch_size"] = "rows are compared within an update: small ones teach little"
    reasons["training.evaluations"] = (
        "each fits a head, and none decides: the last weights are kept and dialled"
    )
    return TrainingPlan(
        learning_rate=rate,
        updates=CONTRASTIVE_UPDATES[effort],
        batch_size=COMPARED_ROWS,
        evaluations=COMPARED_EVALUATIONS,
    )
