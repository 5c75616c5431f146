"""``fewtune measure``: score the model of a run on other rows."""

from __future__ import annotations

from typing import Annotated

import typer

from fewtune.cli.options import AsJson, Columns, Run
from fewtune.store.strict import strict_json

__all__ = ["measure"]


def measure(
    run: Run,
    data: Annotated[
        str, typer.Option(help="Rows with targets; without it, the run's own test scores.")
    ] = "",
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Score the model of a run on the rows of a file, beside its base where that can answer."""
    from fewtune.cli.progress import console
    from fewtune.data.load import parse_columns
    from fewtune.report.tables import scores_table
    from fewtune.verbs.measure import kept, measure

    if data:
        found = measure(run, data, columns=parse_columns(columns) if columns else None)
    else:
        found = kept(run)
    if as_json:
        typer.echo(strict_json(found.as_json()))
        return
    shown = console(stderr=False)
    shown.print(scores_table(found.data, found.scores, found.base, found.paired))
    for note in found.notes:
        shown.print(f"note: {note}")
