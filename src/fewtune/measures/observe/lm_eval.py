"""Tasks of lm-evaluation-harness before and after, where it and its data are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fewtune.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from fewtune.tasks.generation import Generation

__all__ = ["HarnessResult", "observe_lm_eval"]


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
    """

    task: str
    metric: str
    before: float
    after: float
    error_before: float
    error_after: float


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
    if find_spec("lm_eval") is None:
        raise MissingExtra.named("lm_eval", "lm-eval", "the tasks of lm-evaluation-harness")
    sides = [_evaluated(task, model, names, most) for model in (base, tuned)]
    found = []
    for name in sides[0]:
        for key, value in sides[0][name].items():
            metric, _, kind = key.partition(",")
            after = sides[1][name].get(key)
            if metric.endswith("_stderr") or not isinstance(value, float | int) or after is None:
                continue
            errors = [_number(side[name].get(f"{metric}_stderr,{kind}")) for side in sides]
            found.append(HarnessResult(name, metric, float(value), float(after), *errors))
    return found


def _evaluated(task: Generation, model: Any, names: Sequence[str], most: int) -> dict[str, Any]:
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    wrapped = HFLM(pretrained=model, tokenizer=task.tokenizer)
    try:
        found = lm_eval.simple_evaluate(model=wrapped, tasks=list(names), limit=most or None)
    except Exception as error:  # the harness and the hub's libraries raise what they like
        raise DataError(
            f"the tasks {', '.join(names)} with their data",
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            "lm-evaluation-harness",
            "Check the names, and fetch the data where there is a network",
        ) from error
    results: dict[str, Any] = found["results"]
    return results


def _number(value: Any) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")
