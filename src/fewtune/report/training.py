"""What the journal says about each training: its curves, the update that was kept, its alarms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fewtune.records import Event
from fewtune.report import words
from fewtune.report.folder import RunContents, as_mapping, as_number

__all__ = ["Alarm", "DialPoint", "Training", "alarms", "dials", "rivals", "trainings"]

EPOCH = "updates_per_epoch"
"""Its key among the values of a training's stage in the journal."""

Series = tuple[tuple[float, float], ...]
"""Points (update, value), in order of updates."""


@dataclass(frozen=True)
class Training:
    """One training of a run.

    Attributes
    ----------
    stage
        Its name in the journal.
    sentence
        What the journal says it is for; may be empty.
    loss
        Training loss of every update.
    train, validation
        Losses at evaluations; ``train`` is empty where it was not evaluated.
    headline
        The headline score at evaluations, on validation rows; empty where it was not computed.
    kept
        The update whose weights went on: what the run says, else its best evaluation, else the one
        of least validation loss; ``None`` without evaluations.
    is_chosen
        Whether this training made the model that was chosen.
    per_epoch
        Updates of an epoch; 0 where the journal does not say.
    folds
        Folds of a cross-fit; 0 for one training.
    """

    stage: str
    sentence: str
    updates: int
    seconds: float
    loss: Series
    train: Series
    validation: Series
    headline: Series
    kept: int | None
    is_chosen: bool
    per_epoch: int = 0
    folds: int = 0

    @property
    def name(self) -> str:
        """The stage in plain words."""
        return words.title(self.stage) if self.stage else "Training"

    @property
    def judged_by_loss(self) -> bool:
        """Whether the headline is the validation loss itself, as in text generation.

        It is then per byte, and must not share an axis with a training loss per token.
        """
        return self.headline == self.validation

    @property
    def least(self) -> tuple[float, float] | None:
        """The evaluation of least validation loss as (update, loss)."""
        return min(self.validation, key=lambda p: p[1]) if self.validation else None


@dataclass(frozen=True)
class Alarm:
    """What a monitor said while training."""

    stage: str
    update: int
    monitor: str
    action: str
    sentence: str


@dataclass(frozen=True)
class DialPoint:
    """One blend with the base and how it did on validation rows."""

    alpha: float
    value: float
    low: float | None
    high: float | None
    loss: float | None
    chosen: bool


def trainings(run: RunContents) -> list[Training]:
    """Return every stage that made updates, the one that was chosen first, then its refit.

    The folds of a cross-fit are one training: no fold was chosen, all of them together were.
    """
    stages = dict.fromkeys(e.stage for e in run.events if e.kind in ("step", "evaluation"))
    folds: dict[str, list[str]] = {}
    for stage in stages:
        folds.setdefault(_whole(run, stage), []).append(stage)
    found = [
        _training(run, name) if parts == [name] else _crossfitted(run, name, parts)
        for name, parts in folds.items()
    ]
    again = [f"{_chosen_stage(run)}{mark}" for mark in ("+all", "+train")]
    return sorted(found, key=lambda t: (not t.is_chosen, t.stage not in again))


def _whole(run: RunContents, stage: str) -> str:
    """Return the stage, or the candidate whose cross-fit it is a fold of."""
    name = stage.rpartition("#")[0]
    return name if name and any(e.stage == name for e in run.kind("crossfit")) else stage


def _crossfitted(run: RunContents, name: str, stages: list[str]) -> Training:
    """Return a cross-fit as one training: losses are means over its folds."""
    parts = [_training(run, stage) for stage in stages]
    # A resumed run tells them twice.
    told = {e.update: e for e in run.kind("crossfit") if e.stage == name}
    is_chosen = name == _chosen_stage(run)
    best = as_number(run.chosen().get("updates")) if is_chosen else None
    together = _series(told.values(), "value")
    by_loss = all(part.judged_by_loss for part in parts)
    return Training(
        stage=name,
        sentence=f"Cross-fit over {len(parts)} folds; losses are means over them, and every known "
        "row was judged by the fold that had not seen it",
        updates=sum(part.updates for part in parts),
        seconds=sum(part.seconds for part in parts),
        loss=_mean([part.loss for part in parts]),
        train=_mean([part.train for part in parts]),
        validation=together if by_loss else _mean([part.validation for part in parts]),
        headline=together,
        kept=None if best is None else round(best),
        is_chosen=is_chosen,
        per_epoch=parts[0].per_epoch,
        folds=len(parts),
    )


def _mean(found: list[Series]) -> Series:
    """Return the mean of series where all of them go on: a mean over fewer would jump."""
    values = [dict(series) for series in found]
    shared = sorted(set(values[0]).intersection(*values[1:]))
    return tuple((x, sum(one[x] for one in values) / len(values)) for x in shared)


def _training(run: RunContents, stage: str) -> Training:
    events = [e for e in run.events if e.stage == stage]
    # A resumed run tells some updates twice; the later telling is the one that counts.
    steps = list({e.update: e for e in events if e.kind == "step"}.values())
    evaluations = list({e.update: e for e in events if e.kind == "evaluation"}.values())
    said = [e for e in run.kind("stage") if stage in (e.stage, e.values.get("name"))]
    timed = [e.seconds for e in [*said, *steps, *evaluations]]
    is_chosen = bool(stage) and stage == _chosen_stage(run)
    validation = _series(evaluations, "validation_loss")
    told = as_number(run.chosen().get("updates")) if is_chosen else None
    best = [e.update for e in evaluations if e.values.get("best") is True]
    least = min(validation, key=lambda p: p[1])[0] if validation else None
    kept = told or (best[-1] if best else least)
    sentences = [e.values.get("sentence") for e in said]
    return Training(
        stage=stage,
        sentence=str(next((s for s in sentences if s), "")),
        updates=max((e.update for e in steps + evaluations), default=0),
        seconds=max(timed) - min(timed),
        loss=_series(steps, "loss"),
        train=_series(evaluations, "train_loss"),
        validation=validation,
        headline=_series(evaluations, run.headline),
        kept=None if kept is None else round(kept),
        is_chosen=is_chosen,
        per_epoch=round(next(filter(None, (as_number(e.values.get(EPOCH)) for e in said)), 0)),
    )


def _chosen_stage(run: RunContents) -> str:
    """Return the stage that was chosen: a method may have been trained at several rates."""
    stages = {e.stage for e in run.events if e.kind in ("step", "evaluation", "dial", "crossfit")}
    told = [str(e.values.get("chosen")) for e in run.kind("choice")]
    named = [name for name in told if name in stages]
    return named[-1] if named else str(run.chosen().get("method") or "")


def _series(events: Iterable[Event], key: str) -> Series:
    points = [(float(e.update), as_number(e.values.get(key))) for e in events]
    return tuple(sorted((x, y) for x, y in points if y is not None))


def alarms(run: RunContents) -> list[Alarm]:
    """Return what monitors said, in order."""
    return [
        Alarm(
            stage=words.title(e.stage) if e.stage else "",
            update=e.update,
            monitor=words.title(str(e.values.get("monitor") or "monitor")),
            action=str(e.values.get("action") or ""),
            sentence=str(e.values.get("sentence") or ""),
        )
        for e in run.kind("monitor")
    ]


def dials(run: RunContents) -> dict[str, list[DialPoint]]:
    """Return the swept blends of each training by alpha, the chosen training's first."""
    stages = dict.fromkeys(e.stage for e in run.kind("dial"))
    ordered = sorted(stages, key=lambda stage: stage != _chosen_stage(run))
    found = {stage: _dial([e for e in run.kind("dial") if e.stage == stage]) for stage in ordered}
    return {stage: points for stage, points in found.items() if points}


def rivals(run: RunContents) -> list[tuple[str, float]]:
    """Return candidates without a curve of their own and their headline on validation rows.

    Only they may be drawn beside a curve: controls are scored on test rows, which may be easier.
    """
    stages = {e.stage for e in run.events if e.kind in ("evaluation", "crossfit")}
    found = {}
    for event in run.kind("choice"):
        listed = event.values.get("alternatives")
        for one in listed if isinstance(listed, list) else []:
            name, value = str(as_mapping(one).get("name")), as_number(as_mapping(one).get("value"))
            if event.values.get("what") == "method" and name not in stages and value is not None:
                found[words.title(name)] = value
    return list(found.items())


def _dial(events: Iterable[Event]) -> list[DialPoint]:
    points = []
    for event in events:
        alpha, value = (as_number(event.values.get(k)) for k in ("alpha", "value"))
        if alpha is None or value is None:
            continue
        low, high, loss = (as_number(event.values.get(k)) for k in ("low", "high", "loss"))
        points.append(DialPoint(alpha, value, low, high, loss, bool(event.values.get("chosen"))))
    return sorted({p.alpha: p for p in points}.values(), key=lambda p: p.alpha)
