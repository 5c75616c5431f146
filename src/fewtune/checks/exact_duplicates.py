"""Rows that stand in the data more than once.

A copied row counts double in the loss and is regenerated far more often (2202.06539); copies on two
sides of a split make every score too good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

from fewtune.checks._rows import count, question, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Example, Finding

__all__ = ["ExactDuplicates", "content"]


class ExactDuplicates(Check):
    """Finds rows whose content equals another's, white space at the ends aside."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one warning that names all copies, set by set; the later ones may be dropped."""
        data = context.data
        sets: dict[Hashable, list[int]] = defaultdict(list)
        for index, example in enumerate(data.examples):
            sets[content(example)].append(index)
        copied = [rows for rows in sets.values() if len(rows) > 1]
        if not copied:
            return
        later = [i for rows in copied for i in rows[1:]]
        largest = max(copied, key=len)
        example = data.examples[largest[0]]
        yield Finding(
            "exact_duplicates",
            "warning",
            sources(data, (i for rows in copied for i in rows)),
            f"{count(len(later), 'row is a copy', 'rows are copies')} of an earlier one "
            f"({share(len(later), len(data))} of the rows); "
            f"{quote(question(example))} stands {len(largest)} times.",
            "Leave the later copies out with --write",
            drop=sources(data, later),
        )


def content(example: Example) -> Hashable:
    """Return a key that two rows share when one is a copy of the other."""
    turns = tuple((m.role, m.content.strip()) for m in example.messages)
    target = None if example.target is None else example.target.strip()
    return (turns or example.identity.strip(), target)
