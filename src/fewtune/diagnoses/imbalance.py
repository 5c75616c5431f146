"""Imbalance: a class has ten times the rows of another, so accuracy hides the rare ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from fewtune.checks.class_balance import VERY_UNEVEN
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["Imbalance"]


class Imbalance(Diagnoser):
    """Reads the finding of the check ``class_balance`` and adds what became of the rare classes."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the imbalance where the largest class has ten times the rows of the smallest."""
        for finding in case.found("class_balance"):
            if finding.severity == "warning":
                evidence = f"{finding.evidence}{_found_again(case)}"
                yield self.named(evidence, finding.cure, finding.rows)


def _found_again(case: Case) -> str:
    """Return how many test rows of the rare classes the model got right, in words."""
    outcomes = case.outcomes
    if outcomes is None or not len(outcomes.truth):
        return ""
    sizes = Counter(e.target for e in case.context.data)
    most = max(sizes.values())
    rare = [n for n, label in enumerate(outcomes.labels) if sizes[label] * VERY_UNEVEN <= most]
    of_rare = np.isin(outcomes.truth, rare)
    if not of_rare.any():
        return " No test row is of a class that rare: nothing is known of it."
    right = int((outcomes.predicted == outcomes.truth)[of_rare].sum())
    return f" Of {int(of_rare.sum())} test rows of the rare classes {right} are right."
