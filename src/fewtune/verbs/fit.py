"""Fit: data and a model to a run folder with a tuned model, its scores and a verdict."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fewtune.environment import device_name
from fewtune.errors import FewtuneError, OutOfMemory
from fewtune.plan.memory import in_words
from fewtune.plan.plan import Effort, Plan, read
from fewtune.select.material import Material
from fewtune.store.runs import PLAN, RunFolder
from fewtune.train.interrupts import Interrupted
from fewtune.train.journal import Journal, Listener
from fewtune.verbs.checked import checked, tell
from fewtune.verbs.conclude import conclude
from fewtune.verbs.foreseen import foresee, refuse_if_unfitting
from fewtune.verbs.prepare import Prepared, prepare
from fewtune.verbs.result import Run, open_run
from fewtune.verbs.resumed import (
    note_inputs,
    refuse_other_inputs,
    refuse_other_settings,
    unfinished,
)
from fewtune.verbs.timed import material_of, tell_time
from fewtune.verbs.together import Together

__all__ = ["fit"]

MORE_ROOM = (
    "Half of training.tokens_per_batch takes less, --set method.name=lora less again; once there "
    "is more, the same fit goes on with --resume"
)
"""What to do where a fit runs out of memory: its folder stays."""


def fit(
    data: str | Path,
    model: str,
    *,
    test: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    plan: Path | Plan | None = None,
    effort: Effort | None = None,
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
        ``quick`` (the default), ``normal`` or ``thorough``. A plan has its own.
    settings
        Dotted settings changed in the plan.
    seed
        Of everything that is drawn.
    output
        The run folder; by default a new one under ``runs/``.
    resume
        Go on with the interrupted run in ``output``. What else is given must be as it was.
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
    Interrupted
        At Ctrl-C once there is a run folder, which it names; it is a ``KeyboardInterrupt``.

    Notes
    -----
    Started in several processes (``torchrun``), all train; the first alone writes, and tells.
    """
    together = Together()
    if resume:
        begun = together.by_first(lambda: unfinished(output).path / PLAN)
        together.everywhere(
            lambda: refuse_other_settings(
                read(begun), plan=plan, effort=effort, settings=settings, seed=seed
            )
        )
        plan = begun
    prepared = together.everywhere(
        lambda: prepare(
            data,
            model,
            test=test,
            columns=columns,
            plan=plan,
            effort=None if resume else effort,
            settings=None if resume else settings,
            seed=None if resume else seed,
        )
    )
    folder = RunFolder(together.by_first(lambda: _begun(output, data, prepared, resume)))
    journal = Journal(folder.path / "journal.jsonl" if together.first else None)
    journal.listeners += listeners if together.first else ()
    try:
        case = together.by_first(lambda: checked(folder, prepared, journal))
        material = together.everywhere(
            lambda: material_of(prepared, folder.path, journal, together.accelerator)
        )
        case = replace(case, material=material)
        together.by_first(lambda: tell(case, journal))
        foreseen = together.by_first(lambda: _foreseen(prepared, material))
        together.everywhere(lambda: tell_time(material))
        together.everywhere(
            lambda: conclude(material, folder, prepared.parameters, lambda: _memory(foreseen), case)
        )
    except FewtuneError as error:
        # Bad input found late leaves nothing behind, so the same command works once it is mended.
        late = not resume and error.exit_code == FewtuneError.exit_code
        if late and together.first:
            journal.close()
            folder.discard()
        raise
    except KeyboardInterrupt as stopped:
        raise Interrupted(folder.path) from stopped
    except Exception as error:
        # Told by the process that it happens to: the others are in the midst of an update, and are
        # ended by whatever started them.
        told = OutOfMemory.of(error, MORE_ROOM)
        if told is None:
            raise
        raise told from error
    finally:
        journal.close()
    return open_run(folder.path)


def _begun(output: Path | None, data: str | Path, prepared: Prepared, resume: bool) -> Path:
    """Return the run folder, made with plan and inputs noted, or found with the same inputs."""
    if resume and output is not None:
        folder = RunFolder.open(output)
        refuse_other_inputs(folder, prepared)
        return folder.path
    folder = RunFolder.create(output or _new_folder(Path(str(data))))
    folder.write_text(PLAN, prepared.plan.to_yaml())
    note_inputs(folder, prepared)
    return folder.path


def _new_folder(data: Path) -> Path:
    stem = data.name.split(".", 1)[0] or "run"
    number = 1
    while (Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return Path("runs") / f"{stem}-{number}"


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

    if device_name().startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
