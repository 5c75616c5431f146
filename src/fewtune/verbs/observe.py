"""Observe: what the measures need to know of a fitted model, gathered in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from torch import nn

from fewtune.data.canaries import canaries as made_up
from fewtune.environment import give_back_memory
from fewtune.measures.base import Evidence
from fewtune.measures.observe.exposure import observe_exposure
from fewtune.measures.observe.generation import most_for, observe_generation
from fewtune.measures.observe.neighbours import observe_neighbours
from fewtune.measures.observe.perturbations import observe_perturbed
from fewtune.measures.observe.sharpness import observe_rises
from fewtune.measures.observe.spread import spread
from fewtune.measures.probes.own import OwnProbes, load_probes
from fewtune.methods.head import features
from fewtune.select.fitting import prepared_model
from fewtune.select.material import Material
from fewtune.select.trials import Trial, seen_by
from fewtune.tasks.base import Row, Task
from fewtune.tasks.generation import Generation
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.answered import answered, told_by
from fewtune.verbs.asked import asked_for
from fewtune.verbs.calibrated import Calibrated

__all__ = ["changes", "gap", "of_run", "samples"]

COMPARED = 256
"""Rows whose neighbours are looked at."""


def gap(material: Material, chosen: Trial) -> tuple[Outcomes, Outcomes]:
    """Return what the chosen trial does on rows it was trained on, and on equally many it was not.

    Taken before the refit, which trains on all of them.
    """
    seen, unseen = seen_by(material, chosen), chosen.validation
    return seen, unseen.take(spread(len(seen), len(unseen)))


def samples(material: Material, chosen: Trial) -> dict[int, dict[str, Any]]:
    """Return answers of the tuned and of the base model to some test rows, by place."""
    task = material.task
    if task.name != "generation":
        return {}
    most = material.plan.select.samples
    count = min(most, len(material.test))
    material.journal.write("stage", name="samples", sentence=f"answering {count} test rows")
    return answered(task, material.base(), chosen.model, material.test, most)


def of_run(
    material: Material,
    chosen: Trial,
    made: Calibrated,
    parts: tuple[Outcomes, Outcomes],
    judged: dict[str, Outcomes],
    answers: dict[int, dict[str, Any]],
) -> Evidence:
    """Return everything that was observed of the finished model.

    Parameters
    ----------
    made
        What it does on the test rows, and models like it on rows that they did not know.
    parts
        What its trial did on trained rows and on others, as ``gap`` gives it.
    judged
        What the controls do on the test rows.
    answers
        As ``samples`` gives them.
    """
    seen, unseen = parts
    evaluations = [
        {
            "update": e.update,
            "validation_loss": e.loss,
            "error": e.error,
            "headline": e.headline,
            "best": e.best,
        }
        for e in chosen.evaluations
    ]
    plan = material.plan
    found = changes(
        material.task,
        material.base(),
        chosen.model,
        material.test,
        trained=_trained(material, chosen),
        start=_start(material, chosen),
        moved=chosen.head is None,
        at_once=chosen.candidate.training.batch_size,
        seed=plan.seed,
        own=load_probes(plan.measure.probes) if plan.measure.probes else None,
        canaries=plan.measure.canaries,
    )
    return Evidence(
        material.task.name,
        made.test,
        seen,
        unseen,
        out_of_fold=made.unknown,
        base=judged.get("base"),
        evaluations=evaluations,
        **told_by(material.task, material.test, answers),
        **asked_for(material, chosen.model),
        **found,
    )


def _trained(material: Material, chosen: Trial) -> list[Row]:
    """Return the rows that the finished model was trained on; made-up secrets are not among them.

    Where it was not trained again on all known rows, those that judged its trial are none of them.
    """
    if chosen.head is not None or (material.plan.select.refit and chosen.updates):
        return material.known
    return list(material.train)


def _start(material: Material, chosen: Trial) -> Callable[[], nn.Module]:
    """Return what makes the model from which the chosen one was trained."""

    def make() -> nn.Module:
        head = None if material.task.name == "generation" else material.known_head()
        return prepared_model(material, chosen.candidate, head)[1]

    return make


def changes(
    task: Task,
    base: nn.Module,
    tuned: nn.Module,
    test: Sequence[Row],
    *,
    trained: Sequence[Row] = (),
    start: Callable[[], nn.Module] | None = None,
    seed: int = 0,
    moved: bool = True,
    at_once: int = 8,
    own: OwnProbes | None = None,
    canaries: int = 0,
) -> dict[str, Any]:
    """Return the fields of ``Evidence`` that need both models, or the tuned one again.

    Parameters
    ----------
    base, tuned
        The two models, on one device.
    test
        Rows that were not trained.
    trained
        Rows that were; without them nothing is said of memorization.
    start
        Makes the model from which ``tuned`` was trained, for what is said beside it alone.
    seed
        Of perturbations, of planted secrets and of what is drawn.
    moved
        Whether anything below the head has changed: else neighbours and surface are the base's.
    at_once
        Most rows whose gradient is computed at once.
    own
        The user's own probes and passages, in place of the built-in ones of their sort.
    canaries
        Made-up secrets that were trained.
    """
    found: dict[str, Any] = {"perturbed": observe_perturbed(tuned, task, test, seed=seed)}
    if moved and trained and any(p.requires_grad for p in tuned.parameters()):
        found["rises"] = _rises(tuned, task, trained, at_once, seed)
        if start is not None:
            found["rises_base"] = _rises(start(), task, trained, at_once, seed)
    if task.name == "generation":
        on_processor = next(tuned.parameters()).device.type == "cpu"
        most = most_for(sum(p.numel() for p in base.parameters()), accelerated=not on_processor)
        language = cast(Generation, task)
        if canaries:
            secrets = made_up(task.shape, canaries, seed)
            found["exposures"] = observe_exposure(language, tuned, secrets, most.secrets, seed)
        return found | observe_generation(
            language, base, tuned, trained, test, own=own, most=most, seed=seed
        )
    if moved:
        places = spread(COMPARED, len(test))
        some = [test[i] for i in places]
        before, after = features(base, task, some), features(tuned, task, some)
        kept = observe_neighbours(before, after)
        # One figure a test row, so that it can be told which group each belongs to.
        found["kept_neighbours"] = np.full(len(test), np.nan)
        if len(kept):
            found["kept_neighbours"][places] = kept
    return found


def _rises(
    model: nn.Module, task: Task, rows: Sequence[Row], at_once: int, seed: int
) -> tuple[float, ...]:
    """Return the rises of a model, which takes memory in large pieces that nothing else needs."""
    give_back_memory()
    found = observe_rises(model, task, rows, at_once=at_once, seed=seed)
    give_back_memory()
    return found
