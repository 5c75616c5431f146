"""``fewtune fit``: fine-tune, measure against controls, and say ship or hold."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from fewtune.cli.options import AsJson, Columns, Data, Model, Output, Settings, Test
from fewtune.cli.progress import Progress, console
from fewtune.errors import PlanError
from fewtune.store.strict import strict_json

__all__ = ["fit", "run_and_show"]

HOLD = 1


def fit(
    data: Data,
    model: Model = None,
    test: Test = None,
    columns: Columns = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="A plan file to carry out.")
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(help="How much is tried: quick (unless told else), normal or thorough."),
    ] = None,
    settings: Settings = None,
    search: Annotated[
        int | None,
        typer.Option(min=2, help="Settings that Optuna proposes, before the race."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of everything that is drawn; else the plan's.")
    ] = None,
    output: Output = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in -o.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune, measure against controls, and say ship or hold (exit code 0 or 1)."""
    from fewtune.cli.settings import parse_settings
    from fewtune.data.load import parse_columns
    from fewtune.plan.plan import read
    from fewtune.store.runs import PLAN

    kept = output / PLAN if resume and output else plan_file
    if kept is not None and kept.exists() and not model:
        model = read(kept).model
    if not model:
        raise PlanError("a model", "none", cure="Name it with --model, e.g. --model minilm")
    run_and_show(
        as_json,
        data=data,
        model=model,
        test=test,
        columns=parse_columns(columns) if columns else None,
        plan=plan_file,
        effort=known_effort(effort) if effort is not None else None,
        settings=parse_settings(settings or []) | ({"select.search": search} if search else {}),
        seed=seed,
        output=output,
        resume=resume,
    )


def known_effort(effort: str) -> Any:
    """Return ``effort`` if it is one of the three.

    Raises
    ------
    PlanError
        If it is not.
    """
    from fewtune.family import suggest

    known = ("quick", "normal", "thorough")
    if effort not in known:
        raise PlanError("an effort", f"{effort!r}", "--effort", suggest(effort, known))
    return cast(Any, effort)


def run_and_show(as_json: bool, **arguments: Any) -> None:
    """Fit with a progress display, print the closing screen, exit 0 for ship and 1 for hold.

    Of several processes the first alone says anything, and answers by its exit code.
    """
    from fewtune.environment import process_rank

    live = sys.stderr.isatty() and not as_json and not process_rank()
    with Progress() if live else nullcontext() as progress:
        listeners = [progress.tell] if progress is not None else []
        if not live and not as_json:
            listeners = [_line]
        from fewtune.verbs.fit import fit as carry_out

        run = carry_out(listeners=listeners, **arguments)
    if process_rank():
        return
    if as_json:
        typer.echo(strict_json(run.as_json()))
    else:
        from fewtune.report.tables import summary

        console(stderr=False).print(summary(run.path))
    raise typer.Exit(0 if run.verdict.decision == "ship" else HOLD)


def _line(event: Any) -> None:
    """Print the few events that matter as plain lines, for logs and pipes."""
    if event.kind == "stage":
        typer.echo(f"[{event.seconds:7.1f}s] {event.values['sentence']}", err=True)
    elif event.kind == "diagnosis":
        typer.echo(f"[{event.seconds:7.1f}s] {event.values['sentence']}", err=True)
    elif event.kind == "monitor":
        values = event.values
        typer.echo(
            f"[{event.seconds:7.1f}s] {values['monitor']}: {values['action']}: "
            f"{values['sentence']}",
            err=True,
        )
