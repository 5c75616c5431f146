"""The cross-fit: every known row predicted by a model that never saw it, and by one that did.

k grouped, stratified folds, as ``data.folds`` makes them, and as many such partitions as
``select.repeats`` asks for. One computation, four answers: the honest measure with an interval from
all known rows (``Trial.validation``); each row's memorization (loss of models that did not see it
minus loss of models that did), suspected label errors, and how hard each row is (``by_row``).
What does not depend on the fold is done once: tokens, the loaded model, the trunk, frozen states.
The number of updates and the dial are chosen on all folds together, so that no row chooses for
itself alone; of a language model within the budget of what it may forget, as the dial does.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from fewtune.environment import seed_everything
from fewtune.methods.base import Method
from fewtune.methods.head import install
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.counts import counts
from fewtune.select.by_row import by_row
from fewtune.select.candidates import Candidate
from fewtune.select.controls import from_states
from fewtune.select.fitting import names_of, prepared_model, settle, training_of
from fewtune.select.material import Material
from fewtune.select.partitions import Fold, partitions
from fewtune.select.places import best_place, course, stands, tell_places
from fewtune.select.trials import Trial, idle_head
from fewtune.select.watched import START, Place, Rounds, Watched, learnt, unknown, watch
from fewtune.train.agreement import first_says
from fewtune.train.checkpoint import restore_weights
from fewtune.train.loop import train
from fewtune.train.run import Training
from fewtune.train.trunk import cached_trunk

__all__ = ["cross_fit", "cross_fit_head"]


def cross_fit_head(material: Material, trial: Trial) -> Trial:
    """Return a solver-fitted head's trial, judged out of fold on every known row that may judge."""
    parts, fitted, states = partitions(material), material.known_head(), material.states()[0]

    def fit_without(fold: Fold) -> Watched:
        head = _head_without(material, fitted, fold.rest)
        held, own = (
            from_states(material, head, states[list(rows)], [material.known[i] for i in rows])
            for rows in (fold.held, fold.learnt)
        )
        return Watched(fold, {START: held}, {START: own}, {START: None})

    rounds = [[fit_without(fold) for fold in folds] for folds in parts]
    return replace(trial, **_found(material, rounds, START))


def _found(material: Material, rounds: Rounds, place: Place) -> dict[str, Any]:
    """Return the fields of a trial that say what its models did at a place on all known rows."""
    outcomes, rows = unknown(material, rounds, place), by_row(material, rounds, place)
    return {
        "validation": outcomes,
        # A repeat is no further row.
        "score": replace(material.headline.of(outcomes), n=len(rows.rows)),
        "seen": learnt(rounds, place),
        "by_row": rows,
        "crossfitted": True,
    }


def cross_fit(material: Material, candidate: Candidate) -> Trial:
    """Return the candidate's trial, judged out of fold on every known row that may judge.

    No model of a fold is kept; ``refit.finish`` trains the one that is, and where nothing was tuned
    the start stands in the trial.
    """
    began = time.monotonic()
    task, known = material.task, material.known
    head = None if task.name == "generation" else material.known_head()
    method, model = prepared_model(material, candidate, head)
    start = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    more = material.varied() if candidate.varied else []
    rows = [*known, *more, *names_of(task, head)]
    parts = partitions(material)
    most = sum(map(len, parts))
    rounds: list[list[Watched]] = []
    with cached_trunk(
        model, task, rows, material.journal, candidate.name, material.folder / "checkpoints"
    ):
        for folds in parts:
            rounds.append([])
            for fold in folds:
                number = 1 + sum(map(len, rounds))
                restore_weights(model, start)
                seed_everything(material.plan.seed)
                said = f"{candidate.name}, fold {number} of {most}"
                named = candidate.of_fold(number)
                rounds[-1].append(_fit_fold(material, named, method, model, head, fold, said))
    place = first_says(material.accelerator, best_place(material, rounds))
    if not place[0]:
        _install(model, candidate, head)
        restore_weights(model, start)
    evaluations, dialled = course(material, rounds, place), stands(material, rounds, place[0])
    tell_places(material, candidate.name, place, evaluations, dialled)
    rises = {stand.alpha: stand.rise for stand in dialled}
    return Trial(
        candidate=candidate,
        method=method,
        model=model,
        seconds=time.monotonic() - began,
        updates=place[0],
        alpha=place[1],
        evaluations=evaluations,
        rise=rises[1.0],
        kept_rise=rises[place[1]],
        idle_head=idle_head(model, candidate, method),
        **_found(material, rounds, place),
    )


def _fit_fold(
    material: Material,
    candidate: Candidate,
    method: Method,
    model: nn.Module,
    head: Fitted | None,
    fold: Fold,
    said: str,
) -> Watched:
    """Train on all folds but one and keep what the model does on that one, all along."""
    task, known = material.task, material.known
    if head is not None:
        _install(model, candidate, _head_without(material, head, fold.rest))
    rows, unseen = [known[i] for i in fold.rest], [known[i] for i in fold.held]
    if candidate.varied:
        # A variation of a row that is held would tell its label.
        parents = {row.example.source for row in unseen}
        rows += [r for r in material.varied() if r.example.parent not in parents]
    watched = Watched(fold)
    trained = method.joined(rows, names_of(task, head))
    planned = counts(candidate.training, len(rows))
    material.journal.write(
        "stage",
        name=candidate.name,
        sentence=f"{said}: training without {len(unseen)} rows, which judge: {planned.sentence()}",
        updates=candidate.training.updates,
        updates_per_epoch=planned.updates_per_epoch,
    )
    run = training_of(material, candidate, method, model, trained, validation=unseen)
    run.evaluate = watch(
        material, run, watched, lambda: settle(material, method, model, rows, head)
    )
    _begin_anew(run)
    train(run)
    return watched


def _begin_anew(run: Training) -> None:
    """Let go of a checkpoint: what its fold did before it was kept nowhere."""
    with run.accelerator.main_process_first():
        for folder in (run.folder, run.folder.with_name(run.folder.name + ".old")):
            shutil.rmtree(folder, ignore_errors=True)


def _install(model: Any, candidate: Candidate, head: Fitted | None) -> None:
    """Put a head into a classifier, unless its own is to be trained from nothing."""
    if head is not None and candidate.training.head_first is not False and hasattr(model, "head"):
        install(model, head)


def _head_without(material: Material, head: Fitted, rest: Sequence[int]) -> Fitted:
    """Return the head fitted on some of the known rows, its settings as found on all of them."""
    states = material.known_states(names=True).take(np.asarray(rest, dtype=np.int64))
    return refit(states, head)
