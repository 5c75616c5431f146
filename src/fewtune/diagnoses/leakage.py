"""Leakage: rows of the test file stand in the training rows too."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, share
from fewtune.checks.leakage import TRAINED, leaked
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["Leakage"]

MANY = 0.05
"""Share of the test rows from which on their scores are not to be believed."""

FEWEST = 2


class Leakage(Diagnoser):
    """Counts test rows that are training rows or nearly; what is left is scored by itself."""

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how many test rows leaked, and the score without them."""
        test = case.context.test
        if test is None or not len(test):
            return
        found = leaked(case.context)
        both = {**found.copies, **found.near}
        if len(both) < max(FEWEST, MANY * len(test)) or len(found.copies) >= TRAINED * len(test):
            return
        yield self.named(
            f"{count(len(both), 'test row')} of {len(test):,} ({share(len(both), len(test))}) "
            f"also train: {len(found.copies):,} are copies, {len(found.near):,} nearly."
            f"{_without(case, set(both))}",
            "Take these rows out of one of the two files and fit again",
            [test[row].source for row in sorted(both)],
        )


def _without(case: Case, known: set[int]) -> str:
    """Return the headline measure with and without the leaked rows, in words."""
    outcomes, material = case.outcomes, case.material
    rest = [row for row in range(len(case.context.test or ())) if row not in known]
    if outcomes is None or material is None or len(rest) < FEWEST:
        return ""
    name = material.headline.name.replace("_", " ")
    whole, own = material.headline.of(outcomes), material.headline.of(outcomes.take(rest))
    return f" The {name} is {whole.value:.3f} with them and {own.value:.3f} without."
