"""Token weight: tokens count by how open the model is to them (eaft) or how easy (flow)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fewtune.family import Options
from fewtune.regularizers._tokens import TokenWeights, base_losses, ends
from fewtune.regularizers.base import Regularizer, Running
from fewtune.tasks.base import Batch, inference

__all__ = ["TokenWeight"]

TOP = 20
"""Likeliest tokens over which the entropy is taken (2601.02151)."""


class TokenWeightOptions(Options):
    """Options of ``token_weight``."""

    kind: Literal["eaft", "flow"] = Field(
        "eaft", description="eaft: by the model's entropy; flow: by the base's loss"
    )
    per: Literal["token", "row"] = Field(
        "token", description="flow: weigh each token, or whole rows by their mean loss"
    )


class TokenWeight(Regularizer):
    """Weighs tokens so that those in conflict with what the model is sure of count less.

    ``eaft`` (2601.02151): entropy over the 20 likeliest tokens / ln 20 under the model as it is at
    this update; costs a third more. ``flow`` (2502.02797): exp(−ℓ/τ) with the base's loss ℓ and its
    median τ. The loss is divided by the sum of the weights, so they move learning between the
    tokens of an update, not between updates. End tokens keep weight 1 where tokens are weighed.
    """

    Options = TokenWeightOptions
    tasks: ClassVar[frozenset[str]] = frozenset({"generation"})

    def start(self, run: Running) -> None:
        """Measure the base's losses, once (flow)."""
        keep = [ends(run, row) for row in run.rows]
        if self.options.kind == "eaft":
            self._fixed = TokenWeights(run.rows, [(~kept).float() for kept in keep])
            return
        losses = base_losses(run)
        if self.options.per == "row":
            losses = [loss.mean().expand(len(loss)) for loss in losses]
            median = float(np.median([float(loss[0]) for loss in losses]))
        else:
            median = float(np.median(torch.cat(losses).numpy()))
        weights = [torch.exp(-loss / max(median, 1e-6)) for loss in losses]
        if self.options.per == "token":
            weights = [w.masked_fill(kept, 1.0) for w, kept in zip(weights, keep, strict=True)]
        self._fixed = TokenWeights(run.rows, weights)

    def batch(self, run: Running, batch: Batch) -> Batch:
        """Return the batch with its tokens weighed."""
        if self.options.kind == "flow":
            return replace(batch, weights=batch.weights * self._fixed.factors(batch))
        gated = self._fixed.factors(batch, otherwise=0.0)
        factors = gated * _openness(run, batch) + (1 - gated)
        return replace(batch, weights=batch.weights * factors)


def _openness(run: Running, batch: Batch) -> Tensor:
    """Return the entropy of each unit over the likeliest tokens as a share of the most it can be.

    The model answers as it is now, without dropout.
    """
    with inference(run.model), run.task.autocast():
        logits = run.task.logits(run.model, batch).float()
    top = logits.topk(min(TOP, logits.shape[-1]), dim=-1).values
    known = top.log_softmax(dim=-1)
    entropy = -(known.exp() * known).sum(dim=-1)
    with torch.no_grad():
        return (entropy / math.log(top.shape[-1])).clone()
