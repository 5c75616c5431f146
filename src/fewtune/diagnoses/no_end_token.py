"""No end token: answers of the tuned model do not end, and its rows do not teach it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.measures.intervals import share
from fewtune.records import Diagnosis
from fewtune.select.guards import HARDLY_ANY
from fewtune.tasks.generation import Generation

__all__ = ["NoEndToken"]


class NoEndToken(Diagnoser):
    """Reads how many sampled answers end by themselves, where hardly a row taught the end.

    A tokenizer without an end token, or with one that the model does not have, is refused before.
    Where the rows do teach it, a guard holds the model back and says so: it learnt too little.
    """

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how few answers end."""
        if not case.ended or _taught(case):
            return
        count, ended = len(case.ended), sum(case.ended)
        _, low, high = share(np.asarray(case.ended, dtype=bool), np.arange(count))
        if high >= HARDLY_ANY:
            return
        yield self.named(
            f"{ended} of {count} answers to test rows end by themselves (95% interval "
            f"[{100 * low:.0f}, {100 * high:.0f}]%), and hardly a row teaches where to: the model "
            "writes on until it is cut off.",
            "See that the tokenizer's eos_token is the token that ends an answer of this model and "
            "that the rows are not cut (task.truncation)",
        )


def _taught(case: Case) -> bool:
    """Return whether as many as half of the training rows end in an end token that is trained."""
    if case.material is None or not isinstance(case.material.task, Generation):
        return False
    ends = set(case.material.task.end_ids)
    rows = case.material.train
    taught = sum(not ends.isdisjoint(row.labels) for row in rows)
    return 2 * taught >= len(rows)
