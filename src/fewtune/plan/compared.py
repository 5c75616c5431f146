"""How long and how fast a method trains whose rows are compared with each other."""

from __future__ import annotations

from typing import Any

from fewtune.methods.base import METHODS
from fewtune.plan.plan import Effort, TrainingPlan

__all__ = [
    "COMPARED_EVALUATIONS",
    "COMPARED_ROWS",
    "CONTRASTIVE_DIAL",
    "CONTRASTIVE_UPDATES",
    "compared_options",
    "compared_training",
]

COMPARED_ROWS = 48
"""Rows of an update in which rows are compared: some two dozen classes at once."""

CONTRASTIVE_UPDATES = {"quick": 60, "normal": 120, "thorough": 120}
"""The loss is low after a few dozen updates; what more of them spoil the dial takes back."""

MANY_PER_CLASS = 10
"""Training rows a class from which there is more to learn, and lower down. On development rows half
of the blocks for 90 updates were 2 points better with 43 on the front desk (six draws), 1.2 with 13
on Banking77 (one draw; 0.1 on its test rows), and no better with 6 (benchmarks/LOG.md)."""

MANY_ROWS = 360
"""Training rows from which that is so, however few their classes are: 60 updates show each of them
eight times or less. With 80 to 126 rows of two to seven classes the last third for 60 updates had
the lower loss in four of five draws, in two thirds of the time (benchmarks/LOG.md)."""

DEEPER_SHARE = 0.5
"""Share of the blocks that train then."""

LONGER = 1.5
"""Times the updates of ``quick`` that are made then; more effort makes more anyway."""

CONTRASTIVE_DIAL = (0.5, 1.0)
"""Between them the accuracy hardly changes, and every stand fits a head."""

COMPARED_EVALUATIONS = 1
"""Each fits a head, and none decides: the last weights are kept and dialled."""


def compared_options(rows: int, per_class: float) -> tuple[dict[str, Any], str]:
    """Return the options of contrastive tuning with so many training rows, and why."""
    if not _plenty(rows, per_class):
        return {}, ""
    return {"share": DEEPER_SHARE}, (
        f"about {rows:,} training rows, {per_class:.0f} a class ({MANY_ROWS} and {MANY_PER_CLASS} "
        "or more): enough to teach half of the blocks, where fewer teach the last third"
    )


def _plenty(rows: int, per_class: float) -> bool:
    return rows >= MANY_ROWS and per_class >= MANY_PER_CLASS


def compared_training(
    method: str,
    rows: int,
    per_class: float,
    parameters: int,
    task: str,
    effort: Effort,
    reasons: dict[str, str],
) -> TrainingPlan:
    """Return the settings of a method whose rows are compared with each other."""
    rate = METHODS.load(method)().rates(parameters, task)[1]
    reasons["training.learning_rate"] = (
        f"usual for {method}; the dial mends a rate that is too high"
    )
    reasons["training.batch_size"] = "rows are compared within an update: small ones teach little"
    reasons["training.evaluations"] = (
        "each fits a head, and none decides: the last weights are kept and dialled"
    )
    reasons["training.updates"] = "enough for the loss to settle: pairs are many times the rows"
    updates = CONTRASTIVE_UPDATES[effort]
    if effort == "quick" and _plenty(rows, per_class):
        updates = round(LONGER * updates)
        reasons["training.updates"] = (
            f"enough for the loss to settle with about {rows:,} rows, {per_class:.0f} a class"
        )
    return TrainingPlan(
        learning_rate=rate,
        updates=updates,
        batch_size=COMPARED_ROWS,
        evaluations=COMPARED_EVALUATIONS,
    )
