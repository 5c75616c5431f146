"""Observe: what the measures need to know of a fitted model, gathered in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from torch import nn

from fewtune.environment import give_back_memory
from fewtune.measures.base import Evidence
from fewtune.measures.observe.generation import most_for, observe_generation
from fewtune.measures.observe.neighbours import observe_neighbours
from fewtune.measures.observe.perturbations import observe_perturbed
from fewtune.measures.observe.sharpness import observe_rises
from fewtune.measures.observe.spread import spread
from fewtune.measures.observe.written import Written
from fewtune.measures.probes.own import OwnProbes, load_probes
from fewtune.methods.head import features
from fewtune.select.material import Material
from fewtune.select.trials import Trial, seen_by
from fewtune.tasks.base import Row, Task
from fewtune.tasks.generation import Generation
from fewtune.tasks.outcomes import Outcomes, group_numbers
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
    at = spread(material.plan.select.samples, len(material.test))
    material.journal.write("stage", name="samples", sentence=f"answering {len(at)} test rows")
    examples = [material.test[i].example for i in at]
    tuned = task.predict(chosen.model, examples)
    base = task.predict(material.base(), examples)
    return {
        place: {"output": t["text"], "ended": t["ended"], "base_output": b["text"]}
        for place, t, b in zip(at, tuned, base, strict=True)
    }


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
    found = changes(
        material.task,
        material.base(),
        chosen.model,
        material.test,
        trained=material.known,
        seed=material.plan.seed,
        moved=chosen.head is None,
        at_once=chosen.candidate.training.batch_size,
        own=load_probes(material.plan.measure.probes) if material.plan.measure.probes else None,
    )
    return Evidence(
        material.task.name,
        made.test,
        seen,
        unseen,
        ended=tuple(bool(answer["ended"]) for answer in answers.values()),
        written=_written(material, answers),
        out_of_fold=made.unknown,
        base=judged.get("base"),
        evaluations=evaluations,
        **found,
    )


def _written(material: Material, answers: dict[int, dict[str, Any]]) -> Written | None:
    """Return the answers beside their targets; ``None`` where nothing is asked: a plain text."""
    if material.data.shape == "text" or not answers:
        return None
    examples = [material.test[place].example for place in answers]
    return Written(
        groups=group_numbers([example.group for example in examples]),
        targets=tuple(example.target or "" for example in examples),
        base=tuple(str(answer["base_output"]) for answer in answers.values()),
        tuned=tuple(str(answer["output"]) for answer in answers.values()),
    )


def changes(
    task: Task,
    base: nn.Module,
    tuned: nn.Module,
    test: Sequence[Row],
    *,
    trained: Sequence[Row] = (),
    seed: int = 0,
    moved: bool = True,
    at_once: int = 8,
    own: OwnProbes | None = None,
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
    seed
        Of perturbations and of what is drawn.
    moved
        Whether anything below the head has changed: else neighbours and surface are the base's.
    at_once
        Most rows whose gradient is computed at once.
    own
        The user's own probes and passages, in place of the built-in ones of their sort.
    """
    found: dict[str, Any] = {"perturbed": observe_perturbed(tuned, task, test, seed=seed)}
    if moved and trained and any(p.requires_grad for p in tuned.parameters()):
        give_back_memory()
        found["rises"] = observe_rises(tuned, task, trained, at_once=at_once, seed=seed)
        give_back_memory()
    if task.name == "generation":
        on_processor = next(tuned.parameters()).device.type == "cpu"
        most = most_for(sum(p.numel() for p in base.parameters()), accelerated=not on_processor)
        language = cast(Generation, task)
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
