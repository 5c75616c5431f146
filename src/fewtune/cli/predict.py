"""``fewtune predict``: answer with the model of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fewtune.cli.options import Columns, Run
from fewtune.errors import DataError, RunError
from fewtune.store.strict import strict_json

__all__ = ["predict"]


def predict(
    run: Run,
    text: Annotated[str, typer.Option(help="One input.")] = "",
    data: Annotated[str, typer.Option(help="A file of inputs, as fit takes them.")] = "",
    columns: Columns = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="For classifiers: also a set of labels that holds the right one so often, as 0.9."
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A new jsonl file; else the answers are printed.")
    ] = "",
) -> None:
    """Answer one text on stdout, or every row of a file as one JSON line each."""
    from fewtune.data.load import parse_columns
    from fewtune.verbs.result import open_run

    if bool(text) == bool(data):
        raise DataError(
            "one of --text and --data", "both" if text else "neither", cure="Give one of them"
        )
    if output and Path(output).exists():
        raise RunError("a new file", "one that exists", output, "Choose another with -o")
    fitted = open_run(run)
    if text and fitted.plan.task.name == "image_classification":
        raise DataError(
            "images for a model of images",
            "a text",
            "--text",
            "Give an image, a folder of images or a file of their paths with --data",
        )
    if text:
        answer = fitted.predict(text, coverage=coverage)
        if "set" in answer:
            labels = ", ".join(answer["set"]) or "none is likely enough"
            typer.echo(f"{answer['label']}\t{answer['probability']:.3f}\t{labels}")
        elif "label" in answer:
            typer.echo(f"{answer['label']}\t{answer['probability']:.3f}")
        else:
            typer.echo(answer["text"])
        return
    given = parse_columns(columns) if columns else None
    records = fitted.predict_file(data, given, coverage)
    lines = "".join(strict_json(record) + "\n" for record in records)
    if not output:
        sys.stdout.write(lines)
        return
    fresh = Path(output + ".tmp")
    try:
        fresh.write_text(lines, encoding="utf-8")
        fresh.replace(output)
    except OSError as error:
        raise RunError(
            "a file that can be written", error.strerror or str(error), output, "Choose another"
        ) from error
    typer.echo(f"{len(records)} answers written to {output}", err=True)
