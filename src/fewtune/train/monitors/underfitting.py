"""Warns when training moves nothing: the learning rate is too low, or nothing can train."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fewtune.family import Options
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor, Step

__all__ = ["Underfitting"]


class UnderfittingOptions(Options):
    """Options of ``underfitting``."""

    after: float = Field(0.5, gt=0, le=1, description="share of the updates after which to look")
    least: float = Field(
        0.02, gt=0, description="change of the losses, as a share, below which nothing moved"
    )


class Underfitting(Monitor):
    """Compares the losses with those of the start, half way through.

    Both must stand still: the training loss of the last quarter of the updates against the first,
    and the validation loss against the start's. A loss near zero has nowhere to go and is no alarm.
    """

    Options = UnderfittingOptions

    def after_step(self, run: Any, step: Step) -> Advice:
        """Keep the training losses."""
        self.state.setdefault("losses", []).append(step.loss)
        return GO

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return ``warn``, once, when both losses stand still."""
        losses: list[float] = self.state.get("losses", [])
        if evaluation.update < self.options.after * run.updates or self.state.get("told"):
            return GO
        if len(losses) < 8 or len(run.evaluations) < 2:
            return GO
        quarter = len(losses) // 4
        first, last = _mean(losses[:quarter]), _mean(losses[-quarter:])
        start = run.evaluations[0].loss
        still = self.options.least
        trained = abs(last - first) <= max(still * first, _noise(losses[:quarter]))
        judged = abs(evaluation.loss - start) <= still * start
        if not (trained and judged) or first < 0.05:
            return GO
        self.state["told"] = True
        return Advice(
            "warn",
            f"nothing moved: after {evaluation.update} of {run.updates} updates the validation "
            f"loss is {evaluation.loss:.4f}, at the start it was {start:.4f}; the training loss "
            f"went from {first:.4f} to {last:.4f}: the learning rate {run.plan.learning_rate:g} "
            "is too low, or what trains cannot change the answers",
            evaluation.loss - start,
        )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _noise(values: list[float]) -> float:
    """Return the standard error of the mean."""
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    squares = sum((value - mean) ** 2 for value in values)
    return float((squares / (len(values) - 1) / len(values)) ** 0.5)
