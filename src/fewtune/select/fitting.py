"""A candidate and rows to a training: what trials, the cross-fit and the refit have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from fewtune.environment import seed_everything
from fewtune.methods.base import METHODS, Method
from fewtune.methods.head import features, install
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.counts import counts
from fewtune.regularizers.base import REGULARIZERS
from fewtune.select.candidates import Candidate
from fewtune.select.material import Material
from fewtune.select.near import ENOUGH
from fewtune.tasks.base import Row, Task
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.monitors.base import MONITORS, Evaluation
from fewtune.train.run import Training

__all__ = ["evaluation", "names_of", "prepared_model", "settle", "training_of"]


def prepared_model(
    material: Material, candidate: Candidate, head: Fitted | None
) -> tuple[Method, nn.Module]:
    """Return the candidate's method and the base made ready for it.

    A classifier starts from a solver-fitted head (head first, then the rest: 2202.10054), unless
    ``training.head_first`` says otherwise.
    """
    method = METHODS.load(candidate.method.name)(candidate.method.options)
    model = material.to_tune(method.keeps_base)
    seed_everything(material.plan.seed)
    if head is not None and hasattr(model, "head") and candidate.training.head_first is not False:
        install(model, head)
    return method, method.prepare(model, material.task).to(material.accelerator.device)


def training_of(
    material: Material,
    candidate: Candidate,
    method: Method,
    model: nn.Module,
    rows: Sequence[Row],
    *,
    name: str = "",
    evaluate: Callable[[int], Evaluation] | None = None,
    validation: Sequence[Row] = (),
    more: dict[str, Any] | None = None,
) -> Training:
    """Return a training of ``model`` on ``rows`` as the candidate and the plan want it.

    Parameters
    ----------
    rows
        What trains; made-up secrets join, where the plan asks for some.
    name
        Of the stage and of its checkpoint; the candidate's own by default.
    evaluate, validation
        What chooses the best weights; without them the last are kept.
    more
        Further fields of the training.
    """
    plan = material.plan
    rows = [*rows, *material.planted()]
    stage = name or candidate.name
    return Training(
        stage=stage,
        model=model,
        task=material.task,
        method=method,
        rows=rows,
        plan=candidate.training,
        counts=counts(candidate.training, len(rows)),
        seed=plan.seed,
        journal=material.journal,
        folder=material.folder / "checkpoints" / stage,
        evaluate=evaluate,
        accelerator=material.accelerator,
        regularizers=[REGULARIZERS.load(r.name)(r.options) for r in candidate.regularizers],
        monitors=[MONITORS.load(m.name)(m.options) for m in plan.monitors],
        validation=validation,
        base=material.base(),
        shared=material.shared(),
        **(more or {}),
    )


def names_of(task: Task, head: Fitted | None) -> list[Row]:
    """Return the classes' names as rows, where they help the head that was fitted."""
    return task.named_rows() if head is not None and head.name_weight else []


def settle(
    material: Material, method: Method, model: nn.Module, rows: Sequence[Row], like: Fitted | None
) -> None:
    """Fit the head on the model's present states of ``rows``, if the method leaves it to a solver.

    Parameters
    ----------
    like
        Whose settings are taken: those that were chosen on the base's states.
    """
    if not method.solves_after or like is None:
        return
    named = names_of(material.task, like)
    states = features(model, material.task, [*rows, *named])
    own, names = states[: len(rows)], states[len(rows) :] if named else None
    install(model, refit(material.to_learn(rows, own, names), like))


def evaluation(material: Material, outcomes: Outcomes, update: int) -> Evaluation:
    """Return what the loop needs to know of rows under the weights after ``update`` updates."""
    by_bytes = material.task.name == "generation"
    size = outcomes.bytes if by_bytes else outcomes.units
    loss = outcomes.losses.sum() / size.sum()
    # Standard error of a ratio of sums, by linearisation.
    spread = outcomes.losses - loss * size
    error = float(np.sqrt((spread**2).sum()) / size.sum())
    measure = material.headline
    value = float(measure.values(outcomes, np.ones((1, len(outcomes))))[0])
    return Evaluation(
        update=update,
        loss=float(loss),
        error=error,
        headline=value,
        better=1 if measure.direction == "higher" else -1,
        more={measure.name: value},
        # Seven images were all right before training, and six of them after it at a quarter of the
        # loss: the model was eleven points better on others (benchmarks/LOG.md).
        few=bool(outcomes.labels) and len(outcomes) < ENOUGH,
    )
