"""No end token: answers of the tuned model do not end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fewtune.diagnoses.base import Case, Diagnoser
from fewtune.measures.intervals import share
from fewtune.records import Diagnosis

__all__ = ["NoEndToken"]

HARDLY_ANY = 0.25
"""Where the interval of the answers that end lies below this share, the end was not learned."""


class NoEndToken(Diagnoser):
    """Reads how many sampled answers end by themselves.

    A tokenizer without an end token, or with one that the model does not have, is refused before.
    """

    holds = True

    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return how few answers end."""
        if not case.ended:
            return
        count, ended = len(case.ended), sum(case.ended)
        _, low, high = share(np.asarray(case.ended, dtype=bool), np.arange(count))
        if high >= HARDLY_ANY:
            return
        yield self.named(
            f"{ended} of {count} answers to test rows end by themselves (95% interval "
            f"[{100 * low:.0f}, {100 * high:.0f}]%): the model writes on until it is cut off.",
            "See that the tokenizer's eos_token is the token that ends an answer of this model, "
            "that the rows are not cut (task.truncation), and that training is long enough",
        )
