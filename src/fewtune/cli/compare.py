"""``fewtune compare``: runs against each other on the same rows, paired."""

from __future__ import annotations

from typing import Annotated

import typer

from fewtune.cli.options import AsJson, Columns
from fewtune.store.strict import strict_json

__all__ = ["compare"]


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="Two run folders or more.")],
    data: Annotated[
        str, typer.Option(help="Rows that all answer now; without it, the test rows they share.")
    ] = "",
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Say which of several runs is better on the same rows, and whether that is sure."""
    from fewtune.cli.progress import console
    from fewtune.data.load import parse_columns
    from fewtune.report.tables import comparison_table
    from fewtune.verbs.compare import compare

    found = compare(runs, data=data or None, columns=parse_columns(columns) if columns else None)
    if as_json:
        typer.echo(strict_json(found.as_json()))
        return
    shown = console(stderr=False)
    shown.print(comparison_table(found.scores, found.paired))
    for line in (*found.sentences(), *(f"note: {note}" for note in found.notes)):
        shown.print(line)
