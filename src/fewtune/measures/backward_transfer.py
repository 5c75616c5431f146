"""Backward transfer: the share of probes wrong before and right now, less what chance explains."""

from __future__ import annotations

from fewtune.measures.base import Evidence, Measure
from fewtune.measures.forgetting import changed
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["BackwardTransfer"]


class BackwardTransfer(Measure):
    """The mirror of forgetting: what tuning taught of things that it was not about, in [0, 1].

    Chance makes as many wrong answers right as right ones wrong, so the same is taken away
    (2510.17776). All kinds of probes count: what was unknown can be learnt.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share, or ``None`` where no probes were asked."""
        asked = evidence.probes
        if asked is None or not len(asked):
            return None
        value, low, high = bootstrap(
            lambda w: changed(asked, asked.after, asked.before, w), asked.groups, seed=seed
        )
        return self.named(value, min(low, value), max(high, value), len(asked))
