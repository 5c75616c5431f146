"""``fewtune check``: what is wrong with this data, and is it fit to train on."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewtune.checks.base import Context
from fewtune.checks.run import Report, describe, run
from fewtune.errors import DataError, FewtuneError
from fewtune.records import Dataset, Example, Finding, Shape
from fewtune.store.strict import strict_json

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check"]

ROWS_SHOWN = 5
COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
HEADINGS = {
    "error": "Errors: mend these first, a fit would be worthless",
    "warning": "Warnings: read these",
    "note": "Notes",
}


def check(
    data: Annotated[str, typer.Argument(help="File, folder of images by class, or hub id.")],
    test: Annotated[str | None, typer.Option(help="Test file, searched for leaks.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Model to count tokens, measure losses and look at rows with."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Which column is what: text=question,label=category.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the rows here, with all that is safe mended.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="With --write: put [EMAIL] and such for personal data.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let --write replace a file that exists.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what is wrong with a data set, in which rows, and how to mend it."""
    try:
        blocking = _check(data, test, model, columns, write, redact, force, as_json)
    except FewtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    raise typer.Exit(1 if blocking else 0)


def _check(
    data: str,
    test: str | None,
    model: str | None,
    columns: str | None,
    write: Path | None,
    redact: bool,
    force: bool,
    as_json: bool,
) -> bool:
    """Check, print and write; return whether a finding is an error."""
    from fewtune.data.load import load, parse_columns

    begun = time.perf_counter()
    _refuse_overwriting(write, data, redact, force)
    fields = parse_columns(columns) if columns else None
    _say(f"Reading {data} …")
    rows = load(data, columns=fields)
    test_rows = load(test, columns=fields, shape=rows.shape) if test else None
    view = None
    if model is not None:
        from fewtune.models.view import view as view_of

        _say(f"Loading {model} …")
        view = view_of(model, rows.shape)
    _say("Checking …")
    report = run(Context(rows, test_rows, view))
    seconds = time.perf_counter() - begun
    done = _write(data, rows, report, write, redact)
    if as_json:
        typer.echo(strict_json(_as_json(rows, test_rows, report, done)))
    else:
        _print(rows, test_rows, report, seconds, done)
    return report.blocking


def _say(sentence: str) -> None:
    """Tell on stderr what goes on, where somebody watches."""
    if sys.stderr.isatty():
        typer.echo(sentence, err=True)


def _refuse_overwriting(write: Path | None, data: str, redact: bool, force: bool) -> None:
    if write is None:
        if redact:
            raise DataError("--write with --redact", "--redact alone", cure="Add --write CLEAN")
        return
    if Path(data).exists() and write.resolve() == Path(data).resolve():
        raise DataError(
            "a new file for --write", "the file that is checked", str(write), "Give another name"
        )
    if write.exists() and not force:
        raise DataError(
            "a new file for --write",
            "one that exists",
            str(write),
            "Give another name, or add --force to replace it",
        )


def _write(data: str, rows: Dataset, report: Report, write: Path | None, redact: bool) -> list[str]:
    """Write the mended rows; return in sentences what was done."""
    if write is None:
        return []
    from fewtune.checks.clean import clean
    from fewtune.data.load import unread
    from fewtune.data.write import write as write_rows

    mended, done = clean(rows, report.findings, redact)
    if not len(mended):
        raise DataError("a row that is left after mending", "none", rows.name, "Mend the errors")
    more = unread(data, rows)
    columns = list(dict.fromkeys(column for fields in more.values() for column in fields))
    # Nobody looked for personal data in columns that are not trained on.
    kept = bool(columns) and not redact
    if kept:
        write_rows(mended, write, more)
        kept = _reads_as(write, mended)
    if not kept:
        write_rows(mended, write)
    done = done or ["Nothing to mend safely."]
    if columns:
        done.append(_of_columns(columns, kept, redact))
    return [*done, f"Wrote {len(mended):,} of {len(rows):,} rows to {write}."]


def _reads_as(path: Path, rows: Dataset) -> bool:
    """Return whether a file is read as these rows, without being told how."""
    from fewtune.data.load import load

    try:
        found = load(path)
    except DataError:
        return False
    if (found.shape, len(found)) != (rows.shape, len(rows)):
        return False
    return all(
        (one.input, one.target, one.group) == (other.input, other.target, other.group)
        for one, other in zip(found, rows, strict=True)
    )


def _of_columns(columns: list[str], kept: bool, redact: bool) -> str:
    """Return what became of columns that are not trained on."""
    names = ", ".join(columns[:8]) + (", …" if len(columns) > 8 else "")
    if kept:
        return f"Unused columns were copied as they are: {names}."
    why = "nobody looked for personal data there" if redact else "the file would be doubtful"
    return f"Unused columns were not written, since {why}: {names}."


def _as_json(
    rows: Dataset, test: Dataset | None, report: Report, done: list[str]
) -> dict[str, Any]:
    data = {
        "name": rows.name,
        "shape": rows.shape,
        "rows": len(rows),
        "columns": dict(rows.columns),
        "notes": list(rows.notes),
        "test": None if test is None else {"name": test.name, "rows": len(test)},
    }
    return {"data": data, **report.as_json(), "written": done}


def _print(
    rows: Dataset, test: Dataset | None, report: Report, seconds: float, done: list[str]
) -> None:
    from fewtune.cli.progress import console as console_of

    console = console_of(stderr=False, wrap=False)
    for part in (rows, test):
        if part is not None:
            console.print(describe(part), style="bold")
            for note in part.notes:
                console.print(f"  {note}")
    examples = {e.source: e for e in _all(rows, test)}
    for severity, heading in HEADINGS.items():
        found = report.of(severity)
        if found:
            console.print(f"\n{heading}", style=f"bold {COLOURS[severity]}")
            for finding in found:
                _print_finding(console, finding, examples, rows.shape)
    console.print()
    for sentence in done:
        console.print(sentence)
    console.print(_closing(report, seconds), style="bold")


def _all(rows: Dataset, test: Dataset | None) -> list[Example]:
    return [*rows.examples, *(test.examples if test is not None else ())]


def _print_finding(
    console: Console, finding: Finding, examples: Mapping[str, Example], shape: Shape
) -> None:
    from rich.text import Text

    head = Text("  ")
    head.append(finding.check, style=COLOURS[finding.severity])
    console.print(head + Text(f"  {finding.evidence}"))
    for source in finding.rows[:ROWS_SHOWN] if finding.severity != "note" else ():
        shown = _show(examples[source], finding.check, shape) if source in examples else ""
        console.print(f"    {source}  {shown}", style="dim")
    more = len(finding.rows) - ROWS_SHOWN
    if finding.severity != "note" and more > 0:
        console.print(f"    and {more:,} more (--json names them all)", style="dim")
    console.print(f"    → {finding.cure}.")


def _show(example: Example, check: str, shape: Shape) -> str:
    """Return a row in one short line: what is asked and what is answered."""
    from fewtune.checks._rows import quote, written
    from fewtune.data.personal import redact

    if check == "personal_data":
        text = redact(written(example, shape))[0]
        place = text.find("[")
        return quote(("…" if place > 30 else "") + text[max(0, place - 30) :], 70)
    asked = example.input
    if example.messages:
        answers = [at for at, turn in enumerate(example.messages) if turn.role == "assistant"]
        before = example.messages[: answers[-1]] if answers else example.messages
        asked = before[-1].content if before else ""
    answer = example.target or ""
    if shape == "labelled_image":  # its path is its source, which stands before
        return f"→ {answer.strip() or '(nothing)'}"
    if shape == "text":
        return quote(answer, 90)
    if len(answer) <= 40 and "\n" not in answer:
        return f"{quote(asked, 70)} → {answer.strip() or '(nothing)'}"
    return f"{quote(asked, 45)} → {quote(answer, 45)}"


def _closing(report: Report, seconds: float) -> str:
    errors, warnings = len(report.of("error")), len(report.of("warning"))
    if errors:
        verdict = f"Not fit to train on yet: {errors} error{'s' * (errors > 1)}"
        verdict += f", {warnings} warning{'s' * (warnings > 1)}." if warnings else "."
    elif warnings:
        verdict = f"Fit to train on; {warnings} warning{'s' * (warnings > 1)} to read first."
    else:
        verdict = "Fit to train on."
    slowest = max(report.seconds, key=lambda name: report.seconds[name], default="")
    ran = f"{len(report.seconds)} checks in {seconds:.1f} s"
    if slowest and report.seconds[slowest] > 3:
        ran += f" ({slowest} {report.seconds[slowest]:.1f} s)"
    needs = [
        why for why in ("needs a model", "needs a test file") if why in report.skipped.values()
    ]
    flags = {"needs a model": "--model", "needs a test file": "--test"}
    left = [
        f"{sum(w == why for w in report.skipped.values())} more with {flags[why]}" for why in needs
    ]
    return f"{verdict} {', '.join([ran, *left])}."
