"""Stops after evaluations in a row without improvement; the best weights are kept."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fewtune.family import Options
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor

__all__ = ["EarlyStopping"]


class EarlyStoppingOptions(Options):
    """Options of ``early_stopping``."""

    patience: int = Field(4, ge=1, description="evaluations without improvement that are borne")
    least: float = Field(
        0.1,
        ge=0,
        description="least fall of the validation loss, in its standard errors; any gain of the "
        "headline improves too, and a generator's headline is that loss",
    )


class EarlyStopping(Monitor):
    """Patience counted in evaluations, not epochs; either loss or headline may improve.

    The validation loss improves where it falls below its last improvement by more than ``least``
    standard errors, the headline where it is better than ever before, by however little. Waiting
    for both to end matters: stopping on validation loss alone costs points of accuracy, which often
    still rises after the loss has turned. In generation the headline is the validation loss itself:
    there a new lowest loss improves whatever ``least`` is, and training stops once ``patience``
    evaluations in a row brought none.
    """

    Options = EarlyStoppingOptions

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return ``stop`` after ``patience`` evaluations in a row without improvement."""
        least = self.options.least * evaluation.error
        signed = evaluation.better * evaluation.headline
        lower = evaluation.loss < self.state.get("loss", float("inf")) - least
        higher = signed > self.state.get("headline", float("-inf"))
        if lower:
            self.state["loss"] = evaluation.loss
        if higher:
            self.state["headline"] = signed
        if lower or higher:
            self.state["waited"] = 0
            return GO
        self.state["waited"] = self.state.get("waited", 0) + 1
        if self.state["waited"] < self.options.patience:
            return GO
        return Advice(
            "stop",
            f"{self.state['waited']} evaluations without improvement: the validation loss is "
            f"{evaluation.loss:.4f}, its best was {self.state['loss']:.4f} "
            f"(least improvement {least:.4f})",
            float(self.state["waited"]),
        )
