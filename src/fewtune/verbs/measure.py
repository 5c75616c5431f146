"""Measure: a finished run on other rows, beside its base where the base can do the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fewtune.data.load import load
from fewtune.errors import DataError
from fewtune.measures.base import Evidence, row_measure, score_all
from fewtune.records import Dataset, Score
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import Row, Task
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.kept import base_task, load_model
from fewtune.verbs.observe import changes
from fewtune.verbs.result import Run, open_run

__all__ = ["Measured", "kept", "measure", "outcomes_on"]


@dataclass(frozen=True)
class Measured:
    """What a run scores on some rows.

    Attributes
    ----------
    run
        The run folder.
    data
        Name of the rows.
    scores
        Scores of the run's model, by name.
    base
        Scores of its base on the same rows; empty for a classifier, whose base has no classes.
    paired
        Tuned minus base of the headline measure, with the paired interval.
    notes
        What limits the figures, one sentence each.
    """

    run: Path
    data: str
    scores: dict[str, Score]
    base: dict[str, Score] = field(default_factory=dict)
    paired: dict[str, Score] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what ``measure --json`` prints."""

        def plain(scores: dict[str, Score]) -> dict[str, Any]:
            return {name: score.as_json() for name, score in scores.items()}

        return {
            "run": str(self.run),
            "data": self.data,
            "scores": plain(self.scores),
            "base": plain(self.base),
            "paired": plain(self.paired),
            "notes": list(self.notes),
        }


def measure(
    run: str | Path, data: str | Path, *, columns: Mapping[str, str] | None = None
) -> Measured:
    """Return what the model of a run scores on the rows of a file.

    Parameters
    ----------
    run
        A finished run folder.
    data
        A file (or folder of images) as ``fit`` takes it, with targets.
    columns
        Field to column; by default as the run was fitted.

    Raises
    ------
    FewtuneError
        If there is no finished run, or its model cannot be asked about these rows.
    """
    fitted = open_run(run)
    task, model = load_model(fitted.path)
    rows, dataset = _rows(fitted, task, data, columns)
    tuned = task.outcomes(model, rows)
    found = Evidence(task.name, tuned)
    headline = row_measure(task.headline)
    base: dict[str, Score] = {}
    paired: dict[str, Score] = {}
    if task.name == "generation":
        untuned = base_task(fitted.path, task).load_model().to(next(model.parameters()).device)
        before = task.outcomes(untuned, rows)
        base = score_all(Evidence(task.name, before))
        paired = {"base": headline.difference(tuned, before)}
        found = replace(found, base=before, **changes(task, untuned, model, rows))
    return Measured(
        run=fitted.path,
        data=dataset.name,
        scores=score_all(found),
        base=base,
        paired=paired,
        notes=_notes(fitted, dataset),
    )


def kept(run: str | Path) -> Measured:
    """Return the scores that a run was judged by, on its own test rows."""
    fitted = open_run(run)
    paired = RunFolder.open(fitted.path).read_json("scores.json").get("paired", {})
    return Measured(
        run=fitted.path,
        data="the run's own test rows",
        scores=fitted.scores,
        base=fitted.controls.get("base", {}),
        paired={"base": Score(**paired["base"])} if "base" in paired else {},
    )


def outcomes_on(run: Run, data: str | Path, columns: Mapping[str, str] | None = None) -> Outcomes:
    """Return what the model of a run does on the rows of a file."""
    task, model = load_model(run.path)
    rows, _ = _rows(run, task, data, columns)
    return task.outcomes(model, rows)


def _rows(
    run: Run, task: Task, data: str | Path, columns: Mapping[str, str] | None
) -> tuple[list[Row], Dataset]:
    """Return the rows of a file as the task reads them.

    Raises
    ------
    DataError
        If they are of another kind, or bear classes that the run has never seen.
    """
    dataset = load(str(data), columns=columns or run.plan.data.columns or None)
    if dataset.shape not in task.shapes:
        raise DataError(
            f"rows for {task.name.replace('_', ' ')}",
            f"rows of shape {dataset.shape.replace('_', ' ')}",
            dataset.name,
            "Give rows like those that the run was fitted on",
        )
    missing = [e.source for e in dataset if e.target is None]
    if missing:
        raise DataError(
            "a target in every row",
            f"{len(missing)} without",
            ", ".join(missing[:5]),
            "Add them, or ask for answers alone with fewtune predict",
        )
    strange = [e for e in dataset if task.labels and e.target not in task.labels]
    if strange:
        names = ", ".join(sorted({repr(e.target) for e in strange})[:5])
        raise DataError(
            f"labels that the run knows ({len(task.labels)} of them)",
            f"{len(strange)} rows of {names}",
            ", ".join(e.source for e in strange[:5]),
            "Leave those rows out, or fit again with rows of these labels",
        )
    return task.encode(list(dataset)), dataset


def _notes(run: Run, dataset: Dataset) -> tuple[str, ...]:
    """Return what the reader of these figures has to know."""
    known = set(run.known_rows)
    met = sum(e.fingerprint in known for e in dataset)
    if not met:
        return ()
    return (
        f"{met} of {len(dataset)} rows were trained on: the figures flatter; measure on rows "
        "that the run has never seen",
    )
