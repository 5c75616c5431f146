"""Truncation: rows are cut before the model reads them."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, share
from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["Truncation"]

MANY = 0.05
"""Share of the rows from which on it is more than a few long ones."""


class Truncation(Diagnoser):
    """Counts the encoded rows that lost tokens, and the answers that lost their end."""

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how many rows were cut, and by how much."""
        if case.material is None:
            return
        rows = [*case.material.known, *case.material.test]
        cut = [row for row in rows if row.cut]
        if len(cut) < max(2, MANY * len(rows)):
            return
        worst = max(cut, key=lambda row: row.cut)
        lost = sum(row.cut for row in cut) / sum(len(row.ids) + row.cut for row in cut)
        yield self.named(
            f"{count(len(cut), 'row')} of {len(rows):,} ({share(len(cut), len(rows))}) are cut to "
            f"{max(len(row.ids) for row in cut):,} tokens and lose {share(lost, 1)} of theirs; "
            f"{worst.example.source} loses {worst.cut:,} of {worst.cut + len(worst.ids):,}."
            f"{_endless(case, len(cut))}",
            _cure(case),
            [row.example.source for row in cut],
        )


def _endless(case: Case, cut: int) -> str:
    """Return how many answers lost their end, in words; nothing where rows are cut elsewhere."""
    settings = case.plan.task
    if settings.name != "generation" or settings.truncation != "right":
        return ""
    return f" {cut:,} answers lose their end token: they teach not to stop."


def _cure(case: Case) -> str:
    if case.plan.task.max_length:
        return (
            f"Raise task.max_length, which is {case.plan.task.max_length}, or leave it out: then "
            "it is what the model can read"
        )
    return "Shorten or part these rows, or choose a model that reads more tokens"
