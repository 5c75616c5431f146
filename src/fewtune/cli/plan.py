"""``fewtune plan``: what a fit would do and why; nothing is trained."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from fewtune.cli.options import AsJson, Columns, Data, Effort, Output, Settings, Test
from fewtune.errors import RunError
from fewtune.store.strict import strict_json

if TYPE_CHECKING:
    from fewtune.plan.memory import Estimate

__all__ = ["plan"]


def plan(
    data: Data,
    model: Annotated[str, typer.Option("--model", "-m", help="Folder, hub id, builtin or minilm.")],
    test: Test = None,
    columns: Columns = None,
    effort: Effort = "quick",
    settings: Settings = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Print the plan, or write it to a file that ``fit --plan`` carries out."""
    from dataclasses import asdict

    from fewtune.cli.fit import known_effort
    from fewtune.cli.settings import parse_settings
    from fewtune.data.load import parse_columns
    from fewtune.plan.counts import counts
    from fewtune.verbs.foreseen import foresee_plan, free_for_fit
    from fewtune.verbs.prepare import prepare
    from fewtune.verbs.timed import time_of_plan

    if output and output.exists():
        raise RunError("a new file", "one that exists", str(output), "Choose another with -o")
    prepared = prepare(
        data,
        model,
        test=test,
        columns=parse_columns(columns) if columns else None,
        effort=known_effort(effort),
        settings=parse_settings(settings or []),
        seed=seed,
    )
    proposed, parts = prepared.plan, prepared.split
    if output:
        try:
            output.write_text(proposed.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise RunError(
                "a file that can be written",
                error.strerror or str(error),
                str(output),
                "Choose another",
            ) from error
    told = counts(proposed.training, len(parts.train))
    judged = len(prepared.test) if prepared.test is not None else len(parts.test)
    if as_json:
        memory, free = foresee_plan(prepared), free_for_fit()
        pace = time_of_plan(prepared) if _fits(memory, free) else None
        answer = {
            "plan": proposed.model_dump(mode="json"),
            "counts": asdict(told),
            "rows": {
                "train": len(parts.train),
                "validation": len(parts.validation),
                "test": judged,
            },
            "memory": {**memory.as_json(), "free_bytes": free} if memory else None,
            "time": pace.foreseen() if pace else None,
        }
        typer.echo(strict_json(answer))
        return
    for note in prepared.data.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"rows: {len(parts.train)} train, {len(parts.validation)} validation, {judged} test")
    if (turns := proposed.data.rotations) > 1:
        typer.echo(f"rows: the first of {turns} fits; in turn every row tests")
    for sentence in parts.certificate.sentences:
        typer.echo(f"split: {sentence}")
    typer.echo(f"training: {told.sentence()}")
    # Each line is told as soon as it is known: a large model takes long to be timed.
    memory, free = foresee_plan(prepared), free_for_fit()
    typer.echo(f"memory: {_memory(memory, free)}")
    if _fits(memory, free) and (pace := time_of_plan(prepared)):
        typer.echo(f"time: {pace.told_in_words()}")
    for key, reason in proposed.reasons.items():
        value: object = proposed.model_dump()
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) and part in value else ""
        typer.echo(f"{key} = {value}\n    {reason}")
    if output:
        words = shlex.join(["fewtune", "fit", data, "--plan", str(output)])
        typer.echo(f"written to {output}; carry it out with: {words}")


def _fits(found: Estimate | None, free: int | None) -> bool:
    """Return whether a plan may be timed here: what does not fit is not tried either."""
    return found is None or free is None or found.total <= free


def _memory(found: Estimate | None, free: int | None) -> str:
    from fewtune.plan.memory import in_words, size

    if found is None:
        return "not known for this model"
    if free is None:
        return in_words(found)
    there = "fits" if _fits(found, free) else "DOES NOT FIT: fit would refuse it"
    return f"{in_words(found)}; {there} here, where {size(free)} are free"
