"""Rows of the diagnosis benchmark: small draws of text, pairs and images, written to files."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from benchmarks.common import read_csv, shared, write_csv
from benchmarks.quality._target_rows import e2e

__all__ = ["STORIES", "Texts", "images", "lines", "pairs", "table", "texts"]

Texts = list[dict[str, str]]
STORIES = "stories260K"


def texts(seed: int, classes: int, each: int, part: str = "train") -> Texts:
    """Return labelled sentences: of Banking77 for even seeds, of the front desk for odd ones."""
    if seed % 2 and part == "train":
        path = Path(__file__).parents[2] / "examples" / "front_desk" / "intents.csv"
        every = read_csv(path)
    else:
        every = [
            {"text": row["text"], "label": row["category"]}
            for row in read_csv(shared("data", "banking77", f"{part}.csv"))
        ]
    drawn = random.Random(f"texts/{seed}")
    labels = sorted({row["label"] for row in every})
    names = drawn.sample(labels, min(classes, len(labels)))
    found = []
    for name in names:
        own, seen = [], set()
        rows = [row for row in every if row["label"] == name]
        random.Random(f"{part}/{seed}/{name}").shuffle(rows)
        for row in rows:
            key = row["text"].strip().lower()
            if key not in seen:
                seen.add(key)
                own.append(row)
        found += own[:each]
    drawn.shuffle(found)
    return found


def pairs(seed: int, count: int) -> tuple[Texts, Texts]:
    """Return pairs of E2E to train, two sentences a meaning, and others to judge."""
    train, judge = e2e(count, seed)
    return train, judge


def images(seed: int, classes: int, each: int, folder: Path) -> Path:
    """Copy photos of hands into a folder by class."""
    drawn = random.Random(f"images/{seed}")
    root = shared("data", "sign_digits")
    for name in drawn.sample([str(digit) for digit in range(10)], classes):
        files = sorted((root / name).glob("*.JPG"))
        (folder / name).mkdir(parents=True)
        for file in drawn.sample(files, each):
            shutil.copy(file, folder / name / file.name)
    return folder


def table(path: Path, rows: Texts) -> Path:
    """Write labelled sentences as csv."""
    return write_csv(path, [{"text": r["text"], "label": r["label"]} for r in rows])


def lines(path: Path, rows: list[dict[str, object]] | Texts) -> Path:
    """Write records as jsonl."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
