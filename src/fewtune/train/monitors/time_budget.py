"""Stops when the time allowed is over; what was learned until then is judged and kept."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fewtune.family import Options
from fewtune.train.agreement import anywhere
from fewtune.train.monitors.base import GO, Advice, Monitor, Step

__all__ = ["TimeBudget"]


class TimeBudgetOptions(Options):
    """Options of ``time_budget``."""

    seconds: float = Field(
        600.0, gt=0, description="time for each training, its pauses not counted"
    )


class TimeBudget(Monitor):
    """Counts from the first update, through earlier sittings of a resumed run.

    Where a run stops then depends on the machine, so it cannot be repeated to the bit.
    """

    Options = TimeBudgetOptions

    def after_step(self, run: Any, step: Step) -> Advice:
        """Return ``stop`` once the seconds are over."""
        spent = run.journal.seconds - self.state.setdefault("began", run.journal.seconds)
        over = spent >= self.options.seconds
        # Clocks differ: all stop as soon as one has to.
        over = anywhere(run.accelerator, over)
        if not over:
            return GO
        return Advice(
            "stop",
            f"{spent:.0f} seconds are spent, of {self.options.seconds:.0f} allowed, after "
            f"{step.update} of {run.updates} updates",
            spent,
        )
