"""``fewtune augment``: variations of training rows, shown, counted and written."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewtune.cli.options import AsJson, Data
from fewtune.errors import PlanError
from fewtune.store.strict import strict_json

if TYPE_CHECKING:
    from fewtune.records import Example
    from fewtune.verbs.augment import Outcome

__all__ = ["augment"]

WIDTH = 110


def augment(
    data: Data,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file to write; needed with --with.")
    ] = "",
    parts: Annotated[
        list[str] | None,
        typer.Option("--with", help="An augmentation: NAME or NAME:key=value,…; repeatable."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Compares meanings, knows near words, writes.")
    ] = "",
    test: Annotated[str, typer.Option(help="Test rows, of which no copy is made.")] = "",
    columns: Annotated[
        str, typer.Option(help="Which column is what: text=question,label=category.")
    ] = "",
    per_row: Annotated[int, typer.Option(help="Variations of each row.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    show: Annotated[int, typer.Option(help="Pairs shown of each augmentation.")] = 5,
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new rows alone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make variations of training rows, write them, show a few and say what became of all."""
    from fewtune.data.load import parse_columns

    if not parts:
        typer.echo(_listing(), err=True)
        raise typer.Exit(2)
    if not output:
        raise PlanError("a file to write", "none", "-o", "Name one, such as -o varied.jsonl")
    from fewtune.verbs.augment import augment as verb

    if sys.stderr.isatty():
        typer.echo(f"Augmenting {data} …", err=True)
    outcome = verb(
        data,
        output,
        parts=list(parts),
        model=model,
        test=test,
        columns=parse_columns(columns) if columns else None,
        per_row=per_row,
        seed=seed,
        only_new=only_new,
        force=force,
    )
    if as_json:
        typer.echo(strict_json(_as_json(outcome, output)))
    else:
        _print(outcome, output, test, model, show)


def _listing() -> str:
    """Return what to choose from."""
    from fewtune.augmentations.base import AUGMENTATIONS

    names = AUGMENTATIONS.names()
    width = max(map(len, names))
    lines = [f"  {name:<{width}}  {AUGMENTATIONS.help(name)}" for name in names]
    head = "Nothing is on by default. Add --with NAME, or --with NAME:key=value,key=value, of:"
    return "\n".join([head, *lines])


def _as_json(outcome: Outcome, output: str) -> dict[str, Any]:
    made = outcome.made
    return {
        "data": outcome.data.name,
        "output": output,
        "rows": len(outcome.data),
        "new": len(made.examples),
        "written": len(outcome.written),
        "replaced": len(made.replaced),
        "augmentations": {name: tally.as_json() for name, tally in made.tallies.items()},
        "meaning_bound": made.bound,
        "images": None if outcome.images is None else str(outcome.images),
    }


def _print(outcome: Outcome, output: str, test: str, model: str, show: int) -> None:
    from fewtune.checks.run import describe

    made = outcome.made
    typer.echo(describe(outcome.data))
    for note in outcome.data.notes:
        typer.echo(f"  {note}")
    parents = {row.source: row for row in outcome.data}
    for name, tally in made.tallies.items():
        gone = ", ".join(f"{reason} {count:,}" for reason, count in tally.dropped.items())
        lost = f", {tally.made - tally.kept:,} dropped ({gone})" if gone else ""
        typer.echo(f"\n{name}: {tally.made:,} tried, {tally.kept:,} kept{lost}")
        mine = [e for e in made.examples if made.makers[e.source] == name]
        # Shown from all over the file, not from its first rows.
        step = max(1, len(mine) // show) if show > 0 else 1
        for example in mine[::step][: max(0, show)]:
            _print_pair(parents[example.parent], example)
    typer.echo("")
    for sentence in _closing(outcome, output, test, model):
        typer.echo(sentence)


def _print_pair(old: Example, new: Example) -> None:
    """Print the part of a row that changed, before and after."""
    from fewtune.augmentations._rows import asked, squeeze

    before, after = squeeze(asked(old)), squeeze(asked(new))
    if before == after:
        before, after = squeeze(old.target or ""), squeeze(new.target or "")
    label = f"  [{new.target}]" if old.target == new.target and len(new.target or "") < 40 else ""
    start = _window(before, after)
    typer.echo(f"  {old.source}{label}")
    typer.echo(f"    - {_clip(before, start)}")
    typer.echo(f"    + {_clip(after, start)}")


def _window(before: str, after: str) -> int:
    """Return where to begin showing two long texts so that their first difference is seen."""
    if max(len(before), len(after)) <= WIDTH:
        return 0
    pairs = zip(before, after, strict=False)
    first = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
    return 0 if first < WIDTH // 2 else first - WIDTH // 3


def _clip(text: str, start: int) -> str:
    begin = "…" if start else ""
    shown = text[start : start + WIDTH]
    return f"{begin}{shown}{'…' if start + WIDTH < len(text) else ''}"


def _closing(outcome: Outcome, output: str, test: str, model: str) -> list[str]:
    """Return what was compared with what, what was written, and what comes next."""
    made, data = outcome.made, outcome.data
    said = []
    if made.bound is not None:
        said.append(
            f"Meaning: a new row had to have a cosine of {made.bound:.2f} or more with its own, by "
            f"{model}; the bound comes from how near these rows are to each other."
        )
    elif data.shape != "labelled_image":
        said.append("Meaning was not compared: add --model minilm (any encoder) for that.")
    if not test:
        said.append("Copies of test rows were not looked for: add --test FILE if you have one.")
    if made.replaced:
        rows = "1 row was" if len(made.replaced) == 1 else f"{len(made.replaced):,} rows were"
        said.append(f"{rows} replaced by their rewriting.")
    if outcome.images is not None:
        said.append(f"New images are in {outcome.images}.")
    said.append(
        f"Wrote {len(outcome.written):,} rows to {output}, {len(made.examples):,} of them new; "
        "column parent names the row that a new one came from, and group keeps the two together."
    )
    words = shlex.join(["fewtune", "fit", output, "--test", test or "FILE"])
    said.append(f"New rows are for training. Judge on rows that nobody varied: {words}")
    return said
