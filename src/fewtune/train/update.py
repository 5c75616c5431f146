"""One update: the rows of one optimizer step to a gradient, and the step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch

from fewtune.data.batches import chunks
from fewtune.environment import seed_everything
from fewtune.regularizers.base import Regularizer
from fewtune.tasks.base import Batch, Row
from fewtune.train.monitors.base import Step
from fewtune.train.optimizer import rate_at
from fewtune.train.run import Training

__all__ = ["update"]


def update(run: Training, owner: Regularizer | None, rows: Sequence[int]) -> Step:
    """Do one update on ``rows``; ``owner`` is the regularizer that does the step itself."""
    rate = rate_at(run.update, run.plan, run.counts)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    batches = _batches(run, rows)
    weight = torch.stack([batch.weights.sum() for batch in batches]).sum()
    weight = run.accelerator.reduce(weight, "sum")
    state = run.seed * 1_000_003 + run.update * 1_009 + run.accelerator.process_index
    run.gradient_norm = None

    def backward() -> float:
        # Seeded here, so that every pass over the same update drops the same units.
        seed_everything(state)
        return _backward(run, batches, weight)

    run.optimizer.zero_grad(set_to_none=True)
    if owner is not None:
        loss = owner.update(run, backward)
    else:
        loss = backward()
        run.clip()
        run.optimizer.step()
    # A regularizer that does not clip leaves the gradient as it was.
    norm = _norm(run) if run.gradient_norm is None else run.gradient_norm
    run.update += 1
    step = Step(run.update, loss, norm, rate)
    run.journal.write(
        "step",
        run.stage,
        run.update,
        loss=loss,
        rate=rate,
        gradient_norm=norm,
        tokens=sum(row.length for batch in batches for row in batch.rows),
    )
    return step


def _batches(run: Training, numbers: Sequence[int]) -> list[Batch]:
    """Return this process's share of an update, cut to the token budget and regularized."""
    ranks, rank = run.accelerator.num_processes, run.accelerator.process_index
    # Rows are mixed in before anything is cut, so that the cut changes nothing.
    rows: Sequence[Row] = [run.rows[i] for i in numbers]
    for regularizer in run.regularizers:
        rows = regularizer.rows(run, rows)
    mine = rows[rank::ranks]
    # Every process must take part in the gradient's sum, even one that has no row left.
    idle = not mine
    mine = mine or rows[:1]
    lengths = [row.length for row in mine]
    batches = []
    for places in chunks(range(len(mine)), lengths, run.plan.tokens_per_batch):
        some = [mine[i] for i in places]
        batch = run.task.training_batch(some, f"{run.seed}/{run.update}").to(run.device)
        for regularizer in run.regularizers:
            batch = regularizer.batch(run, batch)
        batches.append(replace(batch, weights=batch.weights * 0) if idle else batch)
    return batches


def _backward(run: Training, batches: list[Batch], weight: torch.Tensor) -> float:
    """Add the gradient of one update and return its loss, both over all processes."""
    ranks = run.accelerator.num_processes
    smoothing = run.task.settings.label_smoothing
    total = torch.zeros((), device=run.device)
    for number, batch in enumerate(batches):
        last = number == len(batches) - 1
        with nullcontext() if last else run.accelerator.no_sync(run.forward):
            losses = run.task.losses(run.forward(batch), batch, smoothing)
            loss = (losses * batch.weights).sum() / weight
            total += loss.detach()
            if last:
                for regularizer in run.regularizers:
                    penalty = regularizer.penalty(run)
                    if penalty is not None:
                        loss = loss + penalty / ranks
                        total += penalty.detach() / ranks
            # DDP takes the mean over processes; the loss is already divided by the whole weight.
            run.accelerator.backward(loss * ranks)
    return float(run.accelerator.reduce(total, "sum"))


def _norm(run: Training) -> float:
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
