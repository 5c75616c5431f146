"""Going on with a run: only with the data, model, rows and settings that it was begun with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewtune.errors import PlanError, RunError
from fewtune.models.load import fingerprint
from fewtune.plan.plan import Effort, Plan, read
from fewtune.store.runs import RunFolder
from fewtune.verbs.checked import fingerprint_of
from fewtune.verbs.prepare import Prepared

__all__ = ["note_inputs", "refuse_other_inputs", "refuse_other_settings", "unfinished"]

INPUTS = "inputs.json"

CALLED = {
    "data": "data",
    "model": "model",
    "test": "test rows",
    "validation": "validation rows",
}
"""What is kept of a fit's inputs, and how a user calls it."""

NEWER = ("test", "validation")
"""Runs of before keep nothing of these, and are gone on with all the same."""

GIVEN_BESIDE = ("model", "data.columns", "data.test", "reasons")
"""Settings that a plan file does not decide: they are given beside it."""


def unfinished(output: Path | None) -> RunFolder:
    """Return the run folder to go on with.

    Raises
    ------
    RunError
        If there is none, or its run came to its end.
    """
    if output is None:
        raise RunError("the folder to resume", "none", cure="Name it with -o RUN")
    folder = RunFolder.open(output)
    if folder.finished:
        raise RunError("an unfinished run", "a finished one", str(folder.path), "Use it as it is")
    return folder


def note_inputs(folder: RunFolder, prepared: Prepared) -> None:
    """Write what a later sitting has to be given again."""
    folder.write_json(INPUTS, _inputs(prepared))


def refuse_other_inputs(folder: RunFolder, prepared: Prepared) -> None:
    """See that a run is given the same data, model and parts as before.

    Another test file would be another split too: rows that trained would judge.

    Raises
    ------
    RunError
        Naming what is another.
    """
    before = folder.read_json(INPUTS)
    for what, found in _inputs(prepared).items():
        if what in NEWER and what not in before:
            continue
        if before.get(what) != found:
            raise RunError(
                f"the {CALLED[what]} that the run was begun with",
                "others" if CALLED[what].endswith("rows") else "another",
                str(folder.path),
                f"Give the same {CALLED[what]}, or begin a new run with -o",
            )


def _inputs(prepared: Prepared) -> dict[str, str]:
    """Return the fingerprints of what a fit is given."""
    data, parts = prepared.data, prepared.split
    test = prepared.test if prepared.test is not None else [data[i] for i in parts.test]
    return {
        "data": fingerprint_of(data),
        "model": fingerprint(prepared.source),
        "test": fingerprint_of(test),
        "validation": fingerprint_of([data[i] for i in parts.validation]),
    }


def refuse_other_settings(
    kept: Plan,
    *,
    plan: Path | Plan | None = None,
    effort: Effort | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> None:
    """See that what is given beside ``resume`` asks for the plan that the run has.

    The command that began a run goes on with it, so the same settings may be given again; others
    would have to be dropped without a word.

    Raises
    ------
    PlanError
        Naming every setting that differs.
    """
    asked = kept if plan is None else read(plan) if isinstance(plan, Path) else plan
    if settings:
        asked = asked.changed(settings)
    wanted = dict(_flat(asked.model_dump(mode="json")))
    wanted |= {"effort": effort or asked.effort} | ({} if seed is None else {"seed": seed})
    has = dict(_flat(kept.model_dump(mode="json")))
    if plan is not None and seed is None:
        # A plan's seed may have been given another beside it.
        wanted["seed"] = has["seed"]
    beside = [k for k in {**has, **wanted} if not k.startswith(GIVEN_BESIDE)]
    other = [key for key in beside if wanted.get(key) != has.get(key)]
    if other:
        told = "; ".join(f"{k} {wanted.get(k)}, the run has {has.get(k)}" for k in other[:3])
        more = f" (and {len(other) - 3} more)" if len(other) > 3 else ""
        raise PlanError(
            "the settings that the run was begun with",
            f"others: {told}{more}",
            "--resume",
            "Leave them out, or begin a new run with -o",
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values; a list is one value."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
