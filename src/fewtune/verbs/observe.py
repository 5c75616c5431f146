"""Observe: what the measures need to know of a fitted model, gathered in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from fewtune.measures.base import Evidence
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes

__all__ = ["evidence", "gap", "samples"]


def gap(material: Material, chosen: Trial) -> tuple[Outcomes, Outcomes]:
    """Return what the chosen trial does on rows it was trained on, and on equally many it was not.

    Taken before the refit, which trains on all of them.
    """
    unseen = chosen.validation
    if chosen.seen is not None:
        few = _spread(len(chosen.seen), len(unseen))
        return chosen.seen.take(few), unseen.take(_spread(len(unseen), len(few)))
    at = _spread(len(material.train), len(unseen))
    seen = material.task.outcomes(chosen.model, [material.train[i] for i in at])
    return seen, unseen.take(_spread(len(unseen), len(at)))


def samples(material: Material, chosen: Trial) -> dict[int, dict[str, Any]]:
    """Return answers of the tuned and of the base model to some test rows, by place."""
    task = material.task
    if task.name != "generation":
        return {}
    at = _spread(len(material.test), material.plan.select.samples)
    material.journal.write("stage", name="samples", sentence=f"answering {len(at)} test rows")
    examples = [material.test[i].example for i in at]
    tuned = task.predict(chosen.model, examples)
    base = task.predict(material.base(), examples)
    return {
        place: {"output": t["text"], "ended": t["ended"], "base_output": b["text"]}
        for place, t, b in zip(at, tuned, base, strict=True)
    }


def evidence(
    material: Material,
    chosen: Trial,
    test: Outcomes,
    seen: Outcomes,
    unseen: Outcomes,
    answers: dict[int, dict[str, Any]],
) -> Evidence:
    """Return everything that was observed of the finished model."""
    ended = tuple(bool(answer["ended"]) for answer in answers.values())
    return Evidence(material.task.name, test, seen, unseen, ended)


def _spread(there: int, most: int) -> list[int]:
    """Return at most ``most`` places spread evenly over ``there``."""
    count = min(most, there)
    return [int(place) for place in np.linspace(0, there - 1, count).round()] if count else []
