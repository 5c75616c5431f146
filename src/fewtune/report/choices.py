"""Choices with their receipts: what was tried, what it scored and cost, and what would flip it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fewtune.report import words
from fewtune.report.folder import RunContents, as_mapping, as_number

__all__ = ["Alternative", "Choice", "choices"]


@dataclass(frozen=True)
class Alternative:
    """One thing that was tried, and why; values are NaN where it was not measured."""

    name: str
    value: float
    low: float
    high: float
    seconds: float | None
    n: int
    chosen: bool
    why: str = ""


@dataclass(frozen=True)
class Choice:
    """One decision of a fit."""

    what: str
    chosen: str
    reason: str
    flips: str
    alternatives: tuple[Alternative, ...]
    unit: str


def choices(run: RunContents) -> list[Choice]:
    """Return the run's choices in the order in which they were made."""
    score = run.tuned().get(run.headline)
    if score is not None:
        higher, unit = score.direction == "higher", score.unit
    else:
        higher, unit = run.classifies, "share" if run.classifies else "nats/byte"
    return [_choice(dict(e.values), higher, unit) for e in run.kind("choice")]


def _choice(values: dict[str, object], higher: bool, unit: str) -> Choice:
    chosen = _name(values.get("chosen"))
    listed = values.get("alternatives")
    tried = (
        [_alternative(as_mapping(a), chosen) for a in listed] if isinstance(listed, list) else []
    )
    told = values.get("flips") or values.get("flip")
    if values.get("direction") in ("higher", "lower"):
        higher = values["direction"] == "higher"
    unit = str(values.get("unit", unit) or "")
    return Choice(
        what=words.title(str(values.get("what") or "choice")),
        chosen=words.title(chosen),
        reason=str(values.get("reason") or ""),
        flips=str(told) if told else _flips(tried, higher, unit),
        alternatives=tuple(tried),
        unit=unit,
    )


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _alternative(record: dict[str, object], chosen: str) -> Alternative:
    def number(key: str) -> float:
        value = as_number(record.get(key))
        return math.nan if value is None else value

    name = _name(record.get("name"))
    return Alternative(
        name=words.title(name),
        value=number("value"),
        low=number("low"),
        high=number("high"),
        seconds=as_number(record.get("seconds")),
        n=int(as_number(record.get("n")) or 0),
        chosen=name == chosen,
        why=str(record.get("reason") or ""),
    )


def _flips(tried: list[Alternative], higher: bool, unit: str) -> str:
    """Say how near the choice was to falling the other way, from the intervals alone."""
    taken = next((a for a in tried if a.chosen and math.isfinite(a.value)), None)
    rivals = [a for a in tried if not a.chosen and math.isfinite(a.value)]
    if taken is None or not rivals:
        return ""
    best = (max if higher else min)(rivals, key=lambda a: a.value)
    ahead = (taken.value - best.value) * (1 if higher else -1)
    size = words.amount(ahead, unit)
    known = all(math.isfinite(x) for a in (taken, best) for x in (a.low, a.high))
    overlap = known and taken.low <= best.high and best.low <= taken.high
    if ahead < 0:
        noise = "inside the noise" if overlap else "outside the noise"
        return f"{best.name} scored {size} better, {noise}; a surer lead would have taken it."
    if ahead == 0:
        return f"{best.name} scored the same: other rows could flip it."
    if not known:
        return f"{best.name} came next, {size} behind."
    if overlap:
        return f"{best.name} came next, {size} behind; intervals overlap: other rows could flip it."
    return f"{best.name} came next, {size} behind; intervals do not overlap: the choice is firm."
