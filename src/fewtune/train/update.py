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

COMPARED_PARTS = 4
"""Batches that an update of compared rows is cut into, by length: of 64 questions of 5 to 60 tokens
half of the padding, and with it half of the work, goes."""


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
        passes = _compared if run.method.compares else _backward
        return passes(run, batches, weight)

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
    # Rows that are compared cannot be drawn alike in length: cut small, they pad little.
    most = -(-len(mine) // COMPARED_PARTS) if run.method.compares else 0
    for places in chunks(range(len(mine)), lengths, run.plan.tokens_per_batch, most):
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
    total = _penalties(run) / ranks
    for number, batch in enumerate(batches):
        last = number == len(batches) - 1
        with nullcontext() if last else run.accelerator.no_sync(run.forward):
            losses = run.task.losses(run.forward(batch), batch, smoothing)
            loss = (losses * batch.weights).sum() / weight
            total += loss.detach()
            # DDP takes the mean over processes; the loss is already divided by the whole weight.
            run.accelerator.backward(loss * ranks)
    return float(run.accelerator.reduce(total, "sum"))


def _penalties(run: Training) -> torch.Tensor:
    """Add the gradients of the regularizers' penalties and return their sum.

    Each has a backward pass of its own: what one keeps for it is as much as a batch does, and would
    lie beside what the batch keeps. Processes exchange nothing yet; the last batch's pass does.
    """
    total = torch.zeros((), device=run.device)
    for regularizer in run.regularizers:
        penalty = regularizer.penalty(run)
        if penalty is not None:
            total += penalty.detach()
            # One that depends on no weight has no gradient, and counts all the same.
            if penalty.requires_grad:
                with run.accelerator.no_sync(run.forward):
                    run.accelerator.backward(penalty)
    return total


def _compared(run: Training, batches: list[Batch], weight: torch.Tensor) -> float:
    """Add the gradient of one update whose rows are compared with each other; return its loss.

    Where the update fits the token budget, all of its batches are held at once. Where it does not,
    the states of all are computed first, without what a gradient needs; the loss is taken of them,
    and then batch by batch is computed again and given its share of the slope (2101.06983). Both
    give the same gradient. Rows are compared within a process.
    """
    ranks = run.accelerator.num_processes
    added = _penalties(run)
    seeds = [int(torch.randint(2**31, ())) for _ in batches]
    targets = torch.cat([batch.targets for batch in batches])
    weights = torch.cat([batch.weights for batch in batches])
    tokens = sum(len(b.rows) * max(row.length for row in b.rows) for b in batches)
    whole = tokens <= run.plan.tokens_per_batch

    def states(number: int) -> torch.Tensor:
        # The same units drop in both passes.
        seed_everything(seeds[number])
        found: torch.Tensor = run.forward(batches[number])
        return found

    with torch.set_grad_enabled(whole):
        found = torch.cat([states(number) for number in range(len(batches))])
    if not whole:
        found.requires_grad_(True)
    losses = run.method.losses(run.task, found, targets)
    loss = (losses * weights).sum() / weight
    if whole:
        run.accelerator.backward(loss * ranks)
    else:
        (slopes,) = torch.autograd.grad(loss, found)
        parts = torch.split(slopes, [len(batch.rows) for batch in batches])
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with nullcontext() if last else run.accelerator.no_sync(run.forward):
                run.accelerator.backward((states(number) * part).sum() * ranks)
    total = loss.detach() + added / ranks
    return float(run.accelerator.reduce(total, "sum"))


def _norm(run: Training) -> float:
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
