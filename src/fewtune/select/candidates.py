"""Candidates: what a plan wants compared, cheapest first, each with the reason it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fewtune.plan.plan import Part, Plan, TrainingPlan
from fewtune.plan.rungs import rung_training
from fewtune.regularizers.base import REGULARIZERS

__all__ = ["Candidate", "candidates", "held_by", "of_folds"]

FOLD = "#"
"""What stands before the number of a fold."""


@dataclass(frozen=True)
class Candidate:
    """One way to tune.

    Attributes
    ----------
    name
        Its name in the journal and in the report.
    method
        The method with its options.
    training
        How long and how fast.
    regularizers
        What protects the base while it trains.
    varied
        Whether variations of the training rows are trained too.
    reason
        Why it is tried.
    """

    name: str
    method: Part
    training: TrainingPlan
    regularizers: tuple[Part, ...] = ()
    varied: bool = False
    reason: str = ""

    def shortened(self, share: float, least: int) -> Candidate:
        """Return the candidate with a share of its updates, at least ``least``, in whole."""
        updates = min(self.training.updates, max(least, round(share * self.training.updates)))
        evaluations = min(self.training.evaluations, max(1, round(10 * share)), updates)
        training = self.training.model_copy(update={"updates": updates, "evaluations": evaluations})
        return replace(self, name=f"{self.name}~{updates}", training=training)

    def of_fold(self, number: int) -> Candidate:
        """Return the candidate under the name that it has in the journal while a fold is held."""
        return replace(self, name=f"{self.name}{FOLD}{number}")


def of_folds(stage: str) -> str:
    """Return the name of the candidate whose stage it is in the journal, of a fold or of itself.

    Examples
    --------
    >>> of_folds("full@0.001#3"), of_folds("full")
    ('full@0.001', 'full')
    """
    name, mark, number = stage.rpartition(FOLD)
    return name if mark and number.isdigit() else stage


def candidates(plan: Plan) -> list[Candidate]:
    """Return every candidate of the plan, cheapest first.

    The cheaper methods of ``select.rungs`` come first, then the plan's own method; then that
    method at each of ``select.rates``, and with each of ``select.guards`` beside the plan's
    regularizers, in the place of one that does the same. With augmentations in the plan each is
    tried without and with them.
    """
    found = []
    parts = {part.name: part for part in plan.select.rungs} | {plan.method.name: plan.method}
    for name, part in parts.items():
        own = name == plan.method.name
        base = Candidate(
            name,
            part,
            plan.training if own else rung_training(plan, name),
            tuple(plan.regularizers),
            reason="the plan's method" if own else "costs less",
        )
        found.append(base)
        if own:
            found += _relatives(base, plan)
    if not plan.augmentations:
        return found
    varied = [
        replace(c, name=f"{c.name}+varied", varied=True, reason="with variations of the rows")
        for c in found
    ]
    return [c for pair in zip(found, varied, strict=True) for c in pair]


def _relatives(base: Candidate, plan: Plan) -> list[Candidate]:
    """Return the plan's method at other rates and with other regularizers."""
    found = []
    for rate in plan.select.rates:
        if rate != plan.training.learning_rate:
            training = plan.training.model_copy(update={"learning_rate": rate})
            name = f"{base.name}@{rate:g}"
            found.append(replace(base, name=name, training=training, reason="another rate"))
    for guard in plan.select.guards:
        role = REGULARIZERS.load(guard.name).role
        kept = [
            part
            for part in plan.regularizers
            if part.name != guard.name and not (role and REGULARIZERS.load(part.name).role == role)
        ]
        regularizers = (*kept, guard)
        name = f"{base.name}+{guard.name}"
        if sum(other.name == guard.name for other in plan.select.guards) > 1:
            own = [other.options for other in plan.select.guards if other.name == guard.name]
            told = [k for k in guard.options if any(o.get(k) != guard.options[k] for o in own)]
            name += f"({', '.join(f'{key}={guard.options[key]}' for key in told)})"
        place = "in the place of another" if len(kept) < len(plan.regularizers) else "as well"
        reason = f"with {guard.name} {place}"
        found.append(replace(base, name=name, regularizers=regularizers, reason=reason))
    return found


def held_by(regularizers: Sequence[Part]) -> float:
    """Return the weight by which ``kl_to_base`` holds to the base; 0 where it is not among them."""
    for part in regularizers:
        if part.name == "kl_to_base":
            options: Any = REGULARIZERS.load(part.name).Options(**part.options)
            return float(options.weight)
    return 0.0
