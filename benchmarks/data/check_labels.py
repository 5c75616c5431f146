"""Label errors: 10% of labels flipped; how many of the first k, and of those named, were flipped.

    python -m benchmarks.data.check_labels [--model minilm [--cache FILE.npz]] [--tuning]
        [--seeds N] [--for SECONDS] [--resume]

precision@k: k rows are flipped, and the k rows whose own label is least probable are looked at.
"named" are the rows that the check itself names, with how many of them were flipped; "clean" counts
the rows that it names before any label is flipped. Wrong labels that the data had before count as
mistakes here.

The limits of the check were chosen on the sets of ``--tuning`` (half of Banking77's intents, three
attributes of E2E, speakers of the dialogues, books of one file of the corpus); the sets reported
without it are others: the other half of the intents and all of them, joined by other draws, other
attributes, services, books, and the front desk. The rows of all of Banking77 overlap with half of
those tuned on. ``--cache`` keeps the model's embeddings of the texts between runs. Every draw
is kept at once; ``--for`` ends after so many seconds of the processor, ``--resume`` goes on.
"""

from __future__ import annotations

import csv
import json
import lzma
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import save, shared
from benchmarks.data._check_common import flip_labels, said, subset, wilson
from fewtune.checks._features import leave_one_out
from fewtune.checks._flips import estimate
from fewtune.checks.base import Context
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.records import Dataset, Example

FRONT_DESK = Path("examples/front_desk/intents.csv")


def named_by(context: Context) -> set[str]:
    return {s for f in run(context, ["label_errors"]).findings for s in f.rows}


def measure(name: str, clean: Dataset, seed: int, model=None, share: float = 0.1) -> dict:
    data, flipped = flip_labels(clean, share, seed)
    context = Context(data, model=model)
    began = time.process_time()
    named = named_by(context)
    seconds = time.process_time() - began
    held_out = leave_one_out(context)
    flips = estimate(held_out.probabilities, held_out.given)
    planted = np.array([data[int(i)].source in flipped for i in held_out.rows])
    own = held_out.probabilities[np.arange(len(held_out.rows)), held_out.given]
    k = int(planted.sum())
    at_k = int(planted[np.argsort(own, kind="stable")[:k]].sum())
    right = len(named & flipped)
    print(
        f"{name:30} seed {seed}  n {len(data):6,} in {len(data.labels):2}  accuracy "
        f"{held_out.accuracy:.2f}  {said('precision@k', at_k, k)}  "
        f"{said('named', right, len(named))}  recall {right / max(k, 1):.2f}  "
        f"share {flips.share} to {flips.likeliest}  {seconds:.1f} s",
        flush=True,
    )
    return {
        "set": name,
        "seed": seed,
        "rows": len(data),
        "classes": len(data.labels),
        "accuracy": held_out.accuracy,
        "precision_at_k": wilson(at_k, k),
        "share": [flips.share, flips.likeliest],
        "named": len(named),
        "right": right,
        "precision": wilson(right, len(named)),
        "recall": wilson(right, k),
        "cpu_seconds": round(seconds, 2),
    }


def joined(data: Dataset, classes: int, seed: int) -> Dataset:
    """Return the data with its labels joined at random into a few, of as many labels each."""
    labels = list(data.labels)
    random.Random(seed).shuffle(labels)
    into = {label: f"group {at % classes}" for at, label in enumerate(labels)}
    return replace(data, examples=tuple(replace(e, target=into[e.target]) for e in data.examples))


def drawn(pairs: list[tuple[str, str]], name: str, most: int) -> Dataset:
    random.Random(0).shuffle(pairs)
    rows = tuple(Example(t, label, f"{name}:{i}") for i, (t, label) in enumerate(pairs[:most]))
    return Dataset(rows, "labelled_text", name)


def restaurants(attribute: str) -> Dataset:
    """Return E2E's sentences labelled by one attribute of what they describe."""
    pairs = []
    for row in csv.DictReader(shared("data", "e2e", "devset.csv").open(encoding="utf-8")):
        found = re.search(attribute + r"\[([^\]]*)\]", row["mr"])
        if found:
            pairs.append((row["ref"], found[1]))
    return drawn(pairs, f"E2E {attribute}", 3000)


def dialogues(by: str) -> Dataset:
    """Return turns of the dialogues labelled by speaker, or users' turns by service."""
    pairs = []
    for line in shared("data", "dialogues", "booking_dialogues.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        for turn in row["messages"]:
            if by == "speaker" and turn["role"] in ("user", "assistant"):
                pairs.append((turn["content"], turn["role"]))
            elif by == "service" and turn["role"] == "user":
                pairs.append((turn["content"], row["group"].split("_")[0]))
    return drawn(pairs, f"dialogues, {by}", 3000)


def books(file: int, count: int, each: int) -> Dataset:
    """Return paragraphs labelled by the book that they are from."""
    with lzma.open(shared("corpus", f"gutenberg_{file}.txt.xz"), "rt", encoding="utf-8") as text:
        documents = [d for d in text.read(12_000_000).split("<|endofdoc|>") if len(d) > 200_000]
    pairs = []
    for number, document in enumerate(documents[:count]):
        paragraphs = [p for p in document.split("\n") if 80 < len(p) < 400]
        chosen = random.Random(0).sample(paragraphs, min(each, len(paragraphs)))
        pairs += [(p, f"book {number}") for p in chosen]
    return drawn(pairs, f"{count} books of file {file}", 3000)


def noise(data: Dataset, seed: int, share: float = 0.5) -> Dataset:
    draw = random.Random(seed)
    rows = (replace(e, target="b" if draw.random() < share else "a") for e in data.examples[:2000])
    return replace(data, examples=tuple(rows))


def sets(data: Dataset, tuning: bool) -> Iterator[tuple[str, Dataset]]:
    """Return the sets on which limits were chosen, or the others."""
    labels = list(data.labels)
    random.Random(7).shuffle(labels)
    mine = set(labels[:38] if tuning else labels[38:])
    half = replace(data, examples=tuple(e for e in data.examples if e.target in mine))
    seeds = (1, 2) if tuning else (11, 12, 13)
    yield f"half of Banking77, {len(mine)}", half
    for classes in (2, 5, 10):
        for seed in seeds[: 3 if classes == 2 else 1]:
            yield f"half joined into {classes}, {seed}", joined(half, classes, seed)
    yield "half joined into 2, 800 rows", few(joined(half, 2, seeds[0]), 800)
    if tuning:
        for attribute in ("area", "food", "priceRange"):
            yield f"E2E {attribute}", restaurants(attribute)
        yield "dialogues, speaker", dialogues("speaker")
        yield "2 books", books(0, 2, 800)
        yield "6 books", books(0, 6, 400)
        yield "noise", noise(data, 3)
        return
    yield "Banking77", data
    for classes in (2, 5, 10):
        yield f"Banking77 joined into {classes}", joined(data, classes, 14)
    for classes, each in ((2, 100), (5, 100), (12, 30)):
        chosen = random.Random(classes).sample(sorted(mine), classes)
        yield f"{classes} intents of {each}", subset(data, chosen, each, 0)
    for attribute in ("familyFriendly", "customer rating"):
        yield f"E2E {attribute}", restaurants(attribute)
    yield "dialogues, service", dialogues("service")
    for file, count, each in ((2, 2, 800), (4, 2, 800), (4, 6, 400)):
        yield f"{count} books of file {file}", books(file, count, each)
    if FRONT_DESK.exists():
        yield "front desk", load(FRONT_DESK)
    yield "noise, 40%", noise(data, 4, 0.4)
    yield "noise, 15%", noise(data, 5, 0.15)


class Remembered:
    """A model view that embeds a text once, and keeps what it has in a file if there is one."""

    def __init__(self, view, cache: Path | None) -> None:
        self.view, self.cache = view, cache
        self.name, self.context_length = view.name, view.context_length
        self.known: dict[str, np.ndarray] = {}
        if cache is not None and cache.exists():
            with np.load(cache) as file:
                self.known = dict(zip(file["texts"].tolist(), file["states"], strict=True))

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return the view's embeddings of texts."""
        new = sorted({text for text in texts if text not in self.known})
        if new:
            self.known.update(zip(new, self.view.embed(new), strict=True))
            if self.cache is not None:
                states = np.stack(list(self.known.values()))
                np.savez(self.cache, texts=np.array(list(self.known)), states=states)
        return np.stack([self.known[text] for text in texts])


def few(data: Dataset, count: int) -> Dataset:
    return replace(data, examples=tuple(random.Random(count).sample(data.examples, count)))


def said_of_all(results: list[dict]) -> None:
    """Print what the draws have in common."""
    knows = [r for r in results if r["accuracy"] >= 0.75]
    met = [r for r in knows if r["precision_at_k"][0] >= 0.88]
    named, right = sum(r["named"] for r in results), sum(r["right"] for r in results)
    hard = [r for r in results if r not in met]
    print(f"accuracy >= .75: {len(knows)} draws, precision@k >= .88 in {len(met)} of them")
    print(said("rows named, over all:", right, named))
    print(
        said("rows named where precision@k < .88 or accuracy < .75:",
             sum(r["right"] for r in hard), sum(r["named"] for r in hard))
    )  # fmt: skip


def given(option: str, otherwise: str) -> str:
    """Return what the command line says after an option."""
    return sys.argv[sys.argv.index(option) + 1] if option in sys.argv else otherwise


def main() -> None:
    model, tuning = None, "--tuning" in sys.argv
    if "--model" in sys.argv:
        from fewtune.models.view import view

        cache = given("--cache", "")
        model = Remembered(
            view(given("--model", ""), "labelled_text"), Path(cache) if cache else None
        )
    name = "data/check_labels" + ("_minilm" if model else "") + ("_tuning" * tuning)
    kept = Path(__file__).parents[1] / "data" / "results" / f"{name.rpartition('/')[2]}.json"
    resume = "--resume" in sys.argv and kept.exists()
    results = json.loads(kept.read_text())["results"] if resume else []
    done = {(r["set"], r["seed"]) for r in results}
    data = load(shared("data", "banking77", "train.csv"))
    least = time.process_time() + float(given("--for", "1e9"))
    for seed in range(int(given("--seeds", "1" if model else "3"))):
        for title, part in sets(data, tuning):
            if (title, seed) in done or time.process_time() > least:
                continue
            clean = {} if seed or model else {"clean": len(named_by(Context(part)))}
            results.append(measure(title, part, seed, model) | clean)
            save(name, results)
    said_of_all(results)


if __name__ == "__main__":
    main()
