"""A run folder as it lies on disk, read once for the report, the card and the closing screen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fewtune.errors import RunError
from fewtune.records import Event, Score
from fewtune.report.files import as_mapping, as_number, lines_of, object_of, yaml_of

__all__ = ["RunContents", "as_mapping", "as_number", "as_score", "read"]

MARKS = ("plan.yaml", "journal.jsonl")
"""A folder with neither of these is not a run."""

BUILT_IN_NAMES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}


def as_score(record: object, name: str = "") -> Score | None:
    """Return the score that a json record describes, or ``None`` where it holds no number.

    Bounds that are missing or not finite become NaN, which is shown as "interval unknown".
    """
    fields = as_mapping(record)
    value = as_number(fields.get("value"))
    if value is None:
        return None
    low, high = as_number(fields.get("low")), as_number(fields.get("high"))
    return Score(
        name=str(fields.get("name") or name),
        value=value,
        low=math.nan if low is None else low,
        high=math.nan if high is None else high,
        n=int(as_number(fields.get("n")) or 0),
        direction="lower" if fields.get("direction") == "lower" else "higher",
        unit=str(fields.get("unit") or ""),
        version=int(as_number(fields.get("version")) or 1),
    )


@dataclass(frozen=True)
class RunContents:
    """What a run folder holds; parts that are missing are empty.

    Attributes
    ----------
    path
        The folder.
    plan, environment, data, scores
        Contents of the files of these names.
    events
        Lines of the journal, in order.
    predictions
        One record per test row.
    faults
        What could not be read, one sentence each.
    crossfit
        One record for each known row that a cross-fit judged.
    """

    path: Path
    plan: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    scores: Mapping[str, Any]
    events: tuple[Event, ...]
    predictions: tuple[Mapping[str, Any], ...]
    faults: tuple[str, ...]
    crossfit: tuple[Mapping[str, Any], ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the run came to its verdict."""
        return bool(as_mapping(self.scores.get("verdict")).get("decision"))

    @property
    def name(self) -> str:
        """Name of the folder, also where it was called ``.``."""
        return self.path.resolve().name

    @property
    def data_name(self) -> str:
        """What the user called the data, without the folders of an absolute path."""
        told = str(self.data.get("name") or self.name)
        return _without_folders(told)

    @property
    def task(self) -> str:
        """Name of the task; guessed from the shape of the data where the run ended early."""
        planned = self.plan.get("task")
        if isinstance(planned, Mapping):
            planned = planned.get("name")
        named = self.scores.get("task") or planned
        if named:
            return str(named)
        shape = str(self.data.get("shape") or "")
        by_shape = {
            "labelled_text": "text_classification",
            "labelled_image": "image_classification",
        }
        return by_shape.get(shape, "generation")

    @property
    def classifies(self) -> bool:
        """Whether the task gives labels."""
        return self.task.endswith("classification")

    @property
    def headline(self) -> str:
        """Name of the score that the verdict rests on."""
        return str(
            self.scores.get("headline") or ("accuracy" if self.classifies else "loss_per_byte")
        )

    @property
    def model(self) -> str:
        """Name of the base model as a reader knows it; empty where the plan does not say.

        Of an absolute path the last part.
        """
        model = self.plan.get("model")
        if isinstance(model, Mapping):
            model = model.get("name") or model.get("path")
        name = str(model or "")
        return BUILT_IN_NAMES.get(name, _without_folders(name))

    @property
    def seconds(self) -> float:
        """Seconds that the run took, or had taken by its last journal line."""
        told = as_number(self.scores.get("seconds"))
        return told if told is not None else max((e.seconds for e in self.events), default=0.0)

    @property
    def when(self) -> str:
        """When the run ended (or last wrote), as a local date and time to the minute."""
        newest = max(f.stat().st_mtime for f in self._files())
        return datetime.fromtimestamp(newest).strftime("%-d %B %Y, %H:%M")

    def _files(self) -> list[Path]:
        names = ("scores.json", "journal.jsonl", "plan.yaml")
        return [f for f in (self.path / n for n in names) if f.exists()]

    def kind(self, kind: str) -> tuple[Event, ...]:
        """Return the events of one kind, in order."""
        return tuple(e for e in self.events if e.kind == kind)

    def tuned(self) -> dict[str, Score]:
        """Return the tuned model's scores by name."""
        return _scores(self.scores.get("scores"))

    def base(self) -> dict[str, Score]:
        """Return the base's scores by name, of a classifier's those of a head on it, frozen."""
        return self.controls().get("base") or self.controls().get("frozen") or {}

    def controls(self) -> dict[str, dict[str, Score]]:
        """Return each control's scores by name."""
        return {n: _scores(s) for n, s in as_mapping(self.scores.get("controls")).items()}

    def paired(self) -> dict[str, Score]:
        """Return tuned minus control of the headline, on the same rows, by control."""
        return _scores(self.scores.get("paired"))

    def chosen(self) -> dict[str, Any]:
        """Return what was chosen: method, learning rate, regularizers, alpha, updates, reason."""
        return as_mapping(self.scores.get("chosen"))

    def diagnosis(self) -> list[dict[str, Any]]:
        """Return the faults with a name; of a run that ended early those seen before training."""
        if self.finished:
            found = self.scores.get("diagnosis")
            return [as_mapping(fault) for fault in found] if isinstance(found, list) else []
        seen = [as_mapping(e.values) for e in self.kind("diagnosis")]
        return [{**v, "evidence": str(v.get("sentence", "")).partition(": ")[2]} for v in seen]

    def parts(self) -> dict[str, int]:
        """Return the number of rows of each part of the split."""
        parts = as_mapping(self.data.get("parts"))
        return {name: len(rows) for name, rows in parts.items() if isinstance(rows, list)}


def _without_folders(path: str) -> str:
    """Return the last part of an absolute path, which names no machine; other names as they are."""
    return (Path(path).name or path) if Path(path).is_absolute() else path


def _scores(records: object) -> dict[str, Score]:
    read_ones = {name: as_score(record, name) for name, record in as_mapping(records).items()}
    return {name: score for name, score in read_ones.items() if score is not None}


def read(run: Path) -> RunContents:
    """Return what the run folder holds.

    Raises
    ------
    RunError
        If ``run`` is not a folder, is not a run, or may not be read.
    """
    run = Path(run)
    if not run.is_dir():
        got = "a file" if run.exists() else "nothing of that name"
        raise RunError("the folder of a run", got, str(run), "Name a folder that fit wrote")
    if not any((run / mark).is_file() for mark in MARKS):
        raise RunError(
            "the folder of a run, with plan.yaml and journal.jsonl",
            "a folder without them",
            str(run),
            "Name a folder that fit wrote",
        )
    faults: list[str] = []
    return RunContents(
        path=run,
        plan=yaml_of(run / "plan.yaml", faults),
        environment=object_of(run / "environment.json", faults),
        data=object_of(run / "data.json", faults),
        scores=object_of(run / "scores.json", faults),
        events=tuple(_event(line) for line in lines_of(run / "journal.jsonl", faults)),
        predictions=tuple(lines_of(run / "predictions.jsonl", faults)),
        crossfit=tuple(lines_of(run / "crossfit.jsonl", faults)),
        faults=tuple(faults),
    )


def _event(record: Mapping[str, Any]) -> Event:
    return Event(
        kind=str(record.get("kind") or ""),
        stage=str(record.get("stage") or ""),
        update=int(as_number(record.get("update")) or 0),
        seconds=as_number(record.get("seconds")) or 0.0,
        values=as_mapping(record.get("values")),
    )
