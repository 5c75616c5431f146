"""The refit: the chosen candidate fitted again on all known rows, as long as was found best.

Rows that chose are rows that can teach: with a fifth of them held out for the choice, the final
model would know a fifth less than it could.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from fewtune.methods.base import Method
from fewtune.methods.head import install
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.counts import counts
from fewtune.plan.plan import TrainingPlan
from fewtune.select import controls
from fewtune.select.candidates import held_by
from fewtune.select.ease import eased, slack
from fewtune.select.fitting import names_of, prepared_model, settle, training_of
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.checkpoint import restore_weights
from fewtune.train.loop import train
from fewtune.train.optimizer import rate_at
from fewtune.train.trunk import cached_trunk

__all__ = ["again", "finish", "settled"]

LEAST_AVERAGED = 40
"""Updates of a refit below which its last weights are kept: a mean over the last seven tenths was
worse with 28 and better with 45 (benchmarks/LOG.md)."""

LEAST_HELD = 30
"""Updates of the refit of a held language model, at least. A dozen validation rows of short answers
can be best after one or two evaluations, at a rate that has hardly begun to fall; whole schedules
of 12, 18, 25, 35 and 50 updates on a hundred such rows came to 1.79, 1.73, 1.69, 1.65 and 1.61
nats/byte, on fifty to 1.91, 1.89, 1.88, 1.92 and 1.95 (benchmarks/LOG.md)."""

LEAST_OF_IMAGES = 60
"""The same of image models: 30 updates had 80 to 86% where 60 had 90 to 93, and seven validation
rows had stopped at 30 (benchmarks/LOG.md)."""

LEAST_SHARE = 0.6
"""Of a shorter plan, the share of its updates that is the least."""

TURNED_LITTLE = 0.05
"""Rise of the loss after its best, as a share of it, of a held trial that hardly turned worse. Of
what was *gained* a share says nothing where a base begins far away: 13% more loss was a twentieth
of that, and training on through it cost a tenth of the target (benchmarks/LOG.md)."""


def settled(training: TrainingPlan, rows: int, stop: int) -> int:
    """Return the updates of a whole schedule with as much rate in all as one has up to ``stop``.

    A trial that was best early was best at a high rate, where weights still jump about and what
    guards the base has not settled. Its successor knows how long it trains: its rate falls to zero
    by the end, over as many more updates as make up for that.

    Parameters
    ----------
    training
        The schedule that was cut short.
    rows
        Rows that train.
    stop
        Updates after which it was best; at its end the schedule stays as it is.
    """
    if stop >= training.updates:
        return training.updates
    whole = counts(training, rows)
    wanted = sum(rate_at(update, training, whole) for update in range(stop))
    for updates in range(stop, training.updates):
        shorter = _whole(training, updates)
        own = counts(shorter, rows)
        if sum(rate_at(update, shorter, own) for update in range(updates)) >= wanted:
            return updates
    return training.updates


def _whole(training: TrainingPlan, updates: int) -> TrainingPlan:
    """Return a schedule of so many updates that leaves its warm-up; nothing evaluates it."""
    warmup = min(training.warmup, 1 - 1 / updates)
    return training.model_copy(update={"updates": updates, "warmup": warmup, "evaluations": 1})


def finish(material: Material, chosen: Trial) -> Outcomes:
    """Fit the chosen trial on all known rows; return what it does on the test rows.

    A head is fitted again with the settings that were chosen. A trained candidate learns from all
    rows as much as its trial had where it was best (see ``settled``), for as many epochs where that
    was at its end, no shorter than it takes to settle (see ``_least``), and is dialled as its trial
    was; where ``select.refit`` is off it stays as validation found it, and after a cross-fit, which
    leaves no model but those of its folds, it learns from the training rows alone.
    """
    if chosen.head is not None:
        chosen.head = _whole_head(material, chosen)
        install(chosen.model, chosen.head)
        return controls.from_states(material, chosen.head, material.states()[1], material.test)
    whole = material.plan.select.refit
    if (whole or chosen.crossfitted) and chosen.updates:
        # What the trial trained is not asked again: it would lie beside what is trained now.
        chosen.model = material.base()
        rows = None if whole else range(len(material.train))
        chosen.method, chosen.model = again(material, chosen, rows, "all" if whole else "train")
    return material.task.outcomes(chosen.model, material.test)


def _whole_head(material: Material, chosen: Trial) -> Fitted:
    """Return a head fitted on all known rows, with its variations where the trial had them."""
    head = material.known_head()
    if chosen.candidate.varied:
        head = refit(material.known_states(names=True).joined(material.varied_states()), head)
    return head


def again(
    material: Material,
    chosen: Trial,
    known: Sequence[int] | None = None,
    name: str = "all",
) -> tuple[Method, nn.Module]:
    """Return the chosen candidate's method and model, trained anew as long and dialled as far.

    Parameters
    ----------
    known
        Numbers of the known rows to train on; all of them by default. Those of
        ``material.varied`` join where the candidate is varied and all rows train.
    name
        What is added to the candidate's name in the journal.
    """
    task = material.task
    more = material.varied() if chosen.candidate.varied and known is None else []
    some = range(len(material.known)) if known is None else known
    head = None if task.name == "generation" else material.known_head()
    if head is not None and known is not None:
        # A head that saw the other rows would tell their labels.
        own = np.asarray(known, dtype=np.int64)
        head = refit(material.known_states(names=True).take(own), head)
    names = names_of(task, head)
    plain = [*(material.known[i] for i in some), *more]
    rows = chosen.method.joined(plain, names)
    whole, length = _schedule(material, chosen, len(plain), len(more))
    weaker = slack(chosen, material.plan)
    candidate = replace(
        chosen.candidate,
        training=whole,
        name=f"{chosen.name}+{name}",
        regularizers=eased(chosen.candidate.regularizers, weaker),
    )
    why = "as its trial learnt nearly all and forgot next to nothing"
    less = f"; held {weaker:.1f} times less, {why}"
    material.journal.write(
        "stage",
        name=candidate.name,
        sentence=f"training {chosen.name} again on {'all ' if known is None else ''}"
        + _told(whole, len(plain), len(rows) - len(plain), length)
        + less * (weaker > 1),
        updates=whole.updates,
    )
    method, model = prepared_model(material, candidate, head)
    shared = {"asked": material.train}
    run = training_of(material, candidate, method, model, rows, more=shared)
    seen = [*plain, *names]
    with cached_trunk(model, task, seen, material.journal, candidate.name, run.folder.parent):
        train(run)
        if chosen.alpha != 1.0:
            restore_weights(model, method.blend(run.start, run.best, chosen.alpha))
        settle(material, method, model, plain, head)
    return method, model


AS_MUCH = "as much as it had learnt where it was best"
OF_EACH = (
    "as much of each row as it had learnt where it was best, since it hardly turned worse after"
)
AT_LEAST = "the least in which weights settle, since it was best so early"


def _schedule(material: Material, chosen: Trial, rows: int, more: int) -> tuple[TrainingPlan, str]:
    """Return the schedule on ``rows`` rows, of which ``more`` are variations of others.

    With it comes why it is as long as it is.
    """
    training, length = chosen.candidate.training, AS_MUCH
    # As many epochs as before are more updates now. A trial of the cross-fit left out a fold.
    grown = rows / max(1, _trained_rows(material, chosen) + more)
    if _hardly_turned(material, chosen):
        length = OF_EACH
    elif chosen.turned:
        # It turned worse before its end: more rows are no reason to go further from the base.
        grown = min(grown, 1.0)
    # Compared rows are many pairs however few they are: their updates do not count epochs.
    grown = 1.0 if chosen.method.compares else grown
    updates = max(1, round(settled(training, len(material.train), chosen.updates) * grown))
    if updates < (least := _least(material, chosen)):
        updates, length = least, AT_LEAST
    whole = _whole(training, updates)
    if not chosen.turned or updates < LEAST_AVERAGED:
        # It is learning to its end: a mean over what it was before would be a step back.
        whole.averaged = 0.0
    return whole, length


def _hardly_turned(material: Material, chosen: Trial) -> bool:
    """Return whether a held language model's trial hardly turned worse after it was best.

    Then a few validation rows have seen where it was best, and not that more updates harm: more
    rows are a reason to train longer. To its planned end would be too long: where few pairs have
    much in common the validation rows cannot see what is learnt by heart (benchmarks/LOG.md).
    """
    losses = [evaluation.loss for evaluation in chosen.evaluations]
    if not (losses and chosen.turned and _held(material, chosen)):
        return False
    best = min(losses)
    return losses[-1] - best <= TURNED_LITTLE * best


def _least(material: Material, chosen: Trial) -> int:
    """Return the updates that a refit has at least; 0 where the trial's best says all."""
    least = LEAST_HELD if _held(material, chosen) else 0
    if material.task.name == "image_classification":
        least = LEAST_OF_IMAGES
    return min(least, round(LEAST_SHARE * chosen.candidate.training.updates))


def _held(material: Material, chosen: Trial) -> bool:
    """Return whether the trial is of a language model that is held to its base."""
    return material.task.name == "generation" and bool(held_by(chosen.candidate.regularizers))


def _told(training: TrainingPlan, rows: int, names: int, length: str) -> str:
    """Return on what and for how long is trained, in words, with why it is so long."""
    beside = f" and the names of {names} classes" if names else ""
    last = round(training.averaged * training.updates)
    mean = f"; the mean of its last {last} weights is kept" if last > 1 else ""
    return (
        f"{rows} known rows{beside}: {training.updates} updates "
        f"({counts(training, rows + names).epochs:.1f} epochs), {length}{mean}"
    )


def _trained_rows(material: Material, chosen: Trial) -> int:
    """Return on how many rows the trial was trained."""
    if chosen.crossfitted:
        folds = material.folds()
        return round(len(material.known) * (1 - 1 / len(folds)))
    return len(material.train)
