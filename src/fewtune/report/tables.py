"""The closing screen of a fit: the verdict, its reasons, and the scores beside their controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fewtune.records import Score
from fewtune.report import words
from fewtune.report.comparison import contest, differences
from fewtune.report.folder import RunContents, as_mapping, as_number, read

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

__all__ = ["comparison_table", "scores_table", "summary"]

COLOURS = {"ship": "green", "hold": "red"}
SHORT = {
    "tuned": "tuned model",
    "frozen": "frozen base",
    "tfidf": "TF-IDF",
    "majority": "most frequent",
    "base": "base model",
    "few_shot": "base, few-shot",
    "vanilla": "plain fine-tuning",
}
"""Names that leave room for the figures in 80 columns."""

SENSES = {"better": "green", "worse": "red", "unclear": "default"}


def summary(run: Path) -> RenderableType:
    """Return what the terminal shows at the end of a fit, for ``rich`` to print.

    The user's own words are taken as plain text: brackets in a label are no markup.

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    from rich.console import Group
    from rich.text import Text

    folder = read(run)
    parts: list[RenderableType] = [_verdict(folder)]
    if folder.headline in folder.tuned():
        parts += [Text(""), _about(folder.tuned()[folder.headline]), _scores(folder)]
    parts += [Text(""), *_facts(folder)]
    return Group(*parts)


def scores_table(
    data: str, scores: Mapping[str, Score], base: Mapping[str, Score], paired: Mapping[str, Score]
) -> Table:
    """Return a model's scores on some rows, its base's beside them where there are any."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in (_plain(data), "tuned", "95% interval", "n", *(("base",) if base else ())):
        table.add_column(Text(heading), justify="left" if heading == data else "right")
    for name, score in scores.items():
        unit = f", {score.unit}" if score.unit and score.unit not in words.SHARES else ""
        cells = [
            f"{words.title(name)}{unit}",
            words.figure(score.value, score.unit),
            words.bounds(score.low, score.high, score.unit),
            words.count(score.n),
        ]
        if base:
            before = base.get(name)
            cells.append(words.figure(before.value, before.unit) if before else "")
        table.add_row(*(Text(cell) for cell in cells))
    for control, difference in paired.items():
        table.caption = Text(
            f"{words.title(difference.name)}, tuned − {control}: "
            f"{_gain(difference, difference.unit)}, n = {words.count(difference.n)}"
        )
    return table


def comparison_table(scores: Mapping[str, Score], paired: Mapping[tuple[str, str], Score]) -> Table:
    """Return runs side by side, each with its difference from the first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    first, one = next(iter(scores.items()))
    unit = f", {one.unit}" if one.unit and one.unit not in words.SHARES else ""
    table.add_column(Text(f"n = {words.count(one.n)}"))
    table.add_column(Text(f"{words.title(one.name)}{unit}"), justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column(Text(f"minus {_plain(first)}"), justify="right")
    for name, score in scores.items():
        gain = paired.get((name, first))
        cells = [
            _plain(name),
            words.figure(score.value, score.unit),
            words.bounds(score.low, score.high, score.unit),
            _gain(gain, gain.unit) if gain else "",
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _verdict(run: RunContents) -> Panel:
    from rich.panel import Panel
    from rich.text import Text

    verdict = as_mapping(run.scores.get("verdict"))
    decision = str(verdict.get("decision") or "unfinished")
    body = Text()
    lines = [_plain(words.sentence(r)) for r in verdict.get("reasons") or []]
    if not run.finished:
        lines = ["This run ended before its verdict; go on with --resume."]
    body.append("\n".join(lines))
    for cure in verdict.get("cures") or []:
        body.append("\n→ ", style="bold")
        body.append(_plain(words.sentence(cure)))
    held = {str(r).partition(": ")[0] for r in verdict.get("reasons") or []}
    for fault in run.diagnosis():
        name = words.title(str(fault.get("name")))
        if name.lower() in held:
            continue
        body.append(f"\n{name}: ", style="bold yellow")
        body.append(_plain(words.sentence(str(fault.get("evidence")))))
        body.append("\n→ ", style="bold")
        body.append(_plain(words.sentence(str(fault.get("cure")))))
    colour = COLOURS.get(decision, "yellow")
    return Panel(
        body,
        title=Text(decision.upper(), style=f"bold {colour}"),
        title_align="left",
        border_style=colour,
        padding=(0, 1),
    )


def _plain(text: object) -> str:
    """Return text without control characters: a quoted row must not steer the terminal."""
    return "".join(c for c in str(text) if c.isprintable() or c == "\n")


def _scores(run: RunContents) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    bars = contest(run, run.headline)
    tuned = bars[0].score
    gains = {d.control: d for d in differences(run)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(Text(f"n = {words.count(tuned.n)}"))
    table.add_column(Text(words.title(run.headline)), justify="right")
    table.add_column("95% interval", justify="right")
    if gains:
        table.add_column("tuned − control", justify="right")
        table.add_column("")
    for bar in bars:
        gain = gains.get(bar.name)
        cells = [
            Text(SHORT.get(bar.key, bar.name)),
            Text(words.figure(bar.score.value, bar.score.unit)),
        ]
        cells.append(Text(words.bounds(bar.score.low, bar.score.high, bar.score.unit)))
        if gain:
            colour = SENSES[gain.sense]
            cells.append(Text(_gain(gain.score, gain.unit)))
            cells.append(Text("cannot tell" if gain.sense == "unclear" else gain.sense, colour))
        table.add_row(*cells, style="bold" if bar.tuned else "")
    return table


def _about(score: Score) -> Text:
    from rich.text import Text

    unit = f" in {score.unit}" if score.unit and score.unit not in words.SHARES else ""
    better = "higher" if score.direction == "higher" else "lower"
    rows = words.count(score.n)
    return Text(f"{words.title(score.name)}{unit} on {rows} test rows, {better} is better:", "dim")


def _gain(score: Score, unit: str) -> str:
    span = words.signed_bounds(score.low, score.high, unit)
    return f"{words.difference(score.value, unit)} ({span})"


def _facts(run: RunContents) -> list[Text]:
    from rich.text import Text

    chosen = run.chosen()
    facts = []
    if chosen.get("method"):
        facts.append(("chosen", _chosen(chosen)))
    named = {"rotations": "judged", "earlier": "earlier", "seeds": "seeds", "value_curve": "more"}
    for key, label in named.items():
        told = as_mapping(run.scores.get(key)).get("sentence")
        if told:
            facts.append((label, str(told)))
    facts.append(("time", _time(run)))
    facts.append(("run", str(run.path)))
    if (run.path / "report.html").exists():
        facts.append(("report", str(run.path / "report.html")))
    facts += [("not read", fault) for fault in run.faults]
    return [Text.assemble((f"{name:<9}", "dim"), value) for name, value in facts]


def _time(run: RunContents) -> str:
    told = as_mapping(run.scores.get("time"))
    foreseen, dropped = as_number(told.get("told_seconds")), told.get("dropped")
    said = words.duration(run.seconds)
    if foreseen:
        said += f", {words.duration(foreseen)} were foreseen"
    if isinstance(dropped, list) and dropped:
        said += f"; left out for want of time: {', '.join(str(name) for name in dropped)}"
    return said


def _chosen(chosen: dict[str, object]) -> str:
    said = [words.title(str(chosen["method"]))]
    rate, alpha, updates = (as_number(chosen.get(k)) for k in ("learning_rate", "alpha", "updates"))
    if rate:
        said.append(f"learning rate {rate:g}")
    if updates:
        said.append(f"best after {words.count(updates)} updates")
    if alpha is not None:
        said.append(f"dial {alpha:g}")
    listed = chosen.get("regularizers")
    if isinstance(listed, list) and listed:
        said.append(" + ".join(str(name) for name in listed))
    return ", ".join(said)
