"""Measure: a finished run on other rows, beside its base where the base can do the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewtune.data.load import load
from fewtune.errors import DataError, FewtuneError, ModelError
from fewtune.measures.base import Evidence, row_measure, score_all, silences
from fewtune.measures.calibration import Calibration
from fewtune.measures.conformal_coverage import COVERAGE
from fewtune.measures.observe.perturbations import observe_perturbed
from fewtune.measures.probes.own import load_probes
from fewtune.methods.base import METHODS
from fewtune.records import Dataset, Score
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import Row, Task
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.answered import answered, told_by
from fewtune.verbs.earlier import answers_of
from fewtune.verbs.kept import FACTS, base_task, load_model
from fewtune.verbs.observe import changes
from fewtune.verbs.result import Run, open_run

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Measured", "kept", "known_among", "measure", "outcomes_on"]


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

    Everything is measured that a fit measures and that model, base and rows suffice for, with the
    seed and the probes of the run. What rows that were trained on are needed for is not: sharpness,
    memorization, the generalization gap.

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
    untuned, notes = _untuned(fitted, task, next(model.parameters()).device)
    found = Evidence(task.name, tuned, least=_least(fitted))
    base: dict[str, Score] = {}
    paired: dict[str, Score] = {}
    if untuned is None:
        seed = fitted.plan.seed
        found = replace(found, perturbed=observe_perturbed(model, task, rows, seed=seed))
    else:
        more, said = _beside(fitted, task, untuned, model, rows)
        notes += said
        found = replace(found, **more)
        if task.name == "generation":
            before = task.outcomes(untuned, rows)
            found = replace(found, base=before)
            base = score_all(Evidence(task.name, before))
            paired = {"base": row_measure(task.headline).difference(tuned, before)}
    notes += [f"{n.replace('_', ' ')}: {why}" for n, why in silences(found).items()]
    return Measured(
        run=fitted.path,
        data=dataset.name,
        scores=score_all(found),
        base=base,
        paired=paired,
        notes=(*known_among(fitted, dataset), *notes),
    )


def _untuned(run: Run, task: Task, device: torch.device) -> tuple[nn.Module | None, list[str]]:
    """Return the base as it was before tuning, or what is said where it is gone."""
    try:
        return base_task(run.path, task).load_model().to(device), []
    except ModelError as error:
        return None, [f"nothing is measured beside the base. {error}".rstrip(".")]


def _beside(
    run: Run, task: Task, base: nn.Module, tuned: nn.Module, rows: Sequence[Row]
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of ``Evidence`` that rows, both models and the run's plan give, and notes.

    The settings are those of the fit, so that its own test rows have its own scores.
    """
    plan, notes = run.plan, []
    own = None
    if plan.measure.probes:
        if Path(plan.measure.probes).is_file():
            own = load_probes(plan.measure.probes)
        else:
            notes.append(
                f"the run's own probes are gone ({plan.measure.probes}): the built-in ones were "
                "asked, whose figures are not to be compared with the run's"
            )
    method = METHODS.load(_facts(run)["method"])
    found = changes(
        task,
        base,
        tuned,
        rows,
        seed=plan.seed,
        moved=task.name not in method.solves,
        own=own,
        canaries=plan.measure.canaries,
    )
    if task.name == "generation":
        found |= told_by(task, rows, answered(task, base, tuned, rows, plan.select.samples))
    if plan.measure.earlier:
        try:
            found["earlier"] = answers_of(Path(plan.measure.earlier), rows)
        except FewtuneError as error:
            notes.append(f"the earlier run could not be asked. {error}".rstrip("."))
    return found, notes


def _least(run: Run) -> float | None:
    """Return the least probability of a class in the run's 90% sets; ``None`` without bounds."""
    made = _facts(run).get("calibration")
    return None if made is None else Calibration.from_json(made).least.get(round(100 * COVERAGE))


def _facts(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = RunFolder.open(run.path).read_json(f"model/{FACTS}")
    return found


def kept(run: str | Path) -> Measured:
    """Return the scores that a run was judged by, on its own test rows."""
    fitted = open_run(run)
    paired = RunFolder.open(fitted.path).read_json("scores.json").get("paired", {})
    return Measured(
        run=fitted.path,
        data="the run's own test rows",
        scores=fitted.scores,
        base=fitted.controls.get("base", {}),
        paired={"base": Score.from_json(paired["base"])} if "base" in paired else {},
    )


def outcomes_on(
    run: Run, data: str | Path, columns: Mapping[str, str] | None = None
) -> tuple[Outcomes, tuple[str, ...]]:
    """Return what the model of a run does on the rows of a file, and notes on these rows."""
    task, model = load_model(run.path)
    rows, dataset = _rows(run, task, data, columns)
    return task.outcomes(model, rows), known_among(run, dataset)


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


def known_among(run: Run, dataset: Dataset) -> tuple[str, ...]:
    """Return a note where the run was trained on some of the rows."""
    known = set(run.known_rows)
    met = sum(e.fingerprint in known for e in dataset)
    if not met:
        return ()
    return (
        f"{met} of {len(dataset)} rows were trained on: the figures flatter; measure on rows "
        "that the run has never seen",
    )
