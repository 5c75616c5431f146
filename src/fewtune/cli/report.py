"""``fewtune report``: the report of a run, written anew."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import typer

__all__ = ["report"]


def report(run: str, open_it: bool) -> None:
    """Write the report, print its path, and open it where asked."""
    from fewtune.report import html

    path = html.write(Path(run))
    typer.echo(str(path))
    if open_it:
        webbrowser.open(path.resolve().as_uri())
