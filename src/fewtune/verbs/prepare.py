"""Prepare: data, split and plan of a fit; nothing is trained and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewtune.data.folds import folds
from fewtune.data.load import load
from fewtune.data.split import split as split_rows
from fewtune.data.suffice import refuse_insufficient
from fewtune.errors import DataError, PlanError
from fewtune.models.load import (
    Source,
    parameter_count,
    read_config,
    require,
    resolve,
)
from fewtune.plan.counts import counts
from fewtune.plan.plan import BudgetPlan, Effort, Plan, read
from fewtune.plan.rules import propose
from fewtune.records import Dataset, Split
from fewtune.select.unfit import refuse_unfit
from fewtune.tasks.base import TASKS
from fewtune.verbs.asked import refuse_unmeasurable

__all__ = ["Prepared", "prepare"]

PLAIN = (
    "The rows were read as plain text, to be written: name the column of their labels with "
    "--columns label=COLUMN, or choose a causal language model"
)
"""What to do where the model is another one than plain text is for."""


BESIDE = {
    "model": "--model",
    "effort": "--effort",
    "data.test": "--test",
    "data.columns": "--columns",
}
"""Keys of a plan that are given otherwise, by what they are given."""


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before training: what ``plan`` prints and ``fit`` goes on with."""

    data: Dataset
    test: Dataset | None
    source: Source
    parameters: int
    split: Split
    plan: Plan


def prepare(
    data: str | Path,
    model: str,
    *,
    test: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    plan: Path | Plan | None = None,
    effort: Effort | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Prepared:
    """Return data, split and plan; nothing is trained and nothing is written.

    What they are given is as in ``fit``.

    Raises
    ------
    DataError, ModelError, PlanError
        For what cannot work, before anything is spent.
    """
    _refuse_given_beside(settings or {})
    given = read(plan) if isinstance(plan, Path) else plan and plan.model_copy(deep=True)
    if given is not None:
        if effort not in (None, given.effort):
            raise PlanError(
                f"effort {given.effort}, with which the plan was made",
                effort,
                "--effort",
                f"Leave it out, or make another plan with fewtune plan and --effort {effort}",
            )
        columns = columns or given.data.columns
        test = test or given.data.test or None
    rows = load(str(data), columns=columns)
    held = load(str(test), columns=columns) if test else None
    refuse_insufficient(rows)
    source = resolve(model)
    parameters = parameter_count(source)
    if given is None:
        about = round(len(rows) * (0.8 if held else 0.64))
        given = propose(
            rows,
            about,
            model=model,
            parameters=parameters,
            effort=effort or "quick",
            seed=seed or 0,
            test=str(test or ""),
            method=str((settings or {}).get("method.name", "")),
            keeps=bool((settings or {}).get("task.keep_classes", False)),
            general_loss=_general_loss(settings or {}),
        )
    else:
        given.model = model
        given.data.test = str(test or "")
        # Read so now, and so again by ``predict`` and ``--resume``.
        given.data.columns = dict(rows.columns)
    if seed is not None:
        given.seed = seed
    if settings:
        given = given.changed(settings)
    if rows.shape not in TASKS.load(given.task.name).shapes:
        raise PlanError(
            f"a task for {rows.shape.replace('_', ' ')} rows",
            given.task.name,
            "task.name",
            "Leave task.name out, or name other columns with --columns",
        )
    refuse_unfit(given)
    refuse_unmeasurable(given, rows)
    task = TASKS.load(given.task.name)
    called = given.task.name.replace("_", " ")
    require(source, read_config(source), task.kinds, called, PLAIN if rows.shape == "text" else "")
    turns = given.data.rotations
    parts = split_rows(
        rows,
        test=1 / turns if turns > 1 else given.data.test_share,
        validation=given.data.validation_share,
        seed=given.seed,
        by_time=given.data.by_time,
        given_test=held,
        certify=held is None and len(rows) <= 20_000,
    )
    if turns > 2:
        _refuse_turns(rows, parts, turns, given.seed)
    counts(given.training, len(parts.train))
    return Prepared(rows, held, source, parameters, parts, given)


def _refuse_given_beside(settings: Mapping[str, Any]) -> None:
    """Raise where a setting says what is read before any setting is: it would be kept unread."""
    for key, option in BESIDE.items():
        if key in settings:
            raise PlanError(
                f"{option} (in Python: {option.removeprefix('--')}=…)",
                f"the setting {key}",
                key,
                f"Give it as {option}, from which the other settings follow",
            )


def _general_loss(settings: Mapping[str, Any]) -> float:
    """Return the budget of general loss that the hold follows.

    Who sets the regularizers holds as they say. What is no number is refused with the other
    settings.
    """
    value = settings.get("budget.general_loss")
    if "regularizers" in settings or not isinstance(value, int | float):
        return BudgetPlan().general_loss
    return float(value)


def _refuse_turns(rows: Dataset, parts: Split, turns: int, seed: int) -> None:
    """Raise where there are fewer independent rows than test parts, before anything is spent."""
    try:
        folds(rows, turns - 1, seed, [*parts.train, *parts.validation])
    except DataError as error:
        raise PlanError(
            f"independent rows for {turns - 1} more test parts",
            "fewer: rows with one prompt, of one group or nearly alike are one",
            "data.rotations",
            "Lower it, or bring other rows",
        ) from error
