"""Flips: rows that an earlier version had right and the tuned model has wrong, beyond chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.base import Evidence, Floats, Measure
from fewtune.measures.intervals import bootstrap
from fewtune.records import Score
from fewtune.tasks.outcomes import Outcomes

__all__ = ["Flips"]

Share = Callable[[Floats, Floats, Floats], Floats]


class Flips(Measure):
    """Chance-adjusted share of rows right before and wrong after, in [0, 1] (2510.17776).

    max(F − (1 − before)(1 − after) / (k − 1), 0), where F is the plain share, before and after are
    the accuracies and k the classes that the earlier version knew: two guessers that know nothing
    would flip that many. Rows of classes that it did not know are left out.
    """

    direction = "lower"
    unit = "share"
    tasks = frozenset({"text_classification", "image_classification"})

    def score(self, evidence: Evidence, seed: int = 0) -> Score | None:
        """Return the share, or ``None`` without an earlier version."""
        return self._share(evidence, seed, _adjusted)

    def parts(self, evidence: Evidence, seed: int = 0) -> Mapping[str, Score]:
        """Return the share before the adjustment, and the mirror: wrong before and right after."""
        plain = self._share(evidence, seed, lambda lost, gained, chance: lost)
        mended = self._share(
            evidence, seed, lambda lost, gained, chance: np.maximum(gained - chance, 0)
        )
        found = {"plain": plain, "mended": mended}
        return {name: score for name, score in found.items() if score is not None}

    def silence(self, evidence: Evidence) -> str:
        """Return that the earlier version was asked about rows of no class that it knew."""
        if evidence.earlier is None or self.score(evidence) is not None:
            return ""
        return "no test row is of a class that the earlier version knew"

    def _share(self, evidence: Evidence, seed: int, share: Share) -> Score | None:
        if evidence.earlier is None:
            return None
        before, after, groups = _right(evidence.earlier, evidence.test)
        if not len(before):
            return None
        options = len(evidence.earlier.labels)

        def values(weights: Floats) -> Floats:
            total = weights.sum(axis=1)
            lost = weights @ (before & ~after).astype(float) / total
            gained = weights @ (~before & after).astype(float) / total
            wrong = [weights @ (~one).astype(float) / total for one in (before, after)]
            return share(lost, gained, wrong[0] * wrong[1] / (options - 1))

        value, low, high = bootstrap(values, groups, seed=seed)
        return self.named(value, min(low, value), max(high, value), len(before))


def _adjusted(lost: Floats, gained: Floats, chance: Floats) -> Floats:
    found: Floats = np.maximum(lost - chance, 0)
    return found


def _right(
    earlier: Outcomes, now: Outcomes
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Return whether each common row was right before and is now, and its group.

    Classes are known by their names: the two may number them differently.
    """
    place = {source: at for at, source in enumerate(earlier.sources)}
    known = set(earlier.labels)
    rows = [
        (place[source], at)
        for at, source in enumerate(now.sources)
        if source in place and now.labels[now.truth[at]] in known
    ]
    told = [now.labels[now.truth[at]] for _, at in rows]
    old, new = earlier.predicted, now.predicted
    before = [earlier.labels[old[at]] == name for (at, _), name in zip(rows, told, strict=True)]
    after = [now.labels[new[at]] == name for (_, at), name in zip(rows, told, strict=True)]
    groups = now.groups[[at for _, at in rows]] if rows else now.groups[:0]
    return np.asarray(before, dtype=bool), np.asarray(after, dtype=bool), groups
