"""Shuffled labels: the inputs tell nothing of their labels, as if they had been shuffled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.measures.intervals import share
from fewtune.methods.probe import fit
from fewtune.records import Diagnosis
from fewtune.select.material import Material

__all__ = ["ShuffledLabels"]

NOTHING = 0.45
"""Where the interval of the right answers ends below this share of the way from chance to perfect,
there is no signal to speak of. Fewer rows have a wider interval: then it is not named."""

SOMETHING = 0.05
"""Where it begins above this share there is one: the head's settings were chosen on these rows."""


class ShuffledLabels(Diagnoser):
    """Compares what a head says of rows that it was not fitted on with what chance would."""

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the share of right answers out of fold and on test rows, beside chance."""
        material = case.material
        if material is None or not material.task.labels or case.outcomes is None:
            return
        truth, hits = _answered(material)
        if not len(truth):
            return
        chance = max(Counter(truth.tolist()).values()) / len(truth)
        if chance == 1:
            # Rows of one class tell nothing: folds that lose a class do not judge it.
            return
        value, low, high = share(hits, np.arange(len(hits)))
        most, least = (chance + part * (1 - chance) for part in (NOTHING, SOMETHING))
        if low > least or high > most or _beats_majority(case, material):
            return
        yield self.named(
            f"Of rows that it was not fitted on, a head on the base's states gets "
            f"{int(hits.sum()):,} of {len(hits):,} right ({100 * value:.1f}%, 95% interval "
            f"[{100 * low:.1f}, {100 * high:.1f}]); the commonest label alone is right in "
            f"{100 * chance:.1f}%. The inputs tell nothing of these labels.",
            "See whether inputs and labels were parted, e.g. by sorting one column; else bring "
            "other inputs: no tuning can learn this",
        )


def _answered(material: Material) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class of each row that a head was asked about unseen, and whether it was right."""
    head = material.once(
        "known_head", lambda: fit(material.known_states(names=True), material.folds())
    )
    known = np.asarray([row.label for row in material.known], dtype=np.int64)
    test = np.asarray([row.label for row in material.test], dtype=np.int64)
    seen = ~np.isnan(head.out_of_fold[:, 0])
    said = head.out_of_fold[seen].argmax(axis=1)
    judged = head.probabilities(material.states()[1]).argmax(axis=1)
    return (
        np.concatenate([known[seen], test]),
        np.concatenate([said == known[seen], judged == test]),
    )


def _beats_majority(case: Case, material: Material) -> bool:
    """Return whether the finished model is surely better than the commonest label."""
    majority = case.controls.get("majority")
    if majority is None or case.outcomes is None:
        return False
    return material.headline.difference(case.outcomes, majority).low > 0
