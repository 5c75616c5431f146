"""Untrained class: the test file has a class that no training row has."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, share
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["UntrainedClass"]


class UntrainedClass(Diagnoser):
    """Compares the labels of the test file with those that train."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the classes that can only be answered wrongly, with their test rows."""
        data, test = case.context.data, case.context.test
        if test is None or not data.labels or case.plan.task.keep_classes:
            return
        strange = sorted(set(test.labels) - set(data.labels))
        if not strange:
            return
        rows = [e.source for e in test if e.target in strange]
        names = ", ".join(repr(label) for label in strange[:5]) + (", …" if strange[5:] else "")
        yield self.named(
            f"{count(len(rows), 'test row')} of {len(test):,} ({share(len(rows), len(test))}) are "
            f"of {count(len(strange), 'class', 'classes')} that no training row has: {names}. They "
            "count as wrong whatever is learned.",
            "Add training rows of these classes, mend their names, or take them out of the test "
            "file",
            rows,
        )
