"""Counts: what a training plan comes to on a number of rows, told before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fewtune.errors import PlanError
from fewtune.plan.plan import TrainingPlan

__all__ = ["Counts", "counts"]


@dataclass(frozen=True)
class Counts:
    """What a training plan comes to on a number of rows, told before anything runs."""

    rows: int
    updates: int
    updates_per_epoch: int
    epochs: float
    warmup_updates: int
    evaluate_every: int
    evaluations: int

    def sentence(self) -> str:
        """Return the counts in words."""
        return (
            f"{self.rows} rows, {self.updates} updates ({self.epochs:.1f} epochs), "
            f"warm-up {self.warmup_updates}, {self._evaluations()}"
        )

    def _evaluations(self) -> str:
        if self.evaluations == 1:
            return "evaluated at its end"
        return f"{self.evaluations} evaluations (every {self.evaluate_every} updates)"


def counts(training: TrainingPlan, rows: int) -> Counts:
    """Return the counts of a training plan on ``rows`` rows.

    Raises
    ------
    PlanError
        If the plan would never evaluate, or never leave warm-up.
    """
    if training.evaluations > training.updates:
        raise PlanError(
            f"at most one evaluation an update ({training.updates} updates)",
            f"{training.evaluations} evaluations",
            "training.evaluations",
            "Plan more updates or fewer evaluations",
        )
    warmup = round(training.warmup * training.updates)
    if warmup >= training.updates:
        raise PlanError(
            "a warm-up that ends before training does",
            f"{warmup} of {training.updates} updates",
            "training.warmup",
            "Plan more updates or a smaller share",
        )
    every = math.ceil(training.updates / training.evaluations)
    size = min(training.batch_size, rows)
    per_epoch = math.ceil(rows / size)
    return Counts(
        rows=rows,
        updates=training.updates,
        updates_per_epoch=per_epoch,
        epochs=training.updates / per_epoch,
        warmup_updates=warmup,
        evaluate_every=every,
        evaluations=math.ceil(training.updates / every),
    )
