"""Validation is train: the rows that are to judge are the rows that train."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import share
from fewtune.checks.leakage import TRAINED, leaked
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["ValidationIsTrain"]


class ValidationIsTrain(Diagnoser):
    """Finds a test file that is made of training rows; such a fit is refused before training."""

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how many of the test rows train."""
        test = case.context.test
        if test is None or not len(test):
            return
        copies = leaked(case.context).copies
        if len(copies) < TRAINED * len(test):
            return
        yield self.named(
            f"{len(copies):,} of the {len(test):,} rows of {test.name} "
            f"({share(len(copies), len(test))}) also train: the test measures memory.",
            "Give a test file with rows of its own, or none: then a part is held out",
            [test[row].source for row in sorted(copies)],
        )
