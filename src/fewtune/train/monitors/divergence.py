"""Stops when the training loss climbs far above where it has been: the rate is too high."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fewtune.family import Options
from fewtune.train.monitors.base import GO, Advice, Monitor, Step

__all__ = ["Divergence"]


class DivergenceOptions(Options):
    """Options of ``divergence``."""

    factor: float = Field(2.0, gt=1, description="smoothed loss over its minimum that alarms")
    window: int = Field(20, ge=2, description="updates over which the loss is smoothed")


class Divergence(Monitor):
    """The mean loss of a window of updates against the lowest such mean so far.

    A window, because single updates are noisy; also against the first window, because a run that
    diverges from the start has no low point to compare with.
    """

    Options = DivergenceOptions

    def after_step(self, run: Any, step: Step) -> Advice:
        """Return ``roll back`` when the smoothed loss exceeds ``factor`` × its minimum + 0.5."""
        window: list[float] = self.state.setdefault("window", [])
        window.append(step.loss)
        if len(window) < self.options.window:
            return GO
        del window[: -self.options.window]
        mean = sum(window) / len(window)
        lowest = min(mean, self.state.get("lowest", mean))
        self.state["lowest"] = lowest
        # The constant keeps a loss near zero, where ratios mean nothing, from alarming.
        if mean > self.options.factor * lowest + 0.5:
            return Advice(
                "roll back",
                f"the training loss rose from {lowest:.3f} to {mean:.3f} "
                f"(means of {len(window)} updates): the learning rate is too high",
                mean / max(lowest, 1e-9),
            )
        return GO
