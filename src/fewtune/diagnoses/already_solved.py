"""Already solved: the base writes these answers without any tuning."""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.records import Diagnosis

__all__ = ["AlreadySolved"]

SOLVED = 0.05
"""Nats a token below which the base gives each token of the answers with 95%, on geometric mean."""


class AlreadySolved(Diagnoser):
    """Reads the loss of the base itself on the test rows."""

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how surely the base gives the answers; a classifier's controls say it already."""
        base = case.controls.get("base")
        if base is None or len(base.truth):
            return
        loss = float(base.losses.sum() / base.units.sum())
        if loss >= SOLVED:
            return
        yield self.named(
            f"The base itself gives the answers of the {len(base):,} test rows at {loss:.4f} nats "
            "a token: there is nothing left to learn that is worth what tuning may break.",
            "Do not tune on this data: the base already does it",
        )
