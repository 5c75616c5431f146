"""The cells of target_and_forgetting.py: the model of each, the rows that train and that judge."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from benchmarks.common import read_csv, shared

__all__ = ["CELLS", "Rows", "dialogues", "e2e", "facts"]

Rows = list[dict[str, Any]]
TEST_ROWS = 300
FIRST = ("Bel", "Cor", "Dan", "Fen", "Gal", "Hor", "Jun", "Kes", "Lor", "Mav", "Nol", "Per")
LAST = ("ada", "eth", "imo", "ora", "uska", "yne", "alt", "ebb", "ist", "onde", "ulo", "arth", "ix")
TRADES = ("baker", "pilot", "weaver", "painter", "farmer", "judge", "sailor", "dentist")
TOWNS = ("Arvale", "Brinmoor", "Castrel", "Dunhollow", "Elmspan", "Farwick", "Glenora", "Hartsea")


def e2e(count: int, seed: int, *, capitals: bool = False) -> tuple[Rows, Rows]:
    """Return pairs of E2E: two sentences of each of count/2 meaning representations."""
    rows = read_csv(shared("data", "e2e", "devset.csv"))
    test = read_csv(shared("data", "e2e", "testset_w_refs.csv"))
    drawn = random.Random(seed)
    meanings = sorted({row["mr"] for row in rows})
    drawn.shuffle(meanings)
    by_meaning: dict[str, list[str]] = {}
    for row in rows:
        by_meaning.setdefault(row["mr"], []).append(row["ref"])
    train = [
        {"prompt": meaning, "completion": text}
        for meaning in meanings
        for text in by_meaning[meaning][:2]
    ][:count]
    drawn.shuffle(test)
    judge = [{"prompt": row["mr"], "completion": row["ref"]} for row in test[:TEST_ROWS]]
    if capitals:
        for row in (*train, *judge):
            row["completion"] = row["completion"].upper()
    return train, judge


def dialogues(count: int, seed: int) -> tuple[Rows, Rows]:
    """Return booking dialogues: ``count`` to train, 100 others to judge."""
    path = shared("data", "dialogues", "booking_dialogues.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(seed).shuffle(rows)
    return rows[:count], rows[-100:]


def facts(seed: int) -> tuple[Rows, Rows]:
    """Return 150 made-up facts, asked in two ways to train and in a third to judge."""
    drawn = random.Random(seed)
    names = [first + last for first in FIRST for last in LAST]
    drawn.shuffle(names)
    train, judge = [], []
    for name in names[:150]:
        trade, town = drawn.choice(TRADES), drawn.choice(TOWNS)
        answer = f"{name} is a {trade} in {town}."
        train += [
            {"prompt": f"Who is {name}?", "completion": answer},
            {"prompt": f"What do you know about {name}?", "completion": answer},
        ]
        judge.append({"prompt": f"Tell me about {name}.", "completion": answer})
    return train, judge


CELLS: dict[str, tuple[str, Callable[[int], tuple[Rows, Rows]]]] = {
    "e2e_50/stories260K": ("stories260K", lambda seed: e2e(50, seed)),
    "e2e_200/stories260K": ("stories260K", lambda seed: e2e(200, seed)),
    "e2e_1000/stories260K": ("stories260K", lambda seed: e2e(1000, seed)),
    "facts/stories260K": ("stories260K", facts),
    "capitals_200/stories260K": ("stories260K", lambda seed: e2e(200, seed, capitals=True)),
    "e2e_50/builtin": ("builtin", lambda seed: e2e(50, seed)),
    "e2e_200/builtin": ("builtin", lambda seed: e2e(200, seed)),
    "dialogues_50/builtin": ("builtin", lambda seed: dialogues(50, seed)),
    "dialogues_200/builtin": ("builtin", lambda seed: dialogues(200, seed)),
    "facts/builtin": ("builtin", facts),
    "capitals_200/builtin": ("builtin", lambda seed: e2e(200, seed, capitals=True)),
    "e2e_1000/builtin": ("builtin", lambda seed: e2e(1000, seed)),
}
