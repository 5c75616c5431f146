"""``fewtune demo``: the main job on the front-desk example, offline, with a real model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fewtune.cli.fit import run_and_show
from fewtune.cli.options import Output
from fewtune.errors import DataError
from fewtune.family import suggest

__all__ = ["demo"]

DEMOS = {
    "text": ("intents.csv", "intents_test.csv", "minilm"),
    "chat": ("conversations.jsonl", "conversations_test.jsonl", "builtin"),
}


def demo(
    kind: Annotated[str, typer.Argument(metavar="[text|chat]", help="Which example.")] = "text",
    output: Output = None,
) -> None:
    """Fit the example and show the verdict; the exit code is 0 whatever the verdict says."""
    if kind not in DEMOS:
        raise DataError("a demo", f"{kind!r}", cure=suggest(kind, DEMOS))
    data, test, model = DEMOS[kind]
    folder = _examples()
    target = output or _free(Path("runs"), f"demo-{kind}")
    words = ["fewtune", "fit", data, "--test", test, "--model", model, "-o", str(target)]
    typer.echo(shlex.join(words), err=True)
    try:
        run_and_show(False, data=folder / data, test=folder / test, model=model, output=target)
    except typer.Exit:
        typer.echo(f"report: {target / 'report.html'}")


def _examples() -> Path:
    """Return the folder of the front-desk example: in the source tree or in the package."""
    here = Path(__file__).resolve()
    for folder in (here.parents[3] / "examples" / "front_desk", here.parents[1] / "front_desk"):
        if folder.is_dir():
            return folder
    raise DataError("the front-desk example", "none", cure="Run from a clone, or reinstall fewtune")


def _free(parent: Path, stem: str) -> Path:
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"
