"""Weights of tokens: what they are computed from, and how they come into a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from fewtune.data.batches import chunks
from fewtune.regularizers.base import Running
from fewtune.regularizers.reference import base_logits
from fewtune.tasks.base import Batch, Row
from fewtune.tasks.generation import Generation

__all__ = ["TokenWeights", "base_losses", "ends"]


def _units(row: Row) -> list[int]:
    """Return the supervised token ids of a row, in the order in which ``collate`` makes units."""
    return [label for label in row.labels[1:] if label >= 0]


def ends(run: Running, row: Row) -> Tensor:
    """Return for each unit of ``row`` whether it is an end token, bool of shape (units,).

    Bases find the end of a short answer surprising; a model that is not taught it never stops. So
    whatever the weights of other tokens, an end token keeps its whole weight.
    """
    known = torch.tensor(cast(Generation, run.task).end_ids)
    return torch.isin(torch.tensor(_units(row)), known)


def base_losses(run: Running) -> list[Tensor]:
    """Return the base's loss in nats at each unit of every training row, on the CPU."""
    found: list[Tensor] = [torch.empty(0)] * len(run.rows)
    lengths = [row.length for row in run.rows]
    for places in chunks(range(len(run.rows)), lengths, run.task.budget(run.model)):
        rows = [run.rows[i] for i in places]
        batch = run.task.collate(rows).to(run.device)
        losses = run.task.losses(base_logits(run, batch), batch).cpu()
        sizes = [len(_units(row)) for row in rows]
        for place, part in zip(places, torch.split(losses, sizes), strict=True):
            found[place] = part.clone()
    return found


class TokenWeights:
    """Weights of the units of training rows; rows that were mixed in have none.

    Parameters
    ----------
    rows
        The training rows.
    weights
        For each row a factor for each of its units.
    """

    def __init__(self, rows: Sequence[Row], weights: Iterable[Tensor]) -> None:
        self._known = {
            (row.ids, row.labels): weight for row, weight in zip(rows, weights, strict=True)
        }

    def factors(self, batch: Batch, otherwise: float = 1.0) -> Tensor:
        """Return the factor of each unit of a batch, ``otherwise`` for rows that were mixed in."""
        found = [
            self._known.get((row.ids, row.labels), torch.full((len(_units(row)),), otherwise))
            for row in batch.rows
        ]
        return torch.cat(found).to(batch.weights.device)
