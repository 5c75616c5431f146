"""Targets written very unlike the model's own way of writing.

Targets that the model would nearly write itself need smaller changes of its weights and cost less
of what it knows (2402.13669).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from fewtune.checks._losses import row_losses
from fewtune.checks._rows import TURN_SHAPES, count, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["StyleDistance"]

FEWEST_ROWS = 20
DEVIATIONS = 4.0
"""Robust standard deviations above the median…"""
TIMES = 1.5
"""…and at least so many times the median."""


class StyleDistance(Check):
    """Finds rows whose base loss is far above the median row's."""

    shapes = TURN_SHAPES
    needs_model = True
    slow = True

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one note with the farthest rows first."""
        losses = row_losses(context)
        if losses is None or len(losses.rows) < FEWEST_ROWS or context.model is None:
            return
        means = losses.means
        middle = statistics.median(means)
        spread = 1.4826 * statistics.median(abs(m - middle) for m in means)
        limit = max(middle + DEVIATIONS * spread, TIMES * middle)
        far = sorted((i for i in range(len(means)) if means[i] > limit), key=lambda i: -means[i])
        if not far:
            return
        example = context.data.examples[losses.rows[far[0]]]
        yield Finding(
            "style_distance",
            "note",
            sources(context.data, (losses.rows[i] for i in far)),
            f"{count(len(far), 'target is', 'targets are')} far from the way {context.model.name} "
            f"writes ({share(len(far), len(means))}{losses.drawn}): "
            f"{quote(example.target or '')} costs {means[far[0]]:.1f} nats per token, the median "
            f"row {middle:.1f}.",
            "Rewrite them in the model's style (augment own_style), or see that they are right",
        )
