"""The cross-fit: every known row predicted by a model that never saw it, and by one that did.

k grouped, stratified folds, as ``data.split`` makes them. One computation, four answers: the
honest measure with an interval from all known rows; each row's memorization (loss of models that
did not see it minus loss of models that did); suspected label errors; and how hard each row is.
What does not depend on the fold is done once: tokens, the loaded model, the trunk, frozen states.
The number of updates and the dial are chosen on all folds together, so that no row chooses for
itself alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from fewtune.environment import seed_everything
from fewtune.methods.base import Method
from fewtune.methods.head import install
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.counts import counts
from fewtune.select.candidates import Candidate
from fewtune.select.controls import from_shares, from_states
from fewtune.select.fitting import evaluation, names_of, prepared_model, settle, training_of
from fewtune.select.material import Material
from fewtune.select.near import surest
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes, joined
from fewtune.train.agreement import first_says
from fewtune.train.checkpoint import restore_weights
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training
from fewtune.train.trunk import cached_trunk

__all__ = ["cross_fit", "cross_fit_head"]

Place = tuple[int, float]
"""Number of updates and stand of the dial."""


@dataclass
class _Fold:
    """What one fold's model does on rows that it never saw and that judge, at every evaluation."""

    held: Sequence[int]
    outcomes: dict[Place, Outcomes]
    seen: Outcomes | None = None

    def at(self, place: Place) -> Outcomes:
        """Return the outcomes at a place; where training ended before, those of its end."""
        update, alpha = place
        last = max(u for u, a in self.outcomes if a == alpha and u <= update)
        return self.outcomes[last, alpha]


def cross_fit_head(material: Material, trial: Trial) -> Trial:
    """Return a solver-fitted head's trial, judged out of fold on every known row that may judge."""
    fitted = material.known_head()
    judged = _judged(material)
    shares = fitted.out_of_fold[judged]
    if np.isnan(shares[:, 0]).any():
        # Without usable folds the validation rows are all there is.
        return trial
    trial.validation = from_shares(material, [material.known[i] for i in judged], shares)
    trial.crossfitted = True
    trial.score = material.headline.of(trial.validation)
    trial.seen = from_states(material, fitted, material.states()[0], material.known)
    return trial


def _judged(material: Material) -> list[int]:
    """Return the known rows that are held by some fold and may judge, in their order."""
    judges = material.judges()
    return sorted(row for fold in material.folds() for row in fold if judges[row])


def cross_fit(material: Material, candidate: Candidate) -> Trial:
    """Return the candidate's trial, judged out of fold on every known row that may judge.

    The model in the trial is that of the last fold; ``refit.finish`` trains the one that is kept.
    """
    began = time.monotonic()
    task, known = material.task, material.known
    general = None if task.name == "generation" else material.known_head()
    method, model = prepared_model(material, candidate, general)
    start = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    more = material.varied() if candidate.varied else []
    folds: list[_Fold] = []
    rows = [*known, *more, *names_of(task, general)]
    parts = material.folds()
    with cached_trunk(
        model, task, rows, material.journal, candidate.name, material.folder / "checkpoints"
    ):
        for number, away in enumerate(parts, 1):
            restore_weights(model, start)
            seed_everything(material.plan.seed)
            said = f"{candidate.name}, fold {number} of {len(parts)}"
            named = replace(candidate, name=f"{candidate.name}#{number}")
            folds.append(_fit_fold(material, named, method, model, general, away, said))
    place, curve = first_says(material.accelerator, _best_place(material, folds))
    for update, value in curve:
        material.journal.write("crossfit", candidate.name, update, value=value, alpha=place[1])
    order = [row for fold in folds for row in fold.held]
    back = np.argsort(order)
    outcomes = joined([fold.at(place) for fold in folds]).take(back)
    seen = [fold.seen for fold in folds if fold.seen is not None]
    return Trial(
        candidate=candidate,
        method=method,
        model=model,
        validation=outcomes,
        score=material.headline.of(outcomes),
        seconds=time.monotonic() - began,
        updates=place[0],
        alpha=place[1],
        seen=joined(seen) if seen else None,
        crossfitted=True,
    )


def _fit_fold(
    material: Material,
    candidate: Candidate,
    method: Method,
    model: nn.Module,
    general: Fitted | None,
    away: Sequence[int],
    said: str,
) -> _Fold:
    """Train on all folds but one and keep what the model does on that one, all along."""
    task, known = material.task, material.known
    out, judges = set(away), material.judges()
    rest = [row for row in range(len(known)) if row not in out]
    held = [row for row in away if judges[row]]
    head_first = candidate.training.head_first is not False
    if general is not None and head_first and hasattr(model, "head"):
        install(model, _head_without(material, general, rest))
    rows, unseen = [known[i] for i in rest], [known[i] for i in held]
    if candidate.varied:
        # A variation of a row that is held would tell its label.
        parents = {known[i].example.source for i in held}
        rows += [r for r in material.varied() if r.example.parent not in parents]
    fold = _Fold(held, {})
    trained = method.joined(rows, names_of(task, general))
    planned = counts(candidate.training, len(rows))
    material.journal.write(
        "stage",
        name=candidate.name,
        sentence=f"{said}: training without {len(held)} rows, which judge: {planned.sentence()}",
        updates=candidate.training.updates,
        updates_per_epoch=planned.updates_per_epoch,
    )
    run = training_of(material, candidate, method, model, trained, validation=unseen)
    run.evaluate = _watch(
        material, run, fold, unseen, lambda: settle(material, method, model, rows, general)
    )
    train(run)
    # As many rows that the model did train on, for what it has learnt by heart.
    few = np.linspace(0, len(rest) - 1, min(len(held), len(rest))).round().astype(int)
    fold.seen = task.outcomes(model, [known[rest[i]] for i in few])
    return fold


def _head_without(material: Material, general: Fitted, rest: Sequence[int]) -> Fitted:
    """Return the head fitted on some of the known rows, its settings as found on all of them."""
    states = material.known_states(names=True).take(np.asarray(rest, dtype=np.int64))
    return refit(states, general)


def _watch(
    material: Material,
    run: Training,
    fold: _Fold,
    unseen: Sequence[object],
    settled: Callable[[], None],
) -> Callable[[int], Evaluation]:
    """Return an evaluation that also keeps the outcomes at every blend of the plan."""
    alphas = [a for a in material.plan.select.dial if 0 < a < 1]

    def evaluate(update: int) -> Evaluation:
        now = {name: value.clone() for name, value in run.weights().items()}
        settled()
        outcomes = material.task.outcomes(run.model, unseen)  # type: ignore[arg-type]
        fold.outcomes[update, 1.0] = outcomes
        for alpha in alphas:
            restore_weights(run.model, _blend(run, now, alpha))
            settled()
            fold.outcomes[update, alpha] = material.task.outcomes(run.model, unseen)  # type: ignore[arg-type]
        restore_weights(run.model, now)
        return evaluation(material, outcomes, update)

    return evaluate


def _blend(run: Training, now: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    return run.method.blend(run.start, now, alpha)


def _best_place(
    material: Material, folds: Sequence[_Fold]
) -> tuple[Place, list[tuple[int, float]]]:
    """Return where all folds together are best, and the curve over updates at that blend.

    Of equals, and for a classifier of those that are nearly as good, the one with the lower loss
    (``near.surest``). A place that only some folds reached counts with what the others ended with.
    """
    measure = material.headline
    updates = sorted({update for fold in folds for update, _ in fold.outcomes})
    alphas = sorted({alpha for fold in folds for _, alpha in fold.outcomes})
    places = [(update, alpha) for update in updates for alpha in alphas]
    # The first of equals: trained less, dialled less.
    places.reverse()
    found = [joined([fold.at(place) for fold in folds]) for place in places]
    best = places[surest(measure, found)]
    ones = np.ones((1, len(found[0])))
    values = {p: float(measure.values(o, ones)[0]) for p, o in zip(places, found, strict=True)}
    return best, [(u, values[u, best[1]]) for u in updates]
