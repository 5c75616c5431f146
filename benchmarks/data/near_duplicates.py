"""Near-duplicates planted in Banking77: how many are found, how many finds are right, how fast.

    python -m benchmarks.data.near_duplicates [--data ../shared/data/banking77] [--rows 3000]

Base rows are drawn so that no two are natural near-copies by a measure that is not ours
(rapidfuzz token_sort_ratio of 95 or more); hard neighbours below that stay in. Each planted row is
a changed copy of a base row. A find counts as right if both rows come from one base row; most of
those counted as wrong are natural near-copies that the measure misses. Also prints which leaks
between Banking77's own test and training rows are found, and the seconds at 10,000 and 100,000.
"""

from __future__ import annotations

import argparse
import csv
import random
import string
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from benchmarks.common import save
from fewtune.data.similarity import near_duplicate_clusters, near_matches, normalise

FILLERS = ["please", "hi", "hello", "thanks", "um", "pls"]


def typos(text: str, rng: random.Random, count: int) -> str:
    for _ in range(count):
        at = rng.randrange(len(text))
        letter = rng.choice(string.ascii_lowercase)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + letter + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + letter + text[at:]
        elif kind == 2 and len(text) > 8:
            text = text[:at] + text[at + 1 :]
        else:
            text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    return text


def swap_words(text: str, rng: random.Random) -> str:
    words = text.split()
    if len(words) > 1:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def rotate(text: str, rng: random.Random) -> str:
    words = text.split()
    at = rng.randrange(1, max(2, len(words)))
    return " ".join(words[at:] + words[:at])


def shuffle(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def recase(text: str, rng: random.Random) -> str:
    return rng.choice([str.upper, str.lower, str.title, str.swapcase])(text)


def punctuate(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return "".join(c for c in text if c not in string.punctuation)
    words = text.split()
    for _ in range(2):
        at = rng.randrange(len(words))
        words[at] += rng.choice([",", "!", "...", "?!", ";", " -"])
    return " ".join(words)


def fill(text: str, rng: random.Random) -> str:
    words = text.split()
    words.insert(rng.choice([0, len(words)]), rng.choice(FILLERS))
    return " ".join(words)


def double_word(text: str, rng: random.Random) -> str:
    words = text.split()
    at = rng.randrange(len(words))
    return " ".join([*words[: at + 1], *words[at:]])


def drop_word(text: str, rng: random.Random) -> str:
    words = text.split()
    if len(words) < 8:
        return typos(text, rng, 1)
    del words[rng.randrange(len(words))]
    return " ".join(words)


def several(text: str, rng: random.Random) -> str:
    return recase(swap_words(typos(text, rng, 1), rng), rng)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "1 typo": lambda t, r: typos(t, r, 1),
    "2 typos": lambda t, r: typos(t, r, 2),
    "words swapped": swap_words,
    "words rotated": rotate,
    "words shuffled": shuffle,
    "case": recase,
    "punctuation": punctuate,
    "filler": fill,
    "word doubled": double_word,
    "word dropped (8 words or more)": drop_word,
    "typo, swap and case": several,
}


def wilson(hits: int, n: int) -> tuple[float, float]:
    if not n:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    return middle - half, min(1.0, middle + half)


def share(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits / max(n, 1):.1%} [{low:.1%}, {high:.1%}] of {n}"


def read(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def without_natural_copies(texts: list[str]) -> list[str]:
    forms = [" ".join(sorted(normalise(text).split())) for text in texts]
    kept: list[int] = []
    close = np.zeros(len(texts), dtype=bool)
    for at in range(len(texts)):
        if close[at]:
            continue
        kept.append(at)
        scores = process.cdist([forms[at]], forms, scorer=fuzz.ratio, score_cutoff=95)[0]
        close |= scores > 0
    return [texts[at] for at in kept]


def plant(base: list[str], per_change: int, seed: int) -> tuple[list[str], list[int], list[str]]:
    rng = random.Random(seed)
    texts, family, how = list(base), list(range(len(base))), [""] * len(base)
    for name, change in CHANGES.items():
        for row in rng.sample(range(len(base)), per_change):
            texts.append(change(base[row], rng))
            family.append(row)
            how.append(name)
    return texts, family, how


def measure_planted(
    base: list[str], per_change: int, seed: int, verbose: bool
) -> dict[str, object]:
    texts, family, how = plant(base, per_change, seed)
    clusters = near_duplicate_clusters(texts)
    cluster_of = {row: number for number, rows in enumerate(clusters) for row in rows}
    found: dict[str, int] = {}
    for row in range(len(base), len(texts)):
        same = row in cluster_of and cluster_of[row] == cluster_of.get(family[row])
        found[how[row]] = found.get(how[row], 0) + same
        if verbose and not same:
            print(f"missed, {how[row]}: {texts[row]!r} of {base[family[row]]!r}")
    right = wrong = 0
    for rows in clusters:
        for one, two in combinations(rows, 2):
            if family[one] == family[two]:
                right += 1
            else:
                wrong += 1
                if verbose:
                    print(f"wrong: {texts[one]!r} and {texts[two]!r}")
    hits = sum(found.values())
    print(f"seed {seed}, {len(base)} base rows, {len(texts) - len(base)} planted")
    print(f"  recall    {share(hits, len(texts) - len(base))}")
    print(f"  precision {share(right, right + wrong)} pairs in one cluster")
    for name, count in found.items():
        print(f"    {name:32} {share(count, per_change)}")
    return {
        "seed": seed,
        "planted": len(texts) - len(base),
        "found": hits,
        "right": right,
        "wrong": wrong,
        "by_change": found,
    }


def measure_leaks(train: list[str], test: list[str]) -> dict[str, object]:
    matches = near_matches(test, train)
    exact = {query for query, _, similarity in matches if similarity == 1.0}
    near = {query for query, _, _ in matches} - exact
    forms = [" ".join(sorted(normalise(text).split())) for text in train]
    queries = [" ".join(sorted(normalise(text).split())) for text in test]
    reference = {
        start + int(row)
        for start in range(0, len(test), 500)
        for row in np.flatnonzero(
            process.cdist(
                queries[start : start + 500], forms, scorer=fuzz.ratio, score_cutoff=95
            ).max(axis=1)
            > 0
        )
    }
    print(f"Banking77 test rows in train: {len(exact)} exact, {len(near)} near")
    print(
        f"  by token_sort_ratio of 95 or more: {len(reference)}, of which we find "
        f"{len(reference & (exact | near))}"
    )
    return {
        "exact": len(exact),
        "near": len(near),
        "reference": len(reference),
        "reference_found": len(reference & (exact | near)),
    }


def measure_speed(train: list[str], rows: int, seed: int) -> float:
    """Rows beyond Banking77's own are its rows with three words replaced by words of other rows."""
    rng = random.Random(seed)
    words = " ".join(train).split()
    texts = list(train[:rows])
    while len(texts) < rows:
        row = rng.choice(train).split()
        for _ in range(3):
            row[rng.randrange(len(row))] = rng.choice(words)
        texts.append(" ".join(row))
    start, wall = time.process_time(), time.perf_counter()
    clusters = near_duplicate_clusters(texts)
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    print(
        f"{rows:,} rows: {seconds:.2f} s on one core ({wall:.2f} s of wall time), "
        f"{len(clusters):,} clusters"
    )
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/banking77"))
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--per-change", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    if not given.data.exists():
        sys.exit(f"{given.data} is not there: nothing was measured")
    train, test = read(given.data / "train.csv"), read(given.data / "test.csv")
    results: dict[str, object] = {"leaks": measure_leaks(train, test)}
    planted = []
    for seed in given.seeds:
        drawn = random.Random(seed).sample(train, given.rows)
        base = without_natural_copies(drawn)
        planted.append(measure_planted(base, given.per_change, seed, given.verbose))
    results["planted"] = planted
    hits, rows, right, wrong = (
        sum(int(str(p[key])) for p in planted) for key in ("found", "planted", "right", "wrong")
    )
    print(f"all seeds: recall {share(hits, rows)}, precision {share(right, right + wrong)} pairs")
    results["recall"] = [hits / rows, *wilson(hits, rows)]
    results["precision"] = [right / (right + wrong), *wilson(right, right + wrong)]
    results["seconds"] = {
        rows: measure_speed(train, rows, 0) for rows in (10_000, given.large) if rows
    }
    save("data/near_duplicates", results)


if __name__ == "__main__":
    main()
