"""Precision: in which numbers passes compute, and a base that nothing trains is held."""

from __future__ import annotations

from contextlib import nullcontext

from fewtune.environment import bf16_is_native
from fewtune.methods.base import METHODS
from fewtune.models.four_bit import KINDS
from fewtune.plan.plan import Plan
from fewtune.tasks.base import Task

__all__ = ["computes_in_bf16", "lowers_base", "set_precision"]

BF16_FROM = 5_000_000
"""Parameters from which bfloat16 is worth its conversions; below, float32 is as fast."""


def computes_in_bf16(precision: str, parameters: int, device: str) -> bool:
    """Return whether forward passes run under autocast to bfloat16."""
    if precision == "auto":
        return parameters >= BF16_FROM and bf16_is_native(device)
    return precision == "bf16"


def lowers_base(plan: Plan, parameters: int, device: str) -> bool:
    """Return whether the linear layers of the base are held in bfloat16 (see ``models.low``).

    They are where passes compute in it and all that the plan tries stands beside them: what trains
    does so in float32, and a base that is trained itself, or is the start of what is, stays whole.
    A model of images, which has few such layers or is small, does too.
    """
    task = plan.task.name
    bf16 = computes_in_bf16(plan.training.precision, parameters, device)
    if not bf16 or plan.task.keep_classes or task not in KINDS:
        return False
    tried = [METHODS.load(part.name)(part.options) for part in (plan.method, *plan.select.rungs)]
    # Beside a method that is solved, plain tuning of the whole model is the control.
    return task not in tried[0].solves and all(method.leaves_linear(task) for method in tried)


def set_precision(task: Task, plan: Plan, parameters: int, device: str) -> None:
    """Have a task compute, and hold its base, as a plan wants it on a device."""
    import torch

    kind = torch.device(device).type
    task.autocast = nullcontext
    if computes_in_bf16(plan.training.precision, parameters, device):
        task.autocast = lambda: torch.autocast(kind, dtype=torch.bfloat16)
    task.lowered = lowers_base(plan, parameters, device)
