"""Fit: data and a model to a run folder with a tuned model, its scores and a verdict."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewtune.checks.base import Context
from fewtune.checks.run import Report as CheckReport
from fewtune.checks.run import run as run_checks
from fewtune.environment import describe
from fewtune.errors import DataError, FewtuneError, RunError
from fewtune.models.load import fingerprint
from fewtune.plan.memory import in_words
from fewtune.plan.plan import Effort, Plan
from fewtune.records import Dataset
from fewtune.select.material import Material
from fewtune.store.runs import PLAN, RunFolder
from fewtune.train.journal import Journal, Listener
from fewtune.verbs.conclude import conclude
from fewtune.verbs.foreseen import foresee, refuse_if_unfitting
from fewtune.verbs.prepare import Prepared, prepare
from fewtune.verbs.result import Run, open_run
from fewtune.verbs.timed import material_of, tell_time
from fewtune.verbs.together import Together

__all__ = ["fit"]


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

    Notes
    -----
    Started in several processes (``torchrun``), all train; the first alone writes, and tells.
    """
    together = Together()
    if resume:
        plan = together.by_first(lambda: _unfinished(output).path / PLAN)
    prepared = together.everywhere(
        lambda: prepare(
            data,
            model,
            test=test,
            columns=columns,
            plan=plan,
            effort=effort,
            settings=None if resume else settings,
            seed=None if resume else seed,
        )
    )
    folder = RunFolder(together.by_first(lambda: _begun(output, data, prepared, resume)))
    journal = Journal(folder.path / "journal.jsonl" if together.first else None)
    journal.listeners += listeners if together.first else ()
    try:
        together.by_first(lambda: _checked(folder, prepared, journal))
        material = together.everywhere(
            lambda: material_of(prepared, folder.path, journal, together.accelerator)
        )
        foreseen = together.by_first(lambda: _foreseen(prepared, material))
        together.everywhere(lambda: tell_time(material))
        together.everywhere(
            lambda: conclude(material, folder, prepared.parameters, lambda: _memory(foreseen))
        )
    except FewtuneError as error:
        # Bad input found late leaves nothing behind, so the same command works once it is mended.
        late = not resume and error.exit_code == FewtuneError.exit_code
        if late and together.first:
            journal.close()
            folder.discard()
        raise
    finally:
        journal.close()
    return open_run(folder.path)


def _unfinished(output: Path | None) -> RunFolder:
    """Return the run folder to go on with."""
    if output is None:
        raise RunError("the folder to resume", "none", cure="Name it with -o RUN")
    folder = RunFolder.open(output)
    if folder.finished:
        raise RunError("an unfinished run", "a finished one", str(folder.path), "Use it as it is")
    return folder


def _begun(output: Path | None, data: str | Path, prepared: Prepared, resume: bool) -> Path:
    """Return the run folder, made or found, with plan and inputs noted."""
    if resume and output is not None:
        folder = RunFolder.open(output)
    else:
        folder = RunFolder.create(output or _new_folder(Path(str(data))))
    _note_data(folder, prepared, resume)
    return folder.path


def _new_folder(data: Path) -> Path:
    stem = data.name.split(".", 1)[0] or "run"
    number = 1
    while (Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return Path("runs") / f"{stem}-{number}"


def _checked(folder: RunFolder, prepared: Prepared, journal: Journal) -> None:
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
    _describe(folder, prepared, report)


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
            "known": [
                data[i].fingerprint for i in (*prepared.split.train, *prepared.split.validation)
            ],
            "parts": {name: _part(prepared, name) for name in parts},
            "test_file": prepared.plan.data.test or None,
            "certificate": asdict(prepared.split.certificate),
            "findings": [finding.as_json() for finding in report.findings],
        },
    )


def _foreseen(prepared: Prepared, material: Material) -> int | None:
    """Return the bytes that the fit will hold, told and seen to be there; no model is loaded."""
    found = foresee(prepared, material.task, material.known, material.test)
    said = in_words(found) if found else "not known for this model"
    material.journal.write("stage", name="memory", sentence=f"memory: {said}")
    if found is None:
        return None
    refuse_if_unfitting(prepared, material.task, material.known, material.test, found)
    return found.total


def _memory(foreseen: int | None) -> dict[str, int | None]:
    return {"estimated_bytes": foreseen, "peak_bytes": _peak_bytes()}


def _peak_bytes() -> int:
    """Return the largest memory of this process so far; on a GPU, the largest of the device."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
