"""The one training loop.

What it keeps: an update's rows, order and dropout are functions of the seed and the update's number
alone, so a resumed run, or one with other evaluations in between, ends with the same weights; the
loss is normalised by the supervised units of the whole update, so cutting an update into other
batches changes nothing but rounding; the last, incomplete update of an epoch is an update too;
monitors see the raw loss of every update, reduced over processes; one regularizer at most owns the
optimizer step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fewtune.environment import give_back_memory
from fewtune.errors import PlanError, TrainingStopped
from fewtune.methods.base import trained_state
from fewtune.models.twin import lent
from fewtune.regularizers.base import Regularizer
from fewtune.train.agreement import anywhere, first_says
from fewtune.train.averages import average
from fewtune.train.checkpoint import restore_weights
from fewtune.train.interrupts import interrupts
from fewtune.train.monitors.base import Advice, Evaluation, Monitor
from fewtune.train.optimizer import adamw
from fewtune.train.resume import resume, save
from fewtune.train.run import Forward, Training
from fewtune.train.update import update

__all__ = ["train"]

LOOSEST_LOSS = 1.2
"""A better headline counts only while the validation loss is below this multiple of its minimum;
beyond it the model over-memorises (2508.04117)."""


def train(run: Training) -> Training:
    """Train until the plan or a monitor ends it; the best weights are in the model afterwards.

    Raises
    ------
    TrainingStopped
        If a monitor aborts: nothing of the training is to be kept.
    PlanError
        If two regularizers want to own the update, or weights of the base itself would train.
    KeyboardInterrupt
        After an interrupt, once the update is finished and a checkpoint is written.
    """
    owner = _owner(run.regularizers)
    run.model.to(run.device).train()
    _refuse_lent(run)
    run.start = trained_state(run.model, run.base)
    run.optimizer = adamw(run.model, run.plan)
    run.forward, run.optimizer = run.accelerator.prepare(
        Forward(run.model, run.task, run.method), run.optimizer
    )
    resume(run)
    for regularizer in run.regularizers:
        regularizer.start(run)
    order = run.method.order(run.rows, run.plan.batch_size, run.seed)
    if run.evaluate is not None and not run.evaluations:
        _evaluate(run, run.evaluate)
    saved = time.monotonic()
    began = run.update
    with interrupts() as interrupted:
        while run.update < run.last and not run.end:
            # A resumed training begins within a round: what the round set up is set up again.
            if run.update % order.updates_per_epoch == 0 or run.update == began:
                for regularizer in run.regularizers:
                    regularizer.round(run)
            step = update(run, owner, order.rows(run.update))
            average(run)
            run.end = _act(run, [(m, m.after_step(run, step)) for m in run.monitors])
            planned = run.update % run.counts.evaluate_every == 0 or run.update == run.last
            # What was learned since the last evaluation is judged too before training stops.
            if run.evaluate is not None and (planned or run.end == "stop"):
                found = _evaluate(run, run.evaluate)
                after = _act(run, [(m, m.after_evaluation(run, found)) for m in run.monitors])
                run.end = after or run.end
            # One Ctrl-C reaches the processes at different updates; they must end after the same.
            asked = anywhere(run.accelerator, interrupted())
            due = time.monotonic() - saved >= run.plan.checkpoint_seconds
            if asked or (due and not run.end):
                save(run)
                saved = time.monotonic()
            if asked:
                raise KeyboardInterrupt
    for regularizer in run.regularizers:
        regularizer.finish(run)
    if run.evaluate is None:
        # Without validation rows the last weights are kept, or the mean of the last ones; what was
        # to be rolled back is not.
        run.best = run.start if run.end == "roll back" else run.best or run.weights()
    restore_weights(run.model, run.best)
    run.model.eval()
    # It keeps all that it has ever prepared: the optimizer's state of every candidate.
    run.accelerator.free_memory()
    run.optimizer.zero_grad(set_to_none=True)
    run.optimizer.state.clear()
    give_back_memory()
    return run


def _owner(regularizers: Sequence[Regularizer]) -> Regularizer | None:
    owners = [r for r in regularizers if r.owns_update]
    if len(owners) > 1:
        raise PlanError(
            "at most one regularizer that does the update itself",
            " and ".join(r.name for r in owners),
            "regularizers",
            "Keep one of them",
        )
    return owners[0] if owners else None


def _refuse_lent(run: Training) -> None:
    """Raise where training would write to the base that everything is compared with."""
    names = [] if run.base is None else lent(run.model, run.base)
    if names:
        raise PlanError(
            f"weights of its own for all that method {run.method.name} trains",
            f"{len(names)} of the base itself, e.g. {names[0]}",
            "method.name",
            "Copy in prepare what trains (own_head copies the head), or set keeps_base = False",
        )


def _evaluate(run: Training, evaluate: Callable[[int], Evaluation]) -> Evaluation:
    """Measure the validation rows and keep the weights if no monitor objects and none are better.

    The start is always kept: where no later weights are allowed, nothing was tuned.
    """
    # Gradients have done their work; the next update makes its own.
    run.optimizer.zero_grad(set_to_none=True)
    give_back_memory()
    found = evaluate(run.update)
    figures = [monitor.figures(run) for monitor in run.monitors]
    found = replace(found, more={**found.more, **{k: v for f in figures for k, v in f.items()}})
    found = first_says(run.accelerator, found)
    # Every monitor is asked: one may remember what it was asked about.
    allowed = all([monitor.allows(run, found) for monitor in run.monitors])
    lowest = min([e.loss for e in run.evaluations] + [found.loss])
    before = run.best_evaluation
    bounded = found.loss <= LOOSEST_LOSS * lowest
    better = bounded and (before is None or _rank(found) > _rank(before))
    if before is None or (allowed and (better or run.method.solves_after)):
        found = replace(found, best=True)
        run.best_evaluation = found
        run.keep_best()
    run.evaluations.append(found)
    run.journal.write(
        "evaluation",
        run.stage,
        run.update,
        validation_loss=found.loss,
        error=found.error,
        headline=found.headline,
        best=found.best,
        **found.more,
    )
    give_back_memory()
    return found


def _rank(evaluation: Evaluation) -> tuple[float, float]:
    headline, loss = evaluation.better * evaluation.headline, -evaluation.loss
    return (loss, headline) if evaluation.few else (headline, loss)


def _act(run: Training, advices: Sequence[tuple[Monitor, Advice]]) -> str:
    """Write down what monitors said; return ``stop`` or ``roll back`` if training is over.

    Losses are reduced and evaluations are the first process's, so all processes act together.
    """
    end = ""
    for monitor, advice in advices:
        if advice.action == "go":
            continue
        run.journal.write(
            "monitor",
            run.stage,
            run.update,
            monitor=monitor.name,
            action=advice.action,
            sentence=advice.sentence,
            figure=advice.figure,
        )
        if advice.action == "abort":
            raise TrainingStopped(
                "finite losses and gradients",
                advice.sentence,
                f"training {run.stage}",
                "Lower the learning rate, or look at the rows and weights; nothing was saved",
            )
        if advice.action in ("stop", "roll back"):
            end = advice.action if end != "roll back" else end
    return end
