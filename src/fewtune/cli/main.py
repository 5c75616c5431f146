"""The command line; a verb is imported when it is called, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fewtune.errors import FewtuneError

__all__ = ["app", "main"]

INTERRUPTED = 130
FAULT = 70

app = typer.Typer(
    name="fewtune",
    help="Fine-tune a pretrained model on little data, and prove what the tuning changed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[str, typer.Argument(metavar="DATA", help="file, folder of images, or hub id")]
Model = Annotated[
    str, typer.Option("--model", "-m", help="folder, hub id (owner/name), builtin or minilm")
]
Test = Annotated[str, typer.Option("--test", help="a test file; else a part is held out")]
Columns = Annotated[
    str, typer.Option("--columns", help="field=column, e.g. text=question,label=category")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Effort = Annotated[str, typer.Option("--effort", help="quick, normal or thorough")]
Set = Annotated[list[str], typer.Option("--set", help="key=value of the plan; repeatable")]
Seed = Annotated[int, typer.Option("--seed", help="of everything that is drawn")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="a run folder")]


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        from fewtune import __version__

        typer.echo(f"fewtune {__version__}")
        raise typer.Exit


@app.command()
def check(
    data: Data,
    test: Test = "",
    model: Annotated[str, typer.Option("--model", "-m", help="also run checks with it")] = "",
    columns: Columns = "",
    write: Annotated[str, typer.Option("--write", help="write the mended rows here")] = "",
    redact: Annotated[bool, typer.Option("--redact", help="blank personal data")] = False,
    force: Annotated[bool, typer.Option("--force", help="write over an existing file")] = False,
    as_json: Json = False,
) -> None:
    """Is this data fit to train on? What is wrong, where, and how to mend it."""
    from fewtune.cli import check as verb

    verb.check(
        data=data,
        test=test or None,
        model=model or None,
        columns=columns or None,
        write=Path(write) if write else None,
        redact=redact,
        force=force,
        as_json=as_json,
    )


@app.command()
def plan(
    data: Data,
    model: Model,
    test: Test = "",
    columns: Columns = "",
    effort: Effort = "quick",
    settings: Set = [],  # noqa: B006  (typer's way of a repeatable option)
    seed: Seed = 0,
    output: Annotated[str, typer.Option("--output", "-o", help="write the plan here")] = "",
    as_json: Json = False,
) -> None:
    """What would be done, and why: method, rates, counts. Nothing is trained."""
    from fewtune.cli.plan import plan as verb

    verb(data, model, test, columns, effort, settings, seed, output, as_json)


@app.command()
def fit(
    data: Data,
    model: Model = "",
    test: Test = "",
    columns: Columns = "",
    plan_file: Annotated[str, typer.Option("--plan", help="a plan file to carry out")] = "",
    effort: Effort = "quick",
    settings: Set = [],  # noqa: B006
    seed: Annotated[int, typer.Option("--seed", help="of everything drawn; -1: the plan's")] = -1,
    output: Annotated[str, typer.Option("--output", "-o", help="the run folder")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in -o")] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune, measure against controls, and say ship or hold (exit code 0 or 1)."""
    from fewtune.cli.fit import fit as verb

    verb(data, model, test, columns, plan_file, effort, settings, seed, output, resume, as_json)


@app.command()
def predict(
    run: RunPath,
    text: Annotated[str, typer.Option("--text", help="one input")] = "",
    data: Annotated[str, typer.Option("--data", help="a file of inputs")] = "",
    columns: Columns = "",
    output: Annotated[str, typer.Option("--output", "-o", help="jsonl file; else stdout")] = "",
) -> None:
    """Answer with the model of a run: a label and its probability, or a text."""
    from fewtune.cli.predict import predict as verb

    verb(run, text, data, columns, output)


@app.command()
def report(
    run: RunPath,
    open_it: Annotated[bool, typer.Option("--open", help="open it in a browser")] = False,
) -> None:
    """Write the report of a run anew and say where it is."""
    from fewtune.cli.report import report as verb

    verb(run, open_it)


@app.command()
def demo(
    kind: Annotated[str, typer.Argument(metavar="[text|chat]", help="which example")] = "text",
    output: Annotated[str, typer.Option("--output", "-o", help="the run folder")] = "",
) -> None:
    """Run the main job on the front-desk example, offline."""
    from fewtune.cli.demo import demo as verb

    verb(kind, output)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What is installed, what this machine can do, and what is missing."""
    from fewtune.cli.doctor import doctor as verb

    verb(as_json)


def main(arguments: Any = None) -> None:
    """Run the command line; every expected failure is one line and an exit code."""
    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as ended:
        # Typer turns an interrupt into this exit without a word.
        if ended.code == INTERRUPTED:
            _say_interrupted()
        raise
    except FewtuneError as error:
        typer.echo(f"fewtune: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:
        # Not 1, which says that a fit ended with "hold".
        import traceback

        traceback.print_exc()
        typer.echo("fewtune: this is a fault of fewtune; please report it with the above", err=True)
        sys.exit(FAULT)


def _say_interrupted() -> None:
    sentence = "interrupted; a fit goes on with the same command, its run folder as -o and --resume"
    typer.echo(f"fewtune: {sentence}", err=True)


if __name__ == "__main__":
    main()
