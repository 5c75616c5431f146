"""Rate too high: training throws away what the base knows instead of learning."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis
from fewtune.select.candidates import of_folds

__all__ = ["RateTooHigh"]


class RateTooHigh(Diagnoser):
    """A rate far above the usual one that is no better, or a training that diverged."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the rate with the losses that speak against it."""
        counter = case.counter
        if counter is not None and counter.too_high:
            yield self.named(
                counter.sentence(),
                f"Use the usual rate: --set training.learning_rate={counter.usual:g}",
            )
            return
        said = [e for e in case.events if e.values.get("monitor") == "divergence"]
        chosen = {trial.name for trial in case.trials}
        # Of a cross-fit a fold says it.
        for event in [e for e in said if of_folds(e.stage) in chosen][:1]:
            yield self.named(
                f"{event.stage} diverged at update {event.update}: {event.values['sentence']}.",
                f"Use a lower rate: --set training.learning_rate={_third(case, event.stage):g}",
            )


def _third(case: Case, stage: str) -> float:
    return next(t.learning_rate for t in case.trials if t.name == of_folds(stage)) / 3
