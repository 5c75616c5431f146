"""Answers in full of a generator and of its base, and what the measures take from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from fewtune.measures.observe.spread import spread
from fewtune.measures.observe.written import Written
from fewtune.tasks.base import Row, Task
from fewtune.tasks.outcomes import group_numbers

__all__ = ["answered", "told_by"]


def answered(
    task: Task, base: nn.Module, tuned: nn.Module, rows: Sequence[Row], most: int
) -> dict[int, dict[str, Any]]:
    """Return the likeliest answers of both models to at most ``most`` rows, by place."""
    at = spread(most, len(rows))
    examples = [rows[i].example for i in at]
    after, before = task.predict(tuned, examples), task.predict(base, examples)
    return {
        place: {
            "output": t["text"],
            "ended": t["ended"],
            "base_output": b["text"],
            "base_ended": b["ended"],
        }
        for place, t, b in zip(at, after, before, strict=True)
    }


def told_by(
    task: Task, rows: Sequence[Row], answers: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the fields of ``Evidence`` that answers give: ``ended``, ``ended_base``, ``written``.

    Of plain texts nothing is asked: their answers have no targets.
    """
    if not answers:
        return {}
    found: dict[str, Any] = {
        "ended": tuple(bool(one["ended"]) for one in answers.values()),
        "ended_base": tuple(bool(one["base_ended"]) for one in answers.values()),
    }
    if task.shape == "text":
        return found
    examples = [rows[place].example for place in answers]
    written = Written(
        groups=group_numbers([example.group for example in examples]),
        targets=tuple(example.target or "" for example in examples),
        base=tuple(str(one["base_output"]) for one in answers.values()),
        tuned=tuple(str(one["output"]) for one in answers.values()),
    )
    return found | {"written": written}
