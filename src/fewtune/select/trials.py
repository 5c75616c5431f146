"""Trials: the candidates of a plan, each fitted on the training rows and judged on validation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from fewtune.environment import seed_everything
from fewtune.measures.base import RowMeasure
from fewtune.measures.intervals import weights
from fewtune.methods.base import METHODS, Method
from fewtune.methods.head import install
from fewtune.methods.probe import Fitted, fit, refit
from fewtune.plan.plan import Part, TrainingPlan, counts
from fewtune.records import Score
from fewtune.regularizers.base import REGULARIZERS
from fewtune.select.controls import from_states
from fewtune.select.dial import turn
from fewtune.select.material import Material
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.loop import train
from fewtune.train.monitors.base import MONITORS, Evaluation
from fewtune.train.run import Training
from fewtune.train.trunk import cached_trunk

__all__ = ["Trial", "choose", "solve_head", "train_candidate", "train_head"]


@dataclass
class Trial:
    """A fitted candidate.

    Attributes
    ----------
    name
        Its name in the journal and in the report.
    method
        The method, which knows how to keep it.
    model
        The fitted model, in evaluation mode.
    validation
        What it does on the validation rows.
    score
        Its headline measure on them.
    seconds
        What fitting took.
    learning_rate, updates
        Of its training; 0 where a solver fitted it.
    alpha
        Where the dial stands; 1 where it was not turned.
    varied
        Whether variations of the training rows were trained too.
    """

    name: str
    method: Method
    model: nn.Module
    validation: Outcomes
    score: Score
    seconds: float
    learning_rate: float = 0.0
    updates: int = 0
    alpha: float = 1.0
    head: Fitted | None = None
    varied: bool = False


def solve_head(material: Material, *, varied: bool = False) -> Trial:
    """Return the frozen base with a head fitted by a solver on the training rows.

    Parameters
    ----------
    material
        What to fit on.
    varied
        Whether variations of the training rows join, with the settings chosen without them.
    """
    began = time.monotonic()
    fitted = train_head(material)
    if varied:
        rows = material.known_states(names=True).take(np.arange(len(material.train)))
        fitted = refit(rows.joined(material.varied_states()), fitted)
    states = material.states()[0][len(material.train) :]
    validation = from_states(material, fitted, states, material.validation)
    return Trial(
        name="head+varied" if varied else "head",
        method=METHODS.load("head")(),
        model=material.base(),
        validation=validation,
        score=material.headline.of(validation),
        seconds=time.monotonic() - began,
        head=fitted,
        varied=varied,
    )


def train_head(material: Material) -> Fitted:
    """Return the head fitted on the training rows alone; its folds are those of all known rows."""

    def compute() -> Fitted:
        most = len(material.train)
        folds = [[row for row in fold if row < most] for fold in material.folds()]
        return fit(material.known_states(names=True).take(np.arange(most)), folds)

    return material.once("train_head", compute)


def train_candidate(
    material: Material,
    part: Part,
    training: TrainingPlan,
    name: str,
    *,
    varied: bool = False,
) -> Trial:
    """Return a method's model trained on the training rows, its dial turned on validation.

    A classifier starts from the solver-fitted head (head first, then the rest: 2202.10054).
    With ``varied`` the variations of the training rows train too.
    """
    began = time.monotonic()
    plan, task = material.plan, material.task
    more = material.varied() if varied else []
    rows = [*material.train, *more]
    method = METHODS.load(part.name)(part.options)
    model = task.load_model()
    seed_everything(plan.seed)
    if hasattr(model, "head"):
        install(model, train_head(material))
    model = method.prepare(model, task).to(material.accelerator.device)
    run = Training(
        stage=name,
        model=model,
        task=task,
        method=method,
        rows=rows,
        plan=training,
        counts=counts(training, len(rows)),
        seed=plan.seed,
        journal=material.journal,
        folder=material.folder / "checkpoints" / name,
        evaluate=lambda update: _evaluation(material, model, update),
        accelerator=material.accelerator,
        regularizers=[REGULARIZERS.load(r.name)(r.options) for r in plan.regularizers],
        monitors=[MONITORS.load(m.name)(m.options) for m in plan.monitors],
        validation=material.validation,
    )
    seen = [*material.known, *more]
    with cached_trunk(model, task, seen, material.journal, name, run.folder.parent):
        train(run)
        dialled = turn(material, run)
    best = run.best_evaluation
    return Trial(
        name=name,
        method=method,
        model=model,
        validation=dialled.outcomes,
        score=material.headline.of(dialled.outcomes),
        seconds=time.monotonic() - began,
        learning_rate=training.learning_rate,
        updates=best.update if best else 0,
        alpha=dialled.alpha,
        varied=varied,
    )


def _evaluation(material: Material, model: nn.Module, update: int) -> Evaluation:
    """Return the validation rows under the model's present weights."""
    outcomes = material.task.outcomes(model, material.validation)
    by_bytes = material.task.name == "generation"
    size = outcomes.bytes if by_bytes else outcomes.units
    loss = outcomes.losses.sum() / size.sum()
    # Standard error of a ratio of sums, by linearisation.
    spread = outcomes.losses - loss * size
    error = float(np.sqrt((spread**2).sum()) / size.sum())
    measure: RowMeasure = material.headline
    value = float(measure.values(outcomes, np.ones((1, len(outcomes))))[0])
    return Evaluation(
        update=update,
        loss=float(loss),
        error=error,
        headline=value,
        better=1 if measure.direction == "higher" else -1,
        more={measure.name: value},
    )


FLATTERY = 2.0
"""Standard errors by which a trained candidate must lead a solved one. Its snapshot and its dial
were picked on the validation rows, which alone is worth about one (benchmarks/LOG.md)."""


def choose(material: Material, trials: Sequence[Trial]) -> tuple[Trial, str]:
    """Return the cheapest trial within one standard error of the best, and the reason in words.

    Where the best was trained and the cheaper one solved, two standard errors are asked for.

    Parameters
    ----------
    material
        For the headline measure.
    trials
        Cheapest first.
    """
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    best = max(trials, key=lambda trial: sign * trial.score.value)
    for trial in trials:
        behind, error = _behind(measure, best.validation, trial.validation)
        flattered = best.head is None and trial.head is not None
        margin = error * (FLATTERY if flattered else 1.0)
        if trial is best or sign * behind <= margin:
            break
    rows = f"{len(material.validation)} validation rows"
    if trial is best:
        reason = f"best {measure.name.replace('_', ' ')} on the {rows}"
        if len(trials) > 1:
            reason += ", and no cheaper candidate is near enough"
    else:
        within = "two standard errors" if flattered else "one standard error"
        reason = (
            f"the cheapest within {within} of the best: {best.name} is ahead by "
            f"{abs(behind):.4f} ± {error:.4f} on {rows}"
        )
    return trial, reason


def _behind(measure: RowMeasure, best: Outcomes, other: Outcomes) -> tuple[float, float]:
    """Return best minus other on the same rows, and the standard error of that difference."""
    ones = np.ones((1, len(best)))
    value = float((measure.values(best, ones) - measure.values(other, ones))[0])
    drawn = [
        measure.values(best, w) - measure.values(other, w) for w in weights(best.groups, 2000, 0)
    ]
    return value, float(np.concatenate(drawn).std())
