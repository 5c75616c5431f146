"""The surprise map: the base model's loss per token and per row (2501.14315).

Tokens that the base finds very unlikely drive forgetting; they are where the new knowledge is, and
where typing errors are.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._losses import RowLosses, row_losses
from fewtune.checks._rows import count, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["Surprise"]

FEWEST_ROWS = 10
TOP_TOKENS = 5
TOP_SHARE = 0.05


class Surprise(Check):
    """Shows the rows and tokens that the base model expects least."""

    shapes = frozenset({"prompt", "chat", "text"})
    needs_model = True
    slow = True

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one note with the most surprising twentieth of the rows, the worst first."""
        losses = row_losses(context)
        if losses is None or len(losses.rows) < FEWEST_ROWS or context.model is None:
            return
        nats = [loss for row in losses.tokens for _, loss in row]
        cut = statistics.quantiles(nats, n=5)[-1]
        means = losses.means
        order = sorted(range(len(means)), key=lambda i: -means[i])
        top = order[: max(1, round(TOP_SHARE * len(order)))]
        yield Finding(
            "surprise",
            "note",
            sources(context.data, (losses.rows[i] for i in top)),
            f"{context.model.name} gives the targets {statistics.fmean(nats):.2f} nats per token"
            f"{losses.drawn}; a fifth of the {count(len(nats), 'token')} cost more than {cut:.1f}, "
            f"most of all {_dearest(losses)}.",
            "Read these rows: new knowledge belongs there, typing errors do not",
        )


def _dearest(losses: RowLosses) -> str:
    """Return the tokens that cost most above the average in all, with their mean loss."""
    costs: dict[str, list[float]] = defaultdict(list)
    for row in losses.tokens:
        for token, nats in row:
            costs[token].append(nats)
    # Tokens that come once are the rows' own affair.
    often = {t: c for t, c in costs.items() if len(c) > 1} or costs
    usual = statistics.fmean(nats for row in losses.tokens for _, nats in row)
    top = sorted(often, key=lambda t: -sum(nats - usual for nats in often[t]))[:TOP_TOKENS]
    return ", ".join(f"{t!r} ({statistics.fmean(often[t]):.1f})" for t in top)
