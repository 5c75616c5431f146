"""``fewtune plan``: what a fit would do, with reasons and counts."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from fewtune.errors import RunError

__all__ = ["plan"]


def plan(
    data: str,
    model: str,
    test: str,
    columns: str,
    effort: str,
    settings: list[str],
    seed: int,
    output: str,
    as_json: bool,
) -> None:
    """Print the plan, or write it to a file that ``fit --plan`` carries out."""
    from fewtune.cli.fit import known_effort
    from fewtune.data.load import parse_columns
    from fewtune.plan.plan import counts, parse_settings
    from fewtune.verbs.fit import prepare

    if output and Path(output).exists():
        raise RunError("a new file", "one that exists", output, "Choose another with -o")
    prepared = prepare(
        data,
        model,
        test=test or None,
        columns=parse_columns(columns) if columns else None,
        effort=known_effort(effort),
        settings=parse_settings(settings),
        seed=seed,
    )
    proposed, parts = prepared.plan, prepared.split
    if output:
        try:
            Path(output).write_text(proposed.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise RunError(
                "a file that can be written", error.strerror or str(error), output, "Choose another"
            ) from error
    told = counts(proposed.training, len(parts.train))
    judged = len(prepared.test) if prepared.test is not None else len(parts.test)
    if as_json:
        answer = {
            "plan": proposed.model_dump(mode="json"),
            "counts": told.model_dump(),
            "rows": {
                "train": len(parts.train),
                "validation": len(parts.validation),
                "test": judged,
            },
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    for note in prepared.data.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"rows: {len(parts.train)} train, {len(parts.validation)} validation, {judged} test")
    for sentence in parts.certificate.sentences:
        typer.echo(f"split: {sentence}")
    typer.echo(f"training: {told.sentence()}")
    for key, reason in proposed.reasons.items():
        value: object = proposed.model_dump()
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) and part in value else ""
        typer.echo(f"{key} = {value}\n    {reason}")
    if output:
        typer.echo(f"written to {output}; carry it out with: fewtune fit {data} --plan {output}")
