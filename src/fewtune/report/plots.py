"""Curves as inline SVG whose colours follow the page, in the light, in the dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

from fewtune.report import words
from fewtune.report.training import DialPoint, Series, Training

__all__ = ["dial_curve", "headline_curve", "loss_curve", "value_curve"]

# Matplotlib needs real colours; these stand for the page's own and are swapped for them.
INK, MUTED, GRID, TUNED, TRAIN, PAPER = (
    "#010203", "#010204", "#010205", "#010206", "#010207", "#010208",
)  # fmt: skip
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    TUNED: "var(--accent)",
    TRAIN: "var(--second)",
    PAPER: "var(--paper)",
}
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fewtune",
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
MOST_POINTS = 240
"""A longer curve is drawn as this many means: the eye sees no more, the file stays small."""


def _draw(name: str, label: str, paint: Callable[[Any], None], height: float = 2.35) -> str:
    """Return the SVG of one set of axes that ``paint`` fills; ``name`` keeps its ids apart."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.6, height))
        axes = figure.add_axes((0.105, 0.17, 0.875, 0.78))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        paint(axes)
        stream = StringIO()
        empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(stream, format="svg", metadata=empty)
    return _inline(stream.getvalue(), name, label)


def _inline(svg: str, name: str, label: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    # The labels are this package's own words and figures: nothing of the user's comes in here.
    svg = svg.replace("<svg", f'<svg class="plot" role="img" aria-label="{label}"', 1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family:[^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.strip()


def _thinned(series: Series) -> Series:
    if len(series) <= MOST_POINTS:
        return series
    size = -(-len(series) // MOST_POINTS)
    groups = [series[i : i + size] for i in range(0, len(series), size)]
    return tuple((sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups)


def _smooth(series: Series) -> Series:
    """Return running means over a tenth of the curve: its course shows through the noise."""
    reach = max(1, len(series) // 20)
    smooth = []
    for i, (x, _) in enumerate(series):
        near = [y for _, y in series[max(0, i - reach) : i + reach + 1]]
        smooth.append((x, sum(near) / len(near)))
    return tuple(smooth)


def _line(axes: Any, series: Series, colour: str, **options: Any) -> None:
    axes.plot([x for x, _ in series], [y for _, y in series], color=colour, **options)


def _mark_kept(axes: Any, training: Training, series: Series) -> None:
    if training.kept is None:
        return
    axes.axvline(training.kept, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    at = [y for x, y in series if round(x) == training.kept]
    if at:
        axes.plot(
            [training.kept], [at[-1]], "o", color=TUNED, markersize=6, zorder=5,
            markeredgecolor=PAPER, markeredgewidth=1.4,
        )  # fmt: skip


def loss_curve(training: Training, name: str) -> str:
    """Return training and validation loss over updates, the kept update marked.

    Validation loss is left to the headline's plot where it is the headline.
    """

    def paint(axes: Any) -> None:
        steps = _thinned(training.loss)
        if len(steps) > 30:
            _line(axes, steps, TRAIN, alpha=0.3, linewidth=0.8)
            steps = _smooth(steps)
        if steps and not training.train:
            _line(axes, steps, TRAIN)
        elif steps:
            _line(axes, steps, TRAIN, alpha=0.55, linewidth=1)
        _line(axes, training.train, TRAIN)
        shown = () if training.judged_by_loss else training.validation
        _line(axes, shown, TUNED, marker="o" if len(shown) <= 40 else "", markersize=2.6)
        _mark_kept(axes, training, shown)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("updates")

    return _draw(name, "Loss over updates", paint)


def headline_curve(
    training: Training, name: str, unit: str, others: Sequence[tuple[str, float]]
) -> str:
    """Return the headline score on validation rows over updates, rivals as level lines."""

    def paint(axes: Any) -> None:
        from matplotlib.ticker import FuncFormatter

        few = len(training.headline) <= 40
        _line(axes, training.headline, TUNED, marker="o" if few else "", markersize=2.6)
        for other, value in others:
            axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            # The label stands at the end where the curve is further away.
            first, last = (abs(training.headline[i][1] - value) for i in (0, -1))
            x, side = (0, "left") if first > last else (1, "right")
            axes.annotate(
                other, (x, value), xycoords=("axes fraction", "data"), xytext=(0, 2.5),
                textcoords="offset points", ha=side, color=MUTED, fontsize=7.5,
            )  # fmt: skip
        _mark_kept(axes, training, training.headline)
        if unit in words.SHARES:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
        axes.margins(y=0.12)
        axes.set_xlabel("updates")

    return _draw(name, "Headline score over updates", paint)


def dial_curve(points: Sequence[DialPoint], name: str, unit: str) -> str:
    """Return the score over alpha with its interval as a band, the chosen alpha marked."""

    def paint(axes: Any) -> None:
        from matplotlib.ticker import FuncFormatter

        banded = [p for p in points if p.low is not None and p.high is not None]
        if banded:
            axes.fill_between(
                [p.alpha for p in banded], [p.low for p in banded], [p.high for p in banded],
                color=TUNED, alpha=0.14, linewidth=0,
            )  # fmt: skip
        _line(axes, tuple((p.alpha, p.value) for p in points), TUNED, marker="o", markersize=2.6)
        for p in points:
            if p.chosen:
                axes.axvline(p.alpha, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
                axes.plot(
                    [p.alpha], [p.value], "o", color=TUNED, markersize=7, zorder=5,
                    markeredgecolor=PAPER, markeredgewidth=1.4,
                )  # fmt: skip
        if unit in words.SHARES:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
        if len(points) <= 8:
            axes.set_xticks([p.alpha for p in points], [f"{p.alpha:g}" for p in points])
        axes.set_xlabel("share of the tuned weights, from 0 (base) to 1 (tuned)")

    return _draw(name, "Score over the dial", paint)


def value_curve(record: Mapping[str, Any], name: str) -> str:
    """Return the score over training rows, measured and as the law goes on behind them.

    Parameters
    ----------
    record
        What ``select.value_curve.ValueCurve.as_json`` gives.
    name
        Keeps its ids apart.
    """
    points, drawn = record["points"], record["drawn"]

    def paint(axes: Any) -> None:
        from matplotlib.ticker import FuncFormatter

        rows = [p["rows"] for p in points]
        _line(axes, tuple((x, y) for x, y in drawn), TUNED, alpha=0.55, linestyle=(0, (4, 3)))
        axes.vlines(rows, [p["low"] for p in points], [p["high"] for p in points], color=TUNED)
        axes.plot(rows, [p["value"] for p in points], "o", color=TUNED, markersize=4)
        if drawn:
            axes.axvline(record["rows"], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        if record["unit"] in words.SHARES:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
        axes.set_xlabel("training rows")

    return _draw(name, "Score over training rows", paint)
