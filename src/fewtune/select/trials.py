"""Trials: the candidates of a plan, each fitted on the training rows and judged on validation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from fewtune.measures.base import row_measure
from fewtune.methods.base import METHODS, Method
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.plan import counts
from fewtune.records import Score
from fewtune.select.candidates import Candidate
from fewtune.select.controls import from_states
from fewtune.select.dial import turn
from fewtune.select.fitting import evaluation, names_of, prepared_model, settle, training_of
from fewtune.select.heads import train_head
from fewtune.select.material import Material
from fewtune.select.near import behind, calibrated_losses, surest
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.agreement import first_says
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.trunk import cached_trunk

__all__ = [
    "Trial",
    "choose",
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
        that may judge where it was cross-fitted.
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
        What it does on rows that it was trained on, where that was measured on the way.
    evaluations
        Every evaluation of its training, oldest first.
    crossfitted
        Whether its validation is out of fold.
    rise
        What it costs on general text, as a share, where that was asked (a language model).
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
    rise: float | None = None

    @property
    def name(self) -> str:
        """Name in the journal and in the report."""
        return self.candidate.name

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
    journal.write(
        "stage",
        name=candidate.name,
        sentence=f"training {candidate.name} at rate {candidate.training.learning_rate:g}: "
        + counts(candidate.training, rows).sentence(),
        updates=candidate.training.updates,
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
    )


FLATTERY = 2.0
"""Standard errors by which a trained candidate must lead a solved one. Its snapshot and its dial
were picked on the validation rows, which alone is worth about one (benchmarks/LOG.md)."""

UNFLATTERED = 0.0
"""The same for one whose last weights are kept, whatever validation says of them. On few rows a
standard error would mostly leave the head, of which it is the successor at the same size and cost
of an answer."""


def choose(material: Material, trials: Sequence[Trial]) -> tuple[Trial, str]:
    """Return the cheapest trial within one standard error of the best, and the reason in words.

    A classifier is near only if both its headline and its loss at its best temperature are. Where
    the best was trained and the cheaper one solved, two standard errors are asked for; where the
    best's last weights were kept, none.

    Parameters
    ----------
    material
        For the headline measure.
    trials
        Cheapest first, all judged on the same rows.
    """
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    # The cheaper of equals.
    dearest = list(reversed(trials))
    ahead = surest(measure, [trial.validation for trial in dearest])
    best = dearest[first_says(material.accelerator, ahead)]
    calibrated = calibrated_losses(best.validation)
    for trial in trials:
        gap, error = behind(measure, best.validation, trial.validation)
        errors = 1.0
        if best.head is None and trial.head is not None:
            errors = UNFLATTERED if best.method.solves_after else FLATTERY
        near = sign * gap <= errors * error
        if near and best.validation.labels:
            other = calibrated_losses(trial.validation)
            more, spread = behind(row_measure("log_loss"), calibrated, other)
            near = -more <= errors * spread
        if first_says(material.accelerator, trial is best or near):
            break
    kind = "known rows, out of fold" if material.plan.select.folds else "validation rows"
    rows = f"{len(best.validation)} {kind}"
    if trial is best:
        headline = measure.name.replace("_", " ")
        reason = f"best {headline} on the {rows}"
        if sign * best.score.value < max(sign * one.score.value for one in trials):
            reason = f"lowest loss on the {rows} of those within one standard error in {headline}"
        if len(trials) > 1:
            reason += ", and no cheaper candidate is near enough"
    else:
        within = {FLATTERY: "two standard errors", 1.0: "one standard error"}.get(errors, "nothing")
        reason = (
            f"the cheapest within {within} of the best: {best.name} is ahead by "
            f"{abs(gap):.4f} ± {error:.4f} on {rows}"
        )
    return trial, reason
