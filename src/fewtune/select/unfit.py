"""What of a plan does not go together, told before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence

from fewtune.augmentations.run import build
from fewtune.errors import PlanError
from fewtune.family import suggest
from fewtune.methods.base import METHODS, Method
from fewtune.plan.plan import Part, Plan
from fewtune.plan.rules import CONTROLS as TASK_CONTROLS
from fewtune.regularizers.base import REGULARIZERS
from fewtune.select.controls import CONTROLS, VANILLA
from fewtune.select.search import require_optuna
from fewtune.tasks.base import TASKS
from fewtune.train.monitors.base import MONITORS

__all__ = ["refuse_unfit"]


def refuse_unfit(plan: Plan) -> None:
    """Raise if parts of the plan do not go together.

    Raises
    ------
    PlanError
        Naming the two parts and the reason.
    """
    TASKS.load(plan.task.name)
    _refuse_rotations(plan)
    _refuse_one_fold(plan)
    method = _method(plan, plan.method, "method.name")
    _refuse_head_first(plan, method)
    rungs = [_method(plan, rung, "select.rungs") for rung in plan.select.rungs]
    for rung in rungs:
        _refuse_unpacked(plan, rung)
    build([(part.name, part.options) for part in plan.augmentations])
    for part in plan.monitors:
        MONITORS.load(part.name)(part.options)
    _refuse_controls(plan)
    _refuse_search(plan, method)
    # What a solver fits is not held by any regularizer, nor spoilt by one.
    trained = [r for r in rungs if not r.solves & {plan.task.name}]
    _refuse_regularizers(plan, method, trained, plan.regularizers, "regularizers")
    for guard in plan.select.guards:
        _refuse_regularizers(plan, method, [], [guard], "select.guards")


def _refuse_rotations(plan: Plan) -> None:
    data = plan.data
    if data.rotations > 1 and (data.test or data.by_time):
        raise PlanError(
            "test rows that any rows may be, for test parts in turn",
            f"a test file ({data.test})" if data.test else "the newest rows",
            "data.rotations",
            "Leave one of the two out",
        )


def _refuse_one_fold(plan: Plan) -> None:
    if plan.select.folds == 1:
        raise PlanError(
            "two folds or more, each of which judges what the others train",
            "1",
            "select.folds",
            "Take 5; or 0, so that one validation part chooses",
        )


def _method(plan: Plan, part: Part, key: str) -> Method:
    method = METHODS.load(part.name)(part.options)
    if plan.task.name not in method.tasks:
        raise PlanError(
            f"a method for {plan.task.name}",
            f"{part.name}, which is for {', '.join(sorted(method.tasks))}"
            + (f": {method.why}" if method.why else ""),
            key,
            "Choose another method",
        )
    why = method.unfit(plan.task.name)
    if why:
        raise PlanError(
            f"options of {part.name} that go with this task and machine",
            why,
            key.removesuffix(".name") + ".options",
            "Set them otherwise, or leave them out",
        )
    return method


def _refuse_unpacked(plan: Plan, rung: Method) -> None:
    """Raise where a rung would train weights of a base that is held in four bits."""
    if plan.method.options.get("four_bit") and not (
        rung.keeps_base or rung.solves & {plan.task.name}
    ):
        raise PlanError(
            "rungs that leave the weights of a base in four bits alone",
            rung.name,
            "select.rungs",
            "Keep the head alone: --set select.rungs=[head]",
        )


def _refuse_head_first(plan: Plan, method: Method) -> None:
    """Raise where the order of head and rest is set and there is no such order."""
    wanted = plan.training.head_first
    if wanted is not None and plan.task.name == "generation":
        raise PlanError(
            "head_first for a classifier",
            f"{str(wanted).lower()} for generation, whose output layer is pretrained with the rest "
            "and has nothing to catch up with",
            "training.head_first",
            "Leave it out",
        )
    if wanted is False and (method.solves_after or method.solves & {plan.task.name}):
        raise PlanError(
            "a method that trains its head with the rest",
            f"head_first false with {plan.method.name}, whose head a solver fits",
            "training.head_first",
            "Leave it out",
        )


def _refuse_search(plan: Plan, method: Method) -> None:
    if not plan.select.search:
        return
    if method.solves & {plan.task.name}:
        raise PlanError(
            "a method that trains, to search its settings",
            f"select.search with {plan.method.name}, which a solver fits",
            "select.search",
            "Leave it out, or name another with --set method.name=lora",
        )
    require_optuna()


def _refuse_controls(plan: Plan) -> None:
    fit = (*TASK_CONTROLS.get(plan.task.name, tuple(CONTROLS)), VANILLA)
    for name in plan.controls:
        if name not in fit:
            raise PlanError(
                f"a control for {plan.task.name}",
                f"{name!r}",
                "controls",
                suggest(name, [control for control in CONTROLS if control in fit]),
            )


def _refuse_regularizers(
    plan: Plan, method: Method, rungs: Sequence[Method], parts: Sequence[Part], key: str
) -> None:
    owners = []
    for part in parts:
        regularizer = REGULARIZERS.load(part.name)(part.options)
        _refuse_pair(plan.method.name, part.name, method.refuses.get(part.name))
        for other in (plan.method.name, *(p.name for p in parts)):
            _refuse_pair(other, part.name, regularizer.refuses.get(other))
        for rung in rungs:
            why = rung.refuses.get(part.name) or regularizer.refuses.get(rung.name)
            cure = "Leave the regularizer out, or try the head alone: --set select.rungs=[head]"
            _refuse_pair(f"the rung {rung.name}", part.name, why, cure)
        if plan.task.name not in regularizer.tasks:
            raise PlanError(
                f"regularizers for {plan.task.name}",
                f"{part.name}, which is for {', '.join(sorted(regularizer.tasks))}",
                key,
                "Leave it out",
            )
        if regularizer.unfit(plan.task.name):
            raise PlanError(
                f"options of regularizer {part.name} that go with {plan.task.name}",
                regularizer.unfit(plan.task.name),
                key,
                "Set them, or leave it out",
            )
        owners += [part.name] if regularizer.owns_update else []
    if len(owners) > 1:
        raise PlanError(
            "at most one regularizer that does the update itself",
            " and ".join(owners),
            key,
            "Keep one of them",
        )


def _refuse_pair(
    one: str, regularizer: str, why: str | None, cure: str = "Leave one of the two out"
) -> None:
    if why:
        raise PlanError(
            f"regularizers that go with {one}",
            f"{regularizer}: {why}",
            "regularizers",
            cure,
        )
