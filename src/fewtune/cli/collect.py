"""``fewtune collect``: documents, FAQ pages, web pages and transcripts to one file of examples."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewtune.errors import DataError, FewtuneError, PlanError
from fewtune.store.strict import strict_json

if TYPE_CHECKING:
    from fewtune.data.collectors.base import Options
    from fewtune.data.collectors.run import Collection

__all__ = ["collect"]

SUFFIXES = (".jsonl", ".csv", ".tsv")
SHAPES = ("text", "prompt", "chat")
LEFT_OUT_SHOWN = 40


def collect(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders (with all in them) and http(s) addresses.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write, such as data.jsonl.")
    ],
    shape: Annotated[
        str | None,
        typer.Option("--as", help="Make every row text, prompt (with its answer) or chat."),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(help="Who is who in calls: Amy=assistant,Bob=user (or system, or skip)."),
    ] = None,
    collector: Annotated[
        str | None,
        typer.Option(help="Read everything with this one: docx, faq, markdown, pdf, transcript …"),
    ] = None,
    words: Annotated[int, typer.Option(help="Words of the longest piece of a document.")] = 200,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn documents, FAQ pages, web pages and transcripts into examples."""
    try:
        _collect(sources, output, shape, roles, collector, words, force, as_json)
    except FewtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


def _collect(
    sources: list[str],
    output: Path,
    shape: str | None,
    roles: str | None,
    collector: str | None,
    words: int,
    force: bool,
    as_json: bool,
) -> None:
    """Collect, write and print."""
    from fewtune.data.collectors.run import collect as gather
    from fewtune.data.write import write

    _check_output(output, force)
    options = _options(shape, roles, words)
    if sys.stderr.isatty():
        typer.echo(f"Collecting from {len(sources)} sources …", err=True)
    collection = gather(sources, options, collector, output)
    write(collection.dataset, output)
    if as_json:
        typer.echo(strict_json(_as_json(collection, output)))
    else:
        _print(collection, output)


def _options(shape: str | None, roles: str | None, words: int) -> Options:
    from fewtune.data.collectors.base import Options
    from fewtune.data.collectors.roles import parse_roles
    from fewtune.family import suggest

    if shape is not None and shape not in SHAPES:
        raise PlanError("text, prompt or chat", repr(shape), "--as", suggest(shape, SHAPES))
    return Options(shape, words, parse_roles(roles or ""))  # type: ignore[arg-type]


def _check_output(output: Path, force: bool) -> None:
    """Refuse before any work is done what could not be written at its end."""
    if output.is_dir():
        raise DataError("a file for -o", "a folder", str(output), "Add a name, such as data.jsonl")
    if output.exists() and not force:
        raise DataError(
            "a new file for -o",
            "one that exists",
            str(output),
            "Give another name, or add --force to replace it",
        )
    if not output.parent.is_dir():
        raise DataError("a folder that exists", "none", str(output.parent), "Make it first")
    if output.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"a name that ends in {', '.join(SUFFIXES)}",
            output.suffix or "no ending",
            str(output),
            f"Write to {output.stem}.jsonl",
        )


def _as_json(collection: Collection, output: Path) -> dict[str, Any]:
    return {
        "data": str(output),
        "shape": collection.dataset.shape,
        "rows": len(collection.dataset),
        "groups": _groups(collection),
        "words": sum(taken.words for taken in collection.taken),
        "sources": [
            {
                "source": taken.name,
                "collector": taken.collector,
                "rows": taken.rows,
                "words": taken.words,
                "notes": list(taken.notes),
            }
            for taken in collection.taken
        ],
        "left_out": [
            {"source": entry.name, "reason": entry.reason, "failed": entry.failed}
            for entry in collection.left_out
        ],
        "notes": list(collection.notes),
    }


def _groups(collection: Collection) -> int:
    return len({example.group or example.source for example in collection.dataset})


def _print(collection: Collection, output: Path) -> None:
    """Print a line for each document, its notes, what was left out, and the counts."""
    from fewtune.data.collectors.base import many

    width = min(60, max(len(taken.name) for taken in collection.taken))
    kind = max(len(taken.collector) for taken in collection.taken)
    for taken in collection.taken:
        rows = many(taken.rows, "row")
        typer.echo(
            f"{taken.name:<{width}}  {taken.collector:<{kind}}  {rows:>10}  {taken.words:>7,} words"
        )
        for note in taken.notes:
            typer.echo(f"    {note}")
    if collection.left_out:
        typer.echo("\nLeft out:")
        for entry in collection.left_out[:LEFT_OUT_SHOWN]:
            typer.echo(f"  {entry.name}: {entry.reason}")
        if len(collection.left_out) > LEFT_OUT_SHOWN:
            typer.echo(f"  and {len(collection.left_out) - LEFT_OUT_SHOWN} more; --json names all.")
    data = collection.dataset
    typer.echo("")
    for note in collection.notes:
        typer.echo(note)
    failed = sum(1 for entry in collection.left_out if entry.failed)
    lost = f"; {failed} that could not be read" if failed else ""
    kinds = {"text": "of text", "prompt": "with prompt and completion", "chat": "of chat"}
    typer.echo(
        f"Wrote {many(len(data), 'row')} {kinds.get(data.shape, '')} "
        f"in {many(_groups(collection), 'group')}, from {many(len(collection.taken), 'document')}, "
        f"to {output}{lost}."
    )
    typer.echo(f"Next: {shlex.join(['fewtune', 'check', str(output)])}")
