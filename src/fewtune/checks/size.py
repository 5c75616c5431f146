"""Too few rows to learn from, or to tell anything by."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fewtune.checks._rows import count, question, quote
from fewtune.checks.base import Check, Context
from fewtune.data.variations import may_judge
from fewtune.records import Finding

__all__ = ["Size"]

FEWEST = 10
SMALL = 200
TEST_SHARE = 0.2


class Size(Check):
    """Finds data of fewer than ten rows or one distinct row; says what few rows cost."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return an error below ten rows or where all rows are equal, a note below 200."""
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


def _varied(rows: int) -> str:
    return f" (and {count(rows, 'variation')} of them, which judge nothing)" if rows else ""
