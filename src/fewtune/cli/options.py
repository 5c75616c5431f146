"""Arguments and options that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "Columns", "Data", "Effort", "Model", "Output", "Run", "Settings", "Test"]

Data = Annotated[str, typer.Argument(metavar="DATA", help="File, folder of images, or hub id.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Folder, hub id, builtin or minilm.")
]
Test = Annotated[str | None, typer.Option(help="A test file; else a part is held out.")]
Columns = Annotated[
    str | None, typer.Option(help="Which column is what: text=question,label=category.")
]
Effort = Annotated[str, typer.Option(help="How much is tried: quick, normal or thorough.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the plan: key=value; repeatable.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
