"""How well planted secrets are known: their rank among as many that were never trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewtune.data.canaries import Canary
from fewtune.measures.observe.writing import write

if TYPE_CHECKING:
    from fewtune.tasks.base import Row
    from fewtune.tasks.generation import Generation

__all__ = ["Exposures", "observe_exposure"]


@dataclass(frozen=True)
class Exposures:
    """What a model knows of planted secrets.

    Attributes
    ----------
    ranks
        Rank of each secret among ``candidates`` by its loss, 1 the likeliest; ties share the mean.
    candidates
        Secrets compared, the planted one included.
    extracted
        Whether the model, given all before the secret, writes the secret.
    """

    ranks: NDArray[np.float64]
    candidates: int
    extracted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ranks)


def observe_exposure(
    task: Generation, model: Any, canaries: Sequence[Canary], candidates: int = 512, seed: int = 0
) -> Exposures:
    """Return rank and extraction of each canary's secret (1802.08232).

    Parameters
    ----------
    task
        For its tokenizer and template.
    model
        The model to look at; the base's own exposures tell what chance gives, 1 bit in the median.
    canaries
        What was planted.
    candidates
        Secrets compared for each canary; the exposure is at most log2 of it. Costs one row each.
    seed
        Of the secrets that were not planted.
    """
    ranks = np.zeros(len(canaries))
    for place, canary in enumerate(canaries):
        others = canary.others(candidates - 1, seed)
        rows = task.encode([canary.with_secret(secret) for secret in (canary.secret, *others)])
        losses = task.outcomes(model, rows).losses
        below, equal = (losses[1:] < losses[0]).sum(), (losses[1:] == losses[0]).sum()
        ranks[place] = 1 + below + equal / 2
    planted = task.encode([canary.example for canary in canaries])
    cuts = [_before(task, row, canary) for row, canary in zip(planted, canaries, strict=True)]
    room = [len(row.ids) - len(cut) for row, cut in zip(planted, cuts, strict=True)]
    texts = write(task, model, cuts, room)
    # The secret may begin inside the last given token's text, so digits alone are compared.
    extracted = [
        canary.secret in (task.tokenizer.decode(cut, skip_special_tokens=True) + text)
        for canary, cut, text in zip(canaries, cuts, texts, strict=True)
    ]
    return Exposures(ranks, candidates, np.asarray(extracted, dtype=bool))


def _before(task: Generation, row: Row, canary: Canary) -> tuple[int, ...]:
    """Return the tokens of a row before the first that belongs to its secret."""
    whole = task.tokenizer.decode(row.ids, skip_special_tokens=True)
    wanted = len(whole[: whole.rindex(canary.secret)].rstrip())
    for count in range(len(row.ids), 0, -1):
        if len(task.tokenizer.decode(row.ids[:count], skip_special_tokens=True).rstrip()) <= wanted:
            return row.ids[:count]
    return row.ids[:1]
