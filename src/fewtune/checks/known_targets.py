"""Rows whose target the base model already gives: training on them teaches little."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._losses import row_losses
from fewtune.checks._rows import count, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["KnownTargets"]

KNOWN = 0.15
"""Nats per token below which a target counts as known: 86% for each token, on geometric mean."""
MOST = 0.5


class KnownTargets(Check):
    """Finds rows with a very low base loss."""

    shapes = frozenset({"prompt", "chat"})
    needs_model = True
    slow = True

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one finding with the best-known rows first; a warning where it is most rows."""
        losses = row_losses(context)
        if losses is None or context.model is None:
            return
        means = losses.means
        known = sorted((i for i in range(len(means)) if means[i] < KNOWN), key=means.__getitem__)
        if not known:
            return
        example = context.data.examples[losses.rows[known[0]]]
        yield Finding(
            "known_targets",
            "warning" if len(known) > MOST * len(means) else "note",
            sources(context.data, (losses.rows[i] for i in known)),
            f"{context.model.name} already gives {count(len(known), 'target')} "
            f"({share(len(known), len(means))}{losses.drawn}), such as "
            f"{quote(example.target or '')} at {means[known[0]]:.2f} nats per token.",
            "Keep them as a guard against forgetting, or spend the time on harder rows",
        )
