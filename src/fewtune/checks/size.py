"""Too few rows to learn from, or to tell anything by."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fewtune.checks._rows import count, question, quote
from fewtune.checks.base import Check, Context
from fewtune.data.variations import may_judge
from fewtune.records import Dataset, Finding

__all__ = ["Size"]

FEWEST = 10
FEWEST_UNITS = 3
"""Groups, or different inputs, for a part that trains, one that chooses and one that judges."""
SMALL = 200
TEST_SHARE = 0.2


class Size(Check):
    """Finds data of fewer than ten rows, of one distinct row, or that cannot be split.

    Says what few rows cost.
    """

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return an error where rows cannot train and judge, a note below 200."""
        data = context.data
        everyone = tuple(e.source for e in data.examples)
        if len(data) < FEWEST:
            yield Finding(
                "size",
                "error",
                everyone,
                f"{count(len(data), 'row')}: too few to train on some and judge by the others.",
                f"Bring at least {FEWEST} rows; 8 per class, or 100 pairs, is a good start",
            )
            return
        if len({e.fingerprint for e in data.examples}) == 1:
            yield Finding(
                "size",
                "error",
                everyone,
                f"All {len(data):,} rows are the same: {quote(question(data.examples[0]))}.",
                "Bring rows that differ",
            )
            return
        parts = FEWEST_UNITS - (context.test is not None)
        for what, many in (("group", _kinds(e.group for e in data)), ("input", _inputs(data))):
            if 0 < many < parts:
                yield Finding(
                    "size",
                    "error",
                    everyone,
                    f"{len(data):,} rows in {count(many, what)}: rows of one {what} stay together, "
                    "so that some cannot train and others judge.",
                    f"Bring rows of at least {parts} {what}s"
                    + (", or leave the column group out" if what == "group" else ""),
                )
                return
        judging = sum(may_judge(data))
        if judging < SMALL and context.test is None:
            test_rows = max(1, round(TEST_SHARE * judging))
            # Half the width of a 95% interval around 80%, by the normal approximation.
            spread = 1.96 * math.sqrt(0.8 * 0.2 / test_rows)
            yield Finding(
                "size",
                "note",
                (),
                f"{count(judging, 'row')}{_varied(len(data) - judging)}: a test share of "
                f"{TEST_SHARE:.0%} is {count(test_rows, 'row')}, on which 80% means "
                f"80% ± {100 * spread:.0f} points.",
                "Bring a test file of its own, or let all rows judge in turn "
                "(--set data.rotations=5)",
            )


def _kinds(keys: Iterable[str]) -> int:
    """Return how many kinds there are, or 0 where some row has none."""
    found = set(keys)
    return 0 if "" in found else len(found)


def _inputs(data: Dataset) -> int:
    return 0 if data.shape == "text" else _kinds(e.identity.strip() for e in data)


def _varied(rows: int) -> str:
    return f" (and {count(rows, 'variation')} of them, which judge nothing)" if rows else ""
