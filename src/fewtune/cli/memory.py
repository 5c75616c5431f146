"""``fewtune memory``: what tuning a model would need, by method; the model need not be here."""

from __future__ import annotations

from typing import Annotated

import typer

from fewtune.cli.options import AsJson
from fewtune.store.strict import strict_json

__all__ = ["memory"]


def memory(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A size (7B), a folder with config.json, or hub id."),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Ask for this method alone; several may be named.", show_default=False),
    ] = None,
    length: Annotated[int, typer.Option(min=1, help="Tokens of a row.")] = 512,
    rows: Annotated[int, typer.Option(min=1, help="Rows computed at once.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Print a line for each method: weights, gradients, optimizer, activations, file kept."""
    from fewtune.environment import bf16_is_native, device_name, free_memory
    from fewtune.plan.memory import size
    from fewtune.verbs.memory import memory as work_out

    device = "cuda" if device_name().startswith("cuda") else "cpu"
    about, parameters, needs = work_out(
        model, methods=method or (), length=length, rows=rows, device="cuda"
    )
    free = free_memory(device_name())
    # A processor without bfloat16 would hold more than the table says.
    told = bf16_is_native(device_name())
    if as_json:
        answer = {
            "model": model,
            "shape": about,
            "parameters": parameters,
            "weights": {"float32": 4 * parameters, "bfloat16": 2 * parameters},
            "methods": [need.as_json() for need in needs],
            "free_bytes": free,
        }
        typer.echo(strict_json(answer))
        return
    typer.echo(f"{model}: {about}; {parameters:,} parameters")
    typer.echo(f"weights: {size(4 * parameters)} in float32, {size(2 * parameters)} in bfloat16")
    typer.echo(
        f"training {rows} × {length} tokens at once, what trains in float32, passes and the linear "
        "layers of a frozen base in bfloat16:"
    )
    words = ("weights", "gradients", "optimizer", "activations", "total", "kept")
    typer.echo(f"{'method':13}" + "".join(f"{word:>13}" for word in words))
    for need in needs:
        figures = "".join(f"{size(getattr(need, word)):>13}" for word in words)
        short = told and free is not None and need.total > free
        fits = "  does not fit here" if short else ""
        typer.echo(f"{need.method:13}{figures}{fits}")
    if free is not None:
        place = "on the GPU" if device == "cuda" else "here"
        more = "" if told else "; this machine computes in float32, and a fit here holds more"
        typer.echo(f"free {place}: {size(free)}{more}")
    typer.echo("activations: what they take beyond the room of the gradients, which come later.")
    typer.echo(
        "A fit holds more: the best weights so far and, where the base itself trains, a copy of it."
    )
