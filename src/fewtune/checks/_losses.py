"""The base model's loss on each target token, computed once for the checks that read it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fewtune.checks._rows import sample
from fewtune.checks.base import Context

__all__ = ["MOST_ROWS", "RowLosses", "row_losses"]

MOST_ROWS = 256
"""More rows are drawn from, with the context's seed: a forward pass a row is slow on a laptop."""


@dataclass(frozen=True)
class RowLosses:
    """What the base model made of some rows.

    Attributes
    ----------
    rows
        Indices into the data set; only rows with at least one target token.
    tokens
        For each row its (token, nats) pairs.
    drawn
        How the rows were chosen, for evidence; empty when it was all of them.
    """

    rows: tuple[int, ...]
    tokens: tuple[Sequence[tuple[str, float]], ...]
    drawn: str

    @property
    def means(self) -> list[float]:
        """Mean nats per target token of each row."""
        return [statistics.fmean(nats for _, nats in row) for row in self.tokens]


def row_losses(context: Context) -> RowLosses | None:
    """Return the losses of at most ``MOST_ROWS`` rows; ``None`` for a model that has none."""
    return context.shared("row_losses", lambda: _row_losses(context))


def _row_losses(context: Context) -> RowLosses | None:
    if context.model is None:
        return None
    drawn = list(sample(context, MOST_ROWS))
    losses = context.model.token_losses([context.data.examples[i] for i in drawn])
    if losses is None:
        return None
    kept = [(i, tokens) for i, tokens in zip(drawn, losses, strict=True) if tokens]
    if not kept:
        return None
    rows, tokens = zip(*kept, strict=True)
    everyone = len(drawn) == len(context.data)
    how = "" if everyone else f" ({len(drawn):,} rows drawn of {len(context.data):,})"
    return RowLosses(rows, tokens, how)
