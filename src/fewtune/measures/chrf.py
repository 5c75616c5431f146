"""chrF: how alike greedy answers and their targets are in runs of 1 to 6 characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score

__all__ = ["Chrf", "chrf"]

LONGEST_RUN = 6
RECALL = 2
"""Times by which recall counts more than precision."""


class Chrf(Measure):
    """Mean chrF of the tuned model's answers (Popović 2015), in [0, 1].

    The loss asks how likely the target is; this asks what is written. One can improve while the
    other gets worse. The part ``base`` is the base's, ``gain`` tuned less base, paired.
    """

    direction = "higher"
    unit = "share"
    tasks = frozenset({"generation"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the mean, or ``None`` where no answer was written."""
        return self._mean(evidence, seed, tuned=1, base=0)

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the base's mean, and tuned less base."""
        found = {
            "base": self._mean(evidence, seed, tuned=0, base=1),
            "gain": self._mean(evidence, seed, tuned=1, base=-1),
        }
        return {name: score for name, score in found.items() if score is not None}

    def _mean(self, evidence: Evidence, seed: int, *, tuned: int, base: int) -> Score | None:
        """Return the mean of ``tuned`` and ``base`` times what the two models have."""
        seen = evidence.written
        if seen is None or not len(seen):
            return None
        pairs = zip(seen.tuned, seen.base, seen.targets, strict=True)
        each = np.asarray([tuned * chrf(t, right) + base * chrf(b, right) for t, b, right in pairs])

        def mean(weights: Floats) -> Floats:
            shares: Floats = weights @ each / weights.sum(axis=1)
            return shares

        within = (min(base, 0), max(tuned, base))
        found = bootstrap(mean, seen.groups, seed=seed, within=within)
        return self.named(*found, len(seen))


def chrf(answer: str, target: str) -> float:
    """Return chrF of one answer as sacrebleu has it, divided by 100: white space does not count.

    Examples
    --------
    >>> chrf("the same", "the same"), chrf("", "a target")
    (1.0, 0.0)
    """
    answer, target = ("".join(text.split()) for text in (answer, target))
    shares = []
    for size in range(1, LONGEST_RUN + 1):
        ours, theirs = (
            Counter(text[at : at + size] for at in range(len(text) - size + 1))
            for text in (answer, target)
        )
        if ours and theirs:
            alike = (ours & theirs).total()
            shares.append((alike / ours.total(), alike / theirs.total()))
    if not shares:
        return 0.0
    precision, recall = np.mean(shares, axis=0)
    size = RECALL**2 * precision + recall
    return float((1 + RECALL**2) * precision * recall / size) if size else 0.0
