"""``fewtune report``: write the report of a run anew."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from fewtune.cli.options import Run

__all__ = ["report"]


def report(
    run: Run,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write the report, print its path, and open it where asked."""
    from fewtune.report import html

    path = html.write(Path(run))
    typer.echo(str(path))
    if open_it:
        webbrowser.open(path.resolve().as_uri())
