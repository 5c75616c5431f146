"""Tasks of lm-evaluation-harness before and after, where it and its data are there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fewtune.environment import seeded
from fewtune.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from fewtune.tasks.generation import Generation

__all__ = ["HarnessResult", "observe_lm_eval", "require_lm_eval"]

BATCH = 8
"""Items that the harness computes at once."""


@dataclass(frozen=True, slots=True)
class HarnessResult:
    """One figure of one task of the harness, with its own standard errors.

    Attributes
    ----------
    task, metric
        Names as the harness has them.
    before, after
        Of base and of tuned.
    error_before, error_after
        Standard errors; NaN where the harness gives none.
    n
        Items of the task; 0 where the harness does not say.
    higher
        Whether more is better, as the harness has it.
    """

    task: str
    metric: str
    before: float
    after: float
    error_before: float
    error_after: float
    n: int = 0
    higher: bool = True


def require_lm_eval() -> None:
    """Raise if lm-evaluation-harness is not installed.

    Raises
    ------
    MissingExtra
        Saying how to install it.
    """
    if find_spec("lm_eval") is None:
        raise MissingExtra.named("lm_eval", "lm-eval", "the tasks of lm-evaluation-harness")


def observe_lm_eval(
    task: Generation, base: Any, tuned: Any, names: Sequence[str], most: int = 0
) -> list[HarnessResult]:
    """Return what the harness finds of base and tuned.

    Parameters
    ----------
    task
        For its tokenizer.
    base, tuned
        The two models.
    names
        Tasks of the harness.
    most
        Most items of a task; 0 for all.

    Raises
    ------
    MissingExtra
        If lm-evaluation-harness is not installed.
    DataError
        If a task is unknown, or its data cannot be had.
    """
    require_lm_eval()
    whole = [_evaluated(task, model, names, most) for model in (base, tuned)]
    sides = [side["results"] for side in whole]
    found = []
    for name in sides[0]:
        told = whole[0].get("n-samples", {}).get(name, {})
        higher = whole[0].get("higher_is_better", {}).get(name, {})
        for key, value in sides[0][name].items():
            metric, _, kind = key.partition(",")
            after = sides[1][name].get(key)
            # Beside the figures stand their errors, and what the task is called.
            if not kind or metric.endswith("_stderr") or not isinstance(value, float | int):
                continue
            errors = [_number(side[name].get(f"{metric}_stderr,{kind}")) for side in sides]
            found.append(
                HarnessResult(
                    task=name,
                    # Of several ways to read an answer, "none" is the plain one.
                    metric=metric if kind == "none" else f"{metric}_{kind}",
                    before=float(value),
                    after=_number(after),
                    error_before=errors[0],
                    error_after=errors[1],
                    n=int(told.get("effective", 0)),
                    higher=higher.get(metric) is not False,
                )
            )
    return found


def _evaluated(task: Generation, model: Any, names: Sequence[str], most: int) -> dict[str, Any]:
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    # It seeds everything for itself; nothing that fewtune draws may depend on whether it was asked.
    drawn = random.getstate(), np.random.get_state()
    try:
        with seeded(next(model.parameters()).device, 0):
            wrapped = HFLM(pretrained=model, tokenizer=task.tokenizer, batch_size=BATCH)
            found = lm_eval.simple_evaluate(
                model=wrapped, tasks=list(names), limit=most or None, log_samples=False
            )
    except Exception as error:  # the harness and the hub's libraries raise what they like
        raise DataError(
            f"the tasks {', '.join(names)} with their data",
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            "lm-evaluation-harness",
            "Check the names, and fetch the data where there is a network",
        ) from error
    finally:
        random.setstate(drawn[0])
        np.random.set_state(drawn[1])
    whole: dict[str, Any] = found
    return whole


def _number(value: Any) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")
