"""What the benchmarks of the checks share: an interval for a share, planting, reading a set."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from fewtune.records import Dataset, Example


def wilson(right: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95% Wilson interval; 0, 0, 1 for nothing out of nothing."""
    if n == 0:
        return 0.0, 0.0, 1.0
    z, p = 1.959964, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def said(name: str, right: int, n: int) -> str:
    p, low, high = wilson(right, n)
    return f"{name} {p:.3f} [{low:.3f}, {high:.3f}] ({right} of {n})"


def flip_labels(data: Dataset, share: float, seed: int) -> tuple[Dataset, set[str]]:
    """Return the data with a share of its labels replaced by another one, and those rows."""
    draw, labels = random.Random(seed), list(data.labels)
    flipped = set(draw.sample(range(len(data)), round(share * len(data))))
    rows = [
        replace(e, target=draw.choice([x for x in labels if x != e.target])) if i in flipped else e
        for i, e in enumerate(data.examples)
    ]
    return replace(data, examples=tuple(rows)), {rows[i].source for i in flipped}


def subset(data: Dataset, labels: list[str], per_class: int, seed: int) -> Dataset:
    """Return ``per_class`` rows of each label."""
    draw = random.Random(seed)
    by_label: dict[str, list[Example]] = {label: [] for label in labels}
    for example in data.examples:
        if example.target in by_label:
            by_label[example.target].append(example)
    rows = [
        e for found in by_label.values() for e in draw.sample(found, min(per_class, len(found)))
    ]
    return replace(data, examples=tuple(rows))
