"""What of a plan does not go together, told before anything is spent."""

from __future__ import annotations

from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.plan.plan import Plan
from fewtune.regularizers.base import REGULARIZERS
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
    method = METHODS.load(plan.method.name)(plan.method.options)
    if plan.task.name not in method.tasks:
        raise PlanError(
            f"a method for {plan.task.name}",
            f"{plan.method.name}, which is for {', '.join(sorted(method.tasks))}",
            "method.name",
            "Choose another method",
        )
    for part in plan.monitors:
        MONITORS.load(part.name)(part.options)
    owners = []
    for part in plan.regularizers:
        regularizer = REGULARIZERS.load(part.name)(part.options)
        if part.name in method.refuses:
            raise PlanError(
                f"regularizers that go with method {plan.method.name}",
                f"{part.name}: {method.refuses[part.name]}",
                "regularizers",
                "Leave one of the two out",
            )
        if plan.task.name not in regularizer.tasks:
            raise PlanError(
                f"regularizers for {plan.task.name}",
                f"{part.name}, which is for {', '.join(sorted(regularizer.tasks))}",
                "regularizers",
                "Leave it out",
            )
        owners += [part.name] if regularizer.owns_update else []
    if len(owners) > 1:
        raise PlanError(
            "at most one regularizer that does the update itself",
            " and ".join(owners),
            "regularizers",
            "Keep one of them",
        )
