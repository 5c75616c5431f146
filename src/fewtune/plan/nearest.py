"""The nearest plan that fits: what to change where memory does not suffice, least harm first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fewtune.errors import FewtuneError, PlanError
from fewtune.models.four_bit import why_not_packed
from fewtune.plan.memory import Estimate, estimate, in_words, size
from fewtune.plan.plan import Plan
from fewtune.plan.work import Work

__all__ = ["refuse_unfitting"]


def refuse_unfitting(
    config: Any,
    plan: Plan,
    work: Work,
    found: Estimate,
    *,
    parameters: int,
    device: str,
    free: int | None,
) -> None:
    """Raise where the estimate is more than what is free, naming the nearest plan that fits.

    Parameters
    ----------
    found
        The estimate of ``plan``.
    free
        Bytes that the process may come to hold in all; ``None`` where nobody knows.

    Raises
    ------
    PlanError
        With the settings that would fit, those first that change the result least.
    """
    if free is None or found.total <= free:
        return
    where = "the GPU" if device.startswith("cuda") else "this machine"
    for changes in _nearer(plan, work):
        changed = plan.changed(changes)
        longest = int(changes.get("task.max_length", 0))
        less = work.narrowed(changed.training, longest)
        try:
            other = estimate(config, changed, less, parameters=parameters, device=device)
        except FewtuneError:
            continue
        if other.total <= free:
            words = " ".join(f"--set {key}={value}" for key, value in changes.items())
            cure = f"The nearest plan that fits needs {size(other.total)}: {words}"
            break
    else:
        cure = "No change of the plan makes it fit: choose a smaller model, or free memory"
    raise PlanError(
        f"a plan that fits in the {size(free)} that {where} has free", in_words(found), "", cure
    )


def _nearer(plan: Plan, work: Work) -> Sequence[dict[str, Any]]:
    """Return changes that hold less, those first that change the result least.

    Fewer tokens at once change nothing but time. A shorter length cuts rows; another method learns
    something else.
    """
    tokens = [
        plan.training.tokens_per_batch // part
        for part in (2, 4, 8, 16)
        if plan.training.tokens_per_batch // part >= work.update.width
    ]
    smaller: list[dict[str, Any]] = [{"training.tokens_per_batch": count} for count in tokens]
    fewest = smaller[-1] if smaller else {}
    one = {**fewest, "training.batch_size": 1}
    found = [*smaller, one]
    if work.task != "image_classification":
        cut = {"task.truncation": "left"} if work.task == "generation" else {}
        for part in (2, 4):
            length = work.update.width // part
            if length >= 16:
                found.append({**one, "training.tokens_per_batch": length, **cut}
                             | {"task.max_length": length})  # fmt: skip
    for name in ("lora", "partial", "head"):
        new = name != plan.method.name
        other: dict[str, Any] = {"method.name": name} if new else {}
        found += [{**other, **more} for more in ({}, fewest) if new]
        if name == "lora" and not why_not_packed(work.task):
            packed = {**other, "method.options.four_bit": True}
            found += [{**packed, **more} for more in ({}, fewest)]
    if plan.select.rates or plan.select.guards:
        found = [{"select.rates": [], "select.guards": []}, *found]
    return found
