"""Rate too low: training ends before anything has moved."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["RateTooLow"]


class RateTooLow(Diagnoser):
    """A rate far below the usual one that is no better."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the rate with the losses that speak against it."""
        counter = case.counter
        if counter is not None and counter.too_low:
            yield self.named(
                counter.sentence(),
                f"Use the usual rate: --set training.learning_rate={counter.usual:g}",
            )
