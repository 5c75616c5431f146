"""Fit: data and a model to a run folder with a tuned model, its scores and a verdict."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fewtune.checks.base import Context
from fewtune.checks.run import Report as CheckReport
from fewtune.checks.run import run as run_checks
from fewtune.data.load import load
from fewtune.data.split import split as split_rows
from fewtune.environment import bf16_is_native, describe, device_name, seed_everything
from fewtune.errors import DataError, FewtuneError, PlanError, RunError
from fewtune.models.load import (
    Source,
    fingerprint,
    parameter_count,
    read_config,
    require,
    resolve,
)
from fewtune.plan.plan import Effort, Plan, counts, read
from fewtune.plan.rules import propose
from fewtune.records import Dataset, Split
from fewtune.select.material import Material
from fewtune.select.unfit import refuse_unfit
from fewtune.store.runs import PLAN, RunFolder
from fewtune.tasks.base import TASKS, Task
from fewtune.train.journal import Journal, Listener
from fewtune.verbs.augmentation_tools import ModelTools
from fewtune.verbs.conclude import conclude
from fewtune.verbs.result import Run, open_run

__all__ = ["Prepared", "fit", "prepare"]

BF16_FROM = 5_000_000
"""Parameters from which bfloat16 is worth its conversions; below, float32 is as fast."""


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
    effort: Effort = "quick",
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Prepared:
    """Return data, split and plan; nothing is trained and nothing is written.

    Raises
    ------
    DataError, ModelError, PlanError
        For what cannot work, before anything is spent.
    """
    given = read(plan) if isinstance(plan, Path) else plan
    if given is not None:
        columns = columns or given.data.columns
        test = test or given.data.test or None
    rows = load(str(data), columns=columns)
    held = load(str(test), columns=columns) if test else None
    _refuse_small(rows)
    source = resolve(model)
    parameters = parameter_count(source)
    if given is None:
        about = round(len(rows) * (0.8 if held else 0.64))
        given = propose(
            rows,
            about,
            model=model,
            parameters=parameters,
            effort=effort,
            seed=seed or 0,
            test=str(test or ""),
            method=str((settings or {}).get("method.name", "")),
        )
    else:
        given.model = model
        given.data.test = str(test or "")
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
    task = TASKS.load(given.task.name)
    require(source, read_config(source), task.kinds, given.task.name.replace("_", " "))
    parts = split_rows(
        rows,
        test=given.data.test_share,
        validation=given.data.validation_share,
        seed=given.seed,
        by_time=given.data.by_time,
        given_test=held,
        certify=held is None and len(rows) <= 20_000,
    )
    counts(given.training, len(parts.train))
    return Prepared(rows, held, source, parameters, parts, given)


LEAST_ROWS = 10


def _refuse_small(rows: Dataset) -> None:
    """Raise where the data cannot be split into rows that train, choose and judge."""
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"at least {LEAST_ROWS} rows, to train, to choose and to judge",
            f"{len(rows)}",
            rows.name,
            "Bring more rows; a few dozen are a start",
        )
    if len({(e.input, e.target, e.messages) for e in rows}) == 1:
        raise DataError(
            "rows that differ", f"{len(rows)} identical rows", rows.name, "Check the columns"
        )
    missing = [e.source for e in rows if e.target is None]
    if missing:
        raise DataError(
            "a target in every row",
            f"{len(missing)} without",
            ", ".join(missing[:5]),
            "Add them or name the column with --columns",
        )
    if rows.shape in ("labelled_text", "labelled_image"):
        _refuse_classes(rows)


def _refuse_classes(rows: Dataset) -> None:
    seen: dict[str, list[str]] = {}
    for example in rows:
        seen.setdefault(str(example.target), []).append(example.source)
    if len(seen) < 2:
        raise DataError(
            "two labels or more",
            f"only {next(iter(seen))!r}",
            rows.name,
            "Add rows of another label, or name the label's column with --columns",
        )
    single = [f"{label!r} at {where[0]}" for label, where in seen.items() if len(where) < 2]
    if single:
        raise DataError(
            "at least 2 rows of every label, one to learn from and one to judge by",
            f"1 row of {', '.join(single[:5])}",
            rows.name,
            "Add rows of that label, or leave it out",
        )


def fit(
    data: str | Path,
    model: str,
    *,
    test: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    plan: Path | Plan | None = None,
    effort: Effort = "quick",
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    output: Path | None = None,
    resume: bool = False,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Fine-tune ``model`` on ``data`` and judge the result.

    Parameters
    ----------
    data
        A file, a folder of images by class, or a hub id.
    model
        A local folder, a hub id, ``builtin`` or ``minilm``.
    test
        A test file; without one a part of the data is held out.
    columns
        Field to column, where not found by itself.
    plan
        A plan (or its file) instead of the one that the rules propose.
    effort
        ``quick``, ``normal`` or ``thorough``.
    settings
        Dotted settings changed in the plan.
    seed
        Of everything that is drawn.
    output
        The run folder; by default a new one under ``runs/``.
    resume
        Go on with the interrupted run in ``output``.
    listeners
        Called with every event of the journal.

    Returns
    -------
    Run
        The finished run, with its verdict, scores and ``predict``.

    Raises
    ------
    FewtuneError
        For anything wrong with data, plan, model or folder.
    """
    if resume:
        folder = RunFolder.open(_required(output))
        if folder.finished:
            raise RunError(
                "an unfinished run", "a finished one", str(folder.path), "Use it as it is"
            )
        plan = folder.path / PLAN
    prepared = prepare(
        data,
        model,
        test=test,
        columns=columns,
        plan=plan,
        effort=effort,
        settings=None if resume else settings,
        seed=None if resume else seed,
    )
    if not resume:
        folder = RunFolder.create(output or _new_folder(Path(str(data))))
    _note_data(folder, prepared, resume)
    journal = Journal(folder.path / "journal.jsonl")
    journal.listeners += listeners
    try:
        report = _checked(prepared, journal)
        _describe(folder, prepared, report)
        material = _material(folder, prepared, journal)
        conclude(material, folder, prepared.parameters, _peak_bytes)
    except FewtuneError as error:
        # Bad input found late leaves nothing behind, so the same command works once it is mended.
        if not resume and error.exit_code == FewtuneError.exit_code:
            journal.close()
            folder.discard()
        raise
    finally:
        journal.close()
    return open_run(folder.path)


def _required(output: Path | None) -> Path:
    if output is None:
        raise RunError("the folder to resume", "none", cure="Name it with -o RUN")
    return output


def _new_folder(data: Path) -> Path:
    stem = data.name.split(".", 1)[0] or "run"
    number = 1
    while (Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return Path("runs") / f"{stem}-{number}"


def _checked(prepared: Prepared, journal: Journal) -> CheckReport:
    """Run the fast checks; an error among them ends the fit before anything is spent."""
    journal.write("stage", name="check", sentence=f"checking {len(prepared.data)} rows")
    report = run_checks(Context(prepared.data, prepared.test), include_slow=False)
    blocking = [f for f in report.findings if f.severity == "error"]
    if blocking:
        first = blocking[0]
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        raise DataError(
            "data without blocking findings",
            f"{first.check}: {first.evidence.rstrip('.')}{more}",
            ", ".join(first.rows[:5]),
            f"{first.cure.rstrip('.')}; see fewtune check {prepared.data.name}",
        )
    return report


def _part(prepared: Prepared, name: str) -> list[str]:
    if name == "test" and prepared.test is not None:
        return [e.source for e in prepared.test]
    return [prepared.data[i].source for i in getattr(prepared.split, name)]


def _fingerprint(rows: Dataset) -> str:
    import hashlib

    return hashlib.sha256("".join(e.fingerprint for e in rows).encode()).hexdigest()[:16]


def _note_data(folder: RunFolder, prepared: Prepared, resume: bool) -> None:
    """Write the plan, or see that a resumed run is given the same data and model as before."""
    facts = {"data": _fingerprint(prepared.data), "model": fingerprint(prepared.source)}
    if not resume:
        folder.write_text(PLAN, prepared.plan.to_yaml())
        folder.write_json("inputs.json", facts)
        return
    before = folder.read_json("inputs.json")
    for what in facts:
        if before.get(what) != facts[what]:
            raise RunError(
                f"the {what} that the run was begun with",
                "another",
                str(folder.path),
                f"Give the same {what}, or begin a new run with -o",
            )


def _describe(folder: RunFolder, prepared: Prepared, report: CheckReport) -> None:
    data, parts = prepared.data, ("train", "validation", "test")
    folder.write_json("environment.json", describe(prepared.plan.seed))
    folder.write_json(
        "data.json",
        {
            "name": data.name,
            "shape": data.shape,
            "rows": len(data),
            "fingerprint": _fingerprint(data),
            "columns": dict(data.columns),
            "labels": list(data.labels),
            "notes": list(data.notes),
            "parts": {name: _part(prepared, name) for name in parts},
            "test_file": prepared.plan.data.test or None,
            "certificate": asdict(prepared.split.certificate),
            "findings": [finding.as_json() for finding in report.findings],
        },
    )


def _task(prepared: Prepared) -> Task:
    plan = prepared.plan
    labels = sorted(set(prepared.data.labels) | set(prepared.test.labels if prepared.test else ()))
    task = TASKS.load(plan.task.name)(prepared.source, plan.task, prepared.data.shape, labels)
    device = device_name()
    large = prepared.parameters >= BF16_FROM
    wanted = plan.training.precision
    if wanted == "bf16" or (wanted == "auto" and large and bf16_is_native(device)):
        import torch

        kind = torch.device(device).type
        task.autocast = lambda: torch.autocast(kind, dtype=torch.bfloat16)
    else:
        task.autocast = nullcontext
    return task


def _material(folder: RunFolder, prepared: Prepared, journal: Journal) -> Material:
    from accelerate import Accelerator

    seed_everything(prepared.plan.seed)
    task = _task(prepared)
    journal.write("stage", name="encode", sentence="turning rows into tokens")
    chosen = [prepared.data[i] for i in (*prepared.split.train, *prepared.split.validation)]
    judged = prepared.test or [prepared.data[i] for i in prepared.split.test]
    known = task.encode(chosen)
    n = len(prepared.split.train)
    return Material(
        plan=prepared.plan,
        task=task,
        data=prepared.data,
        train=known[:n],
        validation=known[n:],
        test=task.encode(list(judged)),
        places=[*prepared.split.train, *prepared.split.validation],
        journal=journal,
        folder=folder.path,
        accelerator=Accelerator(cpu=device_name() == "cpu"),
        tools=lambda: ModelTools(prepared.plan.model),
    )


def _peak_bytes() -> int:
    """Return the largest memory of this process so far; on a GPU, the largest of the device."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
