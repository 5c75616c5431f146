"""The closing screen of a fit: the verdict, its reasons, and the scores beside their controls."""

from __future__ import annotations

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

__all__ = ["summary"]

COLOURS = {"ship": "green", "hold": "red"}
SHORT = {
    "tuned": "tuned model",
    "frozen": "frozen base",
    "tfidf": "TF-IDF",
    "majority": "most frequent",
    "base": "base model",
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
    facts.append(("time", words.duration(run.seconds)))
    facts.append(("run", str(run.path)))
    if (run.path / "report.html").exists():
        facts.append(("report", str(run.path / "report.html")))
    facts += [("not read", fault) for fault in run.faults]
    return [Text.assemble((f"{name:<9}", "dim"), value) for name, value in facts]


def _chosen(chosen: dict[str, object]) -> str:
    said = [words.title(str(chosen["method"]))]
    rate, alpha, updates = (as_number(chosen.get(k)) for k in ("learning_rate", "alpha", "updates"))
    if rate:
        said.append(f"learning rate {rate:g}")
    if updates:
        said.append(f"{words.count(updates)} updates")
    if alpha is not None:
        said.append(f"dial {alpha:g}")
    listed = chosen.get("regularizers")
    if isinstance(listed, list) and listed:
        said.append(" + ".join(str(name) for name in listed))
    return ", ".join(said)
