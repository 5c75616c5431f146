"""Trials: the candidates of a plan, each fitted on the training rows and judged on validation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from fewtune.measures.observe.spread import spread
from fewtune.methods.base import METHODS, Method
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.counts import counts
from fewtune.records import Score
from fewtune.select.by_row import ByRow
from fewtune.select.candidates import Candidate
from fewtune.select.controls import from_states
from fewtune.select.dial import NOT_ASKED, Rise, turn
from fewtune.select.fitting import evaluation, names_of, prepared_model, settle, training_of
from fewtune.select.heads import train_head
from fewtune.select.material import Material
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.trunk import cached_trunk

__all__ = [
    "Trial",
    "idle_head",
    "let_go",
    "seen_by",
    "solve_head",
    "train_candidate",
    "try_out",
]


@dataclass
class Trial:
    """A fitted candidate.

    Attributes
    ----------
    candidate
        What was fitted.
    method
        The method, which knows how to keep it.
    model
        The fitted model, in evaluation mode.
    validation
        What it does on rows that it was not trained on: the validation rows, or every known row
        that may judge where it was cross-fitted, once for each partition.
    score
        Its headline measure on them.
    seconds
        What fitting took.
    updates
        At which it was best; 0 where a solver fitted it.
    alpha
        Where the dial stands; 1 where it was not turned.
    head
        The head, where a solver fitted it.
    seen
        What it does on rows that it was trained on, where that was measured on the way; of a
        cross-fit what models of folds do that held others, at the same place as ``validation``.
    evaluations
        Every evaluation of its training, oldest first; of a cross-fit those of all folds together,
        the dial where it stands.
    crossfitted
        Whether its validation is out of fold.
    by_row
        What a cross-fit says of each row; ``None`` of another trial.
    rise
        What the whole tuning costs on general text, the dial at 1, where that was asked (a language
        model).
    kept_rise
        The same of what is kept, the dial where it stands.
    idle_head
        Number of values of a classifier's head that were neither fitted nor trained; 0 where the
        head could learn.
    """

    candidate: Candidate
    method: Method
    model: nn.Module
    validation: Outcomes
    score: Score
    seconds: float
    updates: int = 0
    alpha: float = 1.0
    head: Fitted | None = None
    seen: Outcomes | None = None
    evaluations: Sequence[Evaluation] = ()
    crossfitted: bool = False
    by_row: ByRow | None = None
    rise: Rise = NOT_ASKED
    kept_rise: Rise = NOT_ASKED
    idle_head: int = 0

    @property
    def name(self) -> str:
        """Name in the journal and in the report."""
        return self.candidate.name

    @property
    def turned(self) -> bool:
        """Whether it was best before its training was planned to end."""
        return self.updates < self.candidate.training.updates

    def let_go(self) -> None:
        """Forget the model; what it did is known, and it would lie beside others."""
        self.model = nn.Module()

    @property
    def learning_rate(self) -> float:
        """Peak learning rate; 0 where a solver fitted it."""
        return 0.0 if self.head is not None else self.candidate.training.learning_rate


def try_out(material: Material, candidate: Candidate) -> Trial:
    """Return the candidate, fitted by a solver where one can (a classifier's head) or trained."""
    journal = material.journal
    if METHODS.load(candidate.method.name).solves & {material.task.name}:
        journal.write("stage", name=candidate.name, sentence="fitting a head by a solver")
        return solve_head(material, candidate)
    rows = len(material.train) + (len(material.varied()) if candidate.varied else 0)
    planned = counts(candidate.training, rows)
    journal.write(
        "stage",
        name=candidate.name,
        sentence=f"training {candidate.name} at rate {candidate.training.learning_rate:g}: "
        + planned.sentence(),
        updates=candidate.training.updates,
        updates_per_epoch=planned.updates_per_epoch,
    )
    return train_candidate(material, candidate)


def solve_head(material: Material, candidate: Candidate) -> Trial:
    """Return the frozen base with a head fitted by a solver on the training rows.

    Where the candidate is varied, variations of the training rows join, with the settings chosen
    without them.
    """
    began = time.monotonic()
    fitted = train_head(material)
    if candidate.varied:
        rows = material.known_states(names=True).take(np.arange(len(material.train)))
        fitted = refit(rows.joined(material.varied_states()), fitted)
    states = material.states()[0]
    most = len(material.train)
    validation = from_states(material, fitted, states[most:], material.validation)
    return Trial(
        candidate=candidate,
        method=METHODS.load(candidate.method.name)(candidate.method.options),
        model=material.base(),
        validation=validation,
        score=material.headline.of(validation),
        seconds=time.monotonic() - began,
        head=fitted,
        seen=from_states(material, fitted, states[:most], material.train),
    )


def train_candidate(material: Material, candidate: Candidate) -> Trial:
    """Return a candidate's model trained on the training rows, its dial turned on validation."""
    began = time.monotonic()
    task = material.task
    more = material.varied() if candidate.varied else []
    head = train_head(material) if task.name != "generation" else None
    method, model = prepared_model(material, candidate, head)
    names = names_of(task, head)
    plain = [*material.train, *more]
    rows = method.joined(plain, names)

    def settled() -> None:
        settle(material, method, model, plain, head)

    def evaluate(update: int) -> Evaluation:
        settled()
        return evaluation(material, task.outcomes(model, material.validation), update)

    run = training_of(
        material,
        candidate,
        method,
        model,
        rows,
        evaluate=evaluate,
        validation=material.validation,
    )
    seen = [*material.known, *more, *names]
    with cached_trunk(model, task, seen, material.journal, candidate.name, run.folder.parent):
        train(run)
        dialled = turn(material, run, settled)
    best = run.best_evaluation
    return Trial(
        candidate=candidate,
        method=method,
        model=model,
        validation=dialled.outcomes,
        score=material.headline.of(dialled.outcomes),
        seconds=time.monotonic() - began,
        updates=best.update if best else 0,
        alpha=dialled.alpha,
        evaluations=run.evaluations,
        rise=dialled.rise,
        kept_rise=dialled.kept_rise,
        idle_head=idle_head(model, candidate, method),
    )


def seen_by(material: Material, trial: Trial) -> Outcomes:
    """Return what the trial does on rows that it was trained on, at most as many as judged it."""
    if trial.seen is None:
        some = spread(len(trial.validation), len(material.train))
        trial.seen = material.task.outcomes(trial.model, [material.train[i] for i in some])
    return trial.seen.take(spread(len(trial.validation), len(trial.seen)))


def let_go(material: Material, trial: Trial) -> None:
    """Let a trial's model go, having seen what it does on rows that it was trained on.

    Its figures decide, and the refit trains anew; the model would lie beside that of the next.
    """
    seen_by(material, trial)
    trial.model = material.base()


def idle_head(model: nn.Module, candidate: Candidate, method: Method) -> int:
    """Return the number of values of a head that nothing could teach; see ``Trial.idle_head``."""
    head = getattr(model, "head", None)
    if head is None or candidate.training.head_first is not False or method.solves_after:
        return 0
    values = list(head.parameters())
    return 0 if any(p.requires_grad for p in values) else sum(p.numel() for p in values)
