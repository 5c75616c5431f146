"""Stops at the first update whose loss or gradient is NaN or infinite; nothing of it is kept."""

from __future__ import annotations

import math
from typing import Any

from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor, Step

__all__ = ["Nonfinite"]


class Nonfinite(Monitor):
    """NaN never trains on: a weight that is NaN once is NaN in the result."""

    def after_step(self, run: Any, step: Step) -> Advice:
        """Return ``abort`` at a loss or gradient norm that is not finite."""
        for what, value in (("loss", step.loss), ("gradient norm", step.gradient_norm)):
            if not math.isfinite(value):
                return Advice("abort", f"the {what} is {value} at update {step.update}", value)
        return GO

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return ``abort`` at a validation loss that is not finite."""
        if not math.isfinite(evaluation.loss):
            return Advice(
                "abort",
                f"the validation loss is {evaluation.loss} at update {evaluation.update}",
                evaluation.loss,
            )
        return GO
