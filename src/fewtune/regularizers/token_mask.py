"""Token mask: the tokens that surprise the base most are not trained."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field

from fewtune.family import Options
from fewtune.regularizers._tokens import TokenWeights, base_losses, ends
from fewtune.regularizers.base import Regularizer, Running
from fewtune.tasks.base import Batch

__all__ = ["TokenMask"]


class TokenMaskOptions(Options):
    """Options of ``token_mask``."""

    share: float = Field(0.2, gt=0, lt=1, description="share of the supervised tokens left out")


class TokenMask(Regularizer):
    """Leaves the tokens of highest base perplexity out of the loss (2501.14315).

    They drive forgetting, but where the knowledge is new they carry it: try without as well. End
    tokens are always trained, and of each row at least the token that surprises least.
    """

    Options = TokenMaskOptions
    tasks: ClassVar[frozenset[str]] = frozenset({"generation"})

    def start(self, run: Running) -> None:
        """Measure the base's surprise at every supervised token, once."""
        losses = base_losses(run)
        ordered = torch.cat(losses).sort().values
        # The largest loss that is still trained; equals of it are trained too.
        bound = ordered[max(0, len(ordered) - 1 - int(self.options.share * len(ordered)))]
        weights = []
        for row, loss in zip(run.rows, losses, strict=True):
            kept = (loss <= bound) | ends(run, row)
            kept[loss.argmin()] = True
            weights.append(kept.float())
        self._weights = TokenWeights(run.rows, weights)

    def batch(self, run: Running, batch: Batch) -> Batch:
        """Return the batch with weight 0 at the tokens left out."""
        return replace(batch, weights=batch.weights * self._weights.factors(batch))
