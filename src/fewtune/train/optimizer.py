"""AdamW over the trainable parameters, and the learning rate of each update."""

from __future__ import annotations

import math

import torch
from torch import nn

from fewtune.plan.counts import Counts
from fewtune.plan.plan import TrainingPlan

__all__ = ["adamw", "rate_at"]


def adamw(model: nn.Module, training: TrainingPlan) -> torch.optim.AdamW:
    """Return AdamW (bias-corrected, 2006.05987) over every trainable parameter.

    Weight decay acts on matrices only. All trainable parameters are in from the start, in the
    order of the model, so that a checkpoint's state fits again.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=training.learning_rate, fused=True
    )


def rate_at(update: int, training: TrainingPlan, counts: Counts) -> float:
    """Return the learning rate of the ``update``-th update (from 0).

    It rises linearly through the warm-up and then falls to zero, linearly or as a cosine, or stays.
    """
    if update < counts.warmup_updates:
        return training.learning_rate * (update + 1) / (counts.warmup_updates + 1)
    done = (update - counts.warmup_updates) / max(1, counts.updates - counts.warmup_updates)
    if training.schedule == "constant":
        factor = 1.0
    elif training.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * done))
    else:
        factor = 1 - done
    return training.learning_rate * factor
