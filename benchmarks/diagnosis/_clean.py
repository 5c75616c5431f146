"""Clean runs of many kinds and sizes: whatever is named there is a false alarm."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from benchmarks.common import read_csv, shared
from benchmarks.diagnosis._planted import SHORT_GENERATION, Fit
from benchmarks.diagnosis._rows import STORIES, images, lines, pairs, table, texts
from benchmarks.quality._target_rows import dialogues, facts

__all__ = ["clean"]

TEXT_CLASSES = (2, 3, 4, 6, 8)
TEXT_ROWS = (8, 12, 16, 24, 30)


def clean(seed: int, folder: Path) -> Fit:
    """Return a fit without a fault: of ten seeds seven of texts, two of pairs, one of images."""
    drawn = random.Random(f"clean/{seed}")
    kind = seed % 10
    if kind == 9:
        classes, each = drawn.choice([2, 3, 4]), drawn.choice([8, 12, 16])
        place = images(seed, classes, each, folder / "photos")
        return Fit(place, str(shared("models", "mobilenet_v2")), None, {"method.name": "head"})
    if kind in (4, 8):
        return _generation(seed, folder, drawn)
    rows = texts(seed, drawn.choice(TEXT_CLASSES), drawn.choice(TEXT_ROWS))
    if kind == 6:
        # Classes of uneven size, as they come: up to five times as many rows of one.
        first = rows[0]["label"]
        rows = [r for n, r in enumerate(rows) if r["label"] != first or n % 3 == 0]
    if kind == 2:
        test = texts(seed, len({row["label"] for row in rows}), 15, "test")
        known = {row["label"] for row in rows}
        held = [row for row in test if row["label"] in known]
        return Fit(table(folder / "t.csv", rows), "minilm", table(folder / "held.csv", held))
    return Fit(table(folder / "t.csv", rows), "minilm")


def _generation(seed: int, folder: Path, drawn: random.Random) -> Fit:
    """Return pairs, made-up facts, chats or plain sentences for the small language model."""
    model = str(shared("models", STORIES))
    which = seed // 10 % 5
    rows: list[dict[str, Any]]
    test: list[dict[str, Any]] = []
    if which in (0, 1):
        rows, test = pairs(seed, drawn.choice([30, 40, 60]))
        test = test[:20] if which else []
    elif which == 2:
        rows = facts(seed)[0][:48]
    elif which == 3:
        rows = [_short(row) for row in dialogues(200, seed)[0]]
        rows = [row for row in rows if _size(row) < 350][:30]
    else:
        every = read_csv(shared("data", "e2e", "devset.csv"))
        sentences = sorted({row["ref"] for row in every})
        rows = [{"text": text} for text in drawn.sample(sentences, 40)]
    files = lines(folder / "rows.jsonl", rows), lines(folder / "test.jsonl", test)
    return Fit(files[0], model, files[1] if test else None, SHORT_GENERATION)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": row["messages"][:4]}


def _size(row: dict[str, Any]) -> int:
    return sum(len(turn["content"]) for turn in row["messages"])
