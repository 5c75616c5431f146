"""One run as one self-contained page: no script, nothing fetched, fit for paper and the dark."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from fewtune.report import comparison, pictures, plots, rows, rules, training, words
from fewtune.report.atomic import write_atomically
from fewtune.report.choices import choices
from fewtune.report.folder import RunContents, as_mapping, as_number, read
from fewtune.report.kept import kept
from fewtune.report.known import known
from fewtune.store.resuming import resume_command

__all__ = ["render", "write"]

MOST_CURVES = 4
"""Trainings drawn in full; a cross-fit has dozens, and a table tells the rest better."""


def write(run: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Whatever the folder lacks is left out or named as missing, so a run that was killed has a
    report too. The file is replaced in one step.

    Raises
    ------
    RunError
        If the folder is not a run, or cannot be written to.
    """
    folder = read(run)
    return write_atomically(folder.path / "report.html", render(folder))


def render(run: RunContents) -> str:
    """Return the page of a run; every text from the user's files is escaped."""
    page: str = _template().render(
        run=run,
        shortened=_shortener(run),
        verdict=as_mapping(run.scores.get("verdict")),
        unfinished=_unfinished(run),
        called=_called(run),
        resume=resume_command(str(run.environment.get("command") or ""), _called(run)),
        kept=kept(run),
        known=known(run),
        **_better(run),
        **_cost(run),
        **_training(run),
        **_data(run),
        **_rows(run),
        settings=list(settings(run.plan)),
        environment=list(_flat(run.environment)),
    )
    return page


@cache
def _template() -> Any:
    """Return the page's template, compiled once a process."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fewtune.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words
    environment.filters["sentence"] = words.sentence
    # A filter, not a function, because lists are mapped by it.
    environment.filters["place"] = jinja2.pass_context(lambda run, source: run["shortened"](source))
    environment.filters["off_scale"] = lambda score, axis: axis.off(score)
    environment.filters["finite"] = lambda x: x is not None and math.isfinite(x)
    return environment.get_template("report.html.j2")


def _shortener(run: RunContents) -> Callable[[object], str]:
    """Return a function that leaves the folders out of a source where no two files clash.

    A source is ``file:line``, or of an image its file.
    """
    told = [str(p.get("source")) for p in (*run.predictions, *run.crossfit)]
    for part in as_mapping(run.data.get("parts")).values():
        told += [str(source) for source in _list(part)]
    files = {re.sub(r":\d+$", "", source) for source in told}
    clash = len({re.split(r"[/\\]", file)[-1] for file in files}) < len(files)
    return lambda source: str(source) if clash else re.split(r"[/\\]", str(source))[-1]


def _called(run: RunContents) -> str:
    """Return what the folder was called where the run was begun, unless it has another name now."""
    told = str(run.environment.get("run") or "")
    return told if told and Path(told).resolve().name == run.name else str(run.path)


def _unfinished(run: RunContents) -> str:
    """Return how far a run without a verdict came; empty for a finished one."""
    if run.finished:
        return ""
    if not run.events:
        return "It ended before its first step."
    last = run.events[-1]
    where = f"update {words.count(last.update)}" if last.update else "its preparation"
    stage = f" of {words.title(last.stage)}" if last.stage else ""
    return f"The last thing it wrote was {where}{stage}, {words.duration(last.seconds)} in."


def _better(run: RunContents) -> dict[str, Any]:
    bars = comparison.contest(run, run.headline) if run.headline in run.tuned() else []
    gains = comparison.differences(run)
    return {
        "lead": comparison.lead(run),
        "bars": bars,
        "bars_axis": comparison.axis([b.score for b in bars]) if bars else None,
        "gains": gains,
        "gains_axis": comparison.axis([g.score for g in gains], zero=True) if gains else None,
        "shared": [(n, comparison.contest(run, n)) for n in comparison.shared_scores(run)],
        "rules": rules.beside_rules(run),
        "worth": _worth(run),
        "turns": as_mapping(run.scores.get("rotations")).get("sentence"),
        "seeds": as_mapping(run.scores.get("seeds")).get("sentence"),
        "earlier": as_mapping(run.scores.get("earlier")).get("sentence"),
    }


def _worth(run: RunContents) -> tuple[str, str] | None:
    """Return what more rows would be worth, in a sentence and as a plot."""
    curve = as_mapping(run.scores.get("value_curve"))
    if not curve.get("points"):
        return None
    return str(curve.get("sentence")), plots.value_curve(curve, "worth")


def _cost(run: RunContents) -> dict[str, Any]:
    stages = {n: as_number(s) for n, s in as_mapping(run.scores.get("stages")).items()}
    timed = [(words.title(n), s) for n, s in stages.items() if s is not None]
    memory, parameters = (as_mapping(run.scores.get(k)) for k in ("memory", "parameters"))
    return {
        "others": [
            (group, list(some))
            for group, some in groupby(comparison.others(run), key=lambda one: one.group)
        ],
        "silences": [
            (words.title(name), words.sentence(why))
            for name, why in as_mapping(run.scores.get("silences")).items()
        ],
        "unmeasured": comparison.unmeasured(run) if run.finished else [],
        "timed": sorted(timed, key=lambda item: -item[1]),
        "memory": {k: as_number(v) for k, v in memory.items()},
        "parameters": {k: as_number(v) for k, v in parameters.items()},
        "chosen": run.chosen(),
    }


def _training(run: RunContents) -> dict[str, Any]:
    found = training.trainings(run)
    score = run.tuned().get(run.headline)
    unit = score.unit if score else ("share" if run.classifies else "nats/byte")
    levels = training.rivals(run)[:2]
    blends = list(training.dials(run).items())[:MOST_CURVES]
    dials = [
        (words.title(stage), points, plots.dial_curve(points, f"dial{i}", unit))
        for i, (stage, points) in enumerate(blends)
        if len(points) > 1
    ]
    return {
        "trainings": found,
        "curves": [_curves(t, i, unit, levels) for i, t in enumerate(found[:MOST_CURVES])],
        "alarms": training.alarms(run),
        "dials": dials,
        "choices": choices(run),
        "headline_unit": unit,
        "levels": levels,
    }


def _curves(
    one: training.Training, place: int, unit: str, levels: list[tuple[str, float]]
) -> dict[str, Any]:
    headline = ""
    if len(one.headline) > 1:
        headline = plots.headline_curve(one, f"score{place}", unit, levels)
    loss = plots.loss_curve(one, f"loss{place}") if one.loss or one.validation else ""
    return {"training": one, "loss": loss, "headline": headline}


def _data(run: RunContents) -> dict[str, Any]:
    order = ["error", "warning", "note"]
    findings = [as_mapping(f) for f in _list(run.data.get("findings"))]
    findings.sort(key=lambda f: order.index(f["severity"]) if f.get("severity") in order else 3)
    return {
        "parts": run.parts(),
        "certificate": as_mapping(run.data.get("certificate")),
        "findings": findings,
        "columns": as_mapping(run.data.get("columns")),
        "notes": [*map(str, _list(run.data.get("notes"))), *_said(run, "secrets")],
        "labels": [str(label) for label in _list(run.data.get("labels"))],
    }


def _said(run: RunContents, stage: str) -> list[str]:
    """Return what a stage said, once where several trainings had it."""
    told = [
        str(e.values.get("sentence")) for e in run.kind("stage") if e.values.get("name") == stage
    ]
    return list(dict.fromkeys(told))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(run: RunContents) -> dict[str, Any]:
    generated = [] if run.classifies else rows.samples(run)
    classes = rows.class_figures(run) if run.classifies else []
    return {
        "picture": pictures.picture,
        "worst": rows.worst(run),
        "confusions": rows.confusions(run) if run.classifies else [],
        "classes": classes,
        "samples": generated,
        "ended": rows.ended_share(generated) if generated else (0, 0),
        "wrong": sum(one.n - one.hits for one in classes),
        "judged": sum(one.n for one in classes),
    }


def settings(plan: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield every setting of a plan as (dotted key, value, reason or empty)."""
    reasons = as_mapping(plan.get("reasons"))
    for key, value in _flat({k: v for k, v in plan.items() if k != "reasons"}):
        yield key, value, str(reasons.get(key, ""))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{dotted}.")
        else:
            yield dotted, _shown(value)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(v) for v in value) or "none"
    if isinstance(value, Mapping):
        options = as_mapping(value.get("options"))
        said = [f"{key}={_shown(option)}" for key, option in options.items()]
        return " ".join([str(value.get("name", "")), *said]).strip() or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
