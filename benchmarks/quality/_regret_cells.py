"""The cells of regret.py: what is known, what judges, and thirty configurations of each task."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import read_csv, shared
from benchmarks.quality._target_rows import facts

__all__ = ["CELLS", "Cell", "Configuration", "configurations"]

Rows = list[dict[str, Any]]
HERE = Path(__file__).resolve().parents[2]
JUDGES = {"text": 200, "generation": 150, "image": 300}
SHORT = 150
"""Most characters of a pair of E2E, so that a run takes seconds."""
TEN = (
    "card_arrival",
    "card_delivery_estimate",
    "card_linking",
    "card_not_working",
    "card_swallowed",
    "compromised_card",
    "lost_or_stolen_card",
    "lost_or_stolen_phone",
    "activate_my_card",
    "virtual_card_not_working",
)


@dataclass(frozen=True)
class Cell:
    """One data set at one size.

    Attributes
    ----------
    task, model
        What is tuned.
    draw
        Returns the known rows and those that judge, for a number of the draw.
    """

    task: str
    model: str
    draw: Callable[[int], tuple[Rows, Rows]]


@dataclass(frozen=True)
class Configuration:
    """One run of a sweep: a method at a rate, or a solved head at a strength."""

    name: str
    method: str
    factor: float = 1.0
    updates: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    regularizers: tuple[tuple[str, dict[str, Any]], ...] = ()
    strength: float = 0.0
    names: float = 0.0


def _few(rows: Rows, each: int, seed: int) -> tuple[Rows, Rows]:
    """Return ``each`` rows of every label, and the rest."""
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    taken: dict[str, Rows] = {}
    rest = []
    for row in shuffled:
        if len(taken.setdefault(row["label"], [])) < each:
            taken[row["label"]].append(row)
        else:
            rest.append(row)
    return [row for label in sorted(taken) for row in taken[label]], rest


def _front_desk(each: int) -> Callable[[int], tuple[Rows, Rows]]:
    def draw(seed: int) -> tuple[Rows, Rows]:
        rows: Rows = list(read_csv(HERE / "examples" / "front_desk" / "intents.csv"))
        test: Rows = list(read_csv(HERE / "examples" / "front_desk" / "intents_test.csv"))
        # Of one draw all sizes leave the same rows over: a small draw is part of a larger.
        _, rest = _few(rows, 8, seed)
        return _few(rows, each, seed)[0], [*test, *rest][: JUDGES["text"]]

    return draw


def _banking(labels: tuple[str, ...], each: int) -> Callable[[int], tuple[Rows, Rows]]:
    def read(name: str) -> Rows:
        found = read_csv(shared("data", "banking77", name))
        return [
            {"text": r["text"], "label": r["category"]} for r in found if r["category"] in labels
        ]

    return lambda seed: (
        _few(read("train.csv"), each, seed)[0],
        _few(read("test.csv"), JUDGES["text"] // len(labels), seed)[0],
    )


def _signs(each: int) -> Callable[[int], tuple[Rows, Rows]]:
    def draw(seed: int) -> tuple[Rows, Rows]:
        folder = shared("data", "sign_digits")
        rows: Rows = [
            {"image": str(path), "label": place.name}
            for place in sorted(folder.iterdir())
            if place.is_dir()
            for path in sorted(place.iterdir())
        ]
        _, rest = _few(rows, 20, seed)
        return _few(rows, each, seed)[0], rest[: JUDGES["image"]]

    return draw


def _e2e(count: int, capitals: bool = False) -> Callable[[int], tuple[Rows, Rows]]:
    def read(name: str) -> Rows:
        return [
            {"prompt": r["mr"], "completion": r["ref"].upper() if capitals else r["ref"]}
            for r in read_csv(shared("data", "e2e", name))
            if len(r["mr"]) + len(r["ref"]) <= SHORT
        ]

    def draw(seed: int) -> tuple[Rows, Rows]:
        rows, test = read("devset.csv"), read("testset_w_refs.csv")
        meanings = sorted({row["prompt"] for row in rows})
        random.Random(seed).shuffle(meanings)
        rows.sort(key=lambda row: meanings.index(row["prompt"]))
        # The test file has too few short pairs: others join, of meanings that are in no cell.
        seen = {row["prompt"] for row in rows[:200]}
        test += [row for row in rows[200:] if row["prompt"] not in seen]
        return rows[:count], test[: JUDGES["generation"]]

    return draw


def _intents(count: int) -> Callable[[int], tuple[Rows, Rows]]:
    """Return a draw of questions to a front desk, whose intent is to be written."""

    def pairs(rows: Rows) -> Rows:
        return [
            {"prompt": r["text"], "completion": r["label"].replace("_", " ")}
            for r in rows
            if len(r["text"]) <= SHORT
        ]

    def draw(seed: int) -> tuple[Rows, Rows]:
        known, test = _front_desk(8)(seed)
        random.Random(seed).shuffle(known)
        return pairs(known)[:count], pairs(test)[: JUDGES["generation"]]

    return draw


def _facts(count: int) -> Callable[[int], tuple[Rows, Rows]]:
    def draw(seed: int) -> tuple[Rows, Rows]:
        known, test = facts(seed)
        return known[:count], test[: count // 2]

    return draw


CELLS = {
    "front_desk_4": Cell("text", "minilm", _front_desk(4)),
    "banking10_4": Cell("text", "minilm", _banking(TEN, 4)),
    "banking5_12": Cell("text", "minilm", _banking(TEN[:5], 12)),
    "e2e_50": Cell("generation", "stories260K", _e2e(50)),
    "e2e_100": Cell("generation", "stories260K", _e2e(100)),
    "e2e_200": Cell("generation", "stories260K", _e2e(200)),
    "capitals_100": Cell("generation", "stories260K", _e2e(100, capitals=True)),
    "facts_60": Cell("generation", "stories260K", _facts(60)),
    "intents_80": Cell("generation", "stories260K", _intents(80)),
    "signs_5": Cell("image", "mobilenet_v2", _signs(5)),
    "signs_10": Cell("image", "mobilenet_v2", _signs(10)),
    "signs_20": Cell("image", "mobilenet_v2", _signs(20)),
}
"""By name."""


def _heads(strengths: tuple[float, ...], names: tuple[float, ...] = (0.0,)) -> list[Configuration]:
    return [
        Configuration(f"head C{c:g}{' names' if w else ''}", "head", strength=c, names=w)
        for w in names
        for c in strengths
    ]


def _trained(
    method: str,
    factors: tuple[float, ...],
    updates: tuple[int, ...],
    options: dict[str, Any] | None = None,
    guards: tuple[tuple[tuple[str, dict[str, Any]], ...], ...] = ((),),
) -> list[Configuration]:
    told = " ".join(f"{k}={v}" for k, v in (options or {}).items())
    return [
        Configuration(
            " ".join([method, told, f"x{f:g}", f"{u}", *(name for name, _ in guard)]).replace(
                "  ", " "
            ),
            method,
            f,
            u,
            options or {},
            guard,
        )
        for guard in guards
        for f in factors
        for u in updates
    ]


THIRD = (1 / 3, 1.0, 3.0)
KL: tuple[tuple[str, dict[str, Any]], ...] = (("kl_to_base", {"samples": 64}),)


def configurations(task: str) -> list[Configuration]:
    """Return the thirty configurations of a task."""
    if task == "text":
        return [
            *_heads((1.0, 3.0, 10.0, 30.0, 100.0)),
            *_heads((3.0, 10.0, 30.0), (1.0,)),
            *_trained("lora", THIRD, (30, 80)),
            *_trained("partial", (*THIRD, 10.0), (40, 120)),
            *_trained("full", THIRD, (30, 80)),
            *_trained("contrastive", (1.0, 3.0), (30,)),
        ]
    if task == "image":
        return [
            *_heads((0.3, 1.0, 3.0, 10.0, 30.0, 100.0)),
            *_trained("partial", (*THIRD, 10.0), (30, 80)),
            *_trained("partial", (*THIRD, 10.0), (30, 100), {"layers": 4}),
            *_trained("partial", (*THIRD, 10.0), (30, 100), {"layers": 12}),
        ]
    return [
        *_trained("full", THIRD, (50, 120), guards=((), KL)),
        *_trained("lora", THIRD, (50, 120), guards=((), KL)),
        *_trained("full", (1.0,), (120,), guards=((("l2_to_base", {}),), (("sam", {}),))),
        *_trained("full", (1.0,), (120,), guards=((("token_weight", {}),), (("half", {}),))),
        *_trained("full", (1.0,), (250,), guards=((), KL)),
    ]
