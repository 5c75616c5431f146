"""Small data sets made from a seed: labelled sentences, prompts with completions, chats."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

OWN_WORDS = {
    "booking": "appointment book reserve slot calendar morning visit schedule".split(),
    "billing": "invoice payment charge refund insurance bill fee receipt".split(),
    "results": "test blood laboratory x-ray sample report findings scan".split(),
}
COMMON = (
    "please I would like to know about the my for and with when can you tell me today again "
    "still next last week doctor nurse clinic phone number letter help thanks need want ask "
    "because maybe after before yesterday soon really just mother husband daughter office"
).split()
FOODS = "french italian thai indian greek japanese mexican spanish".split()
NAMES = "Alimentum Aromi Bibimbap Cocum Clowns Cotto Fitzbillies Giraffe Strada Vaults".split()
PLACES = "riverside centre station market harbour park".split()


def labelled(each: int, seed: int = 0, labels: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return ``each`` sentences of every label; two words in eight tell the label."""
    draw = random.Random(seed)
    rows = []
    for label in labels or OWN_WORDS:
        for _ in range(each):
            words = draw.sample(OWN_WORDS[label], 2) + draw.sample(COMMON, draw.randint(5, 8))
            draw.shuffle(words)
            rows.append((" ".join(words), label))
    draw.shuffle(rows)
    return rows


def prompts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return facts and the sentence that tells them."""
    draw = random.Random(seed)
    every = [(n, f, p) for n in NAMES for f in FOODS for p in PLACES]
    return [
        (f"name: {n}, food: {f}, area: {p}", f"{n} serves {f} food by the {p}.")
        for n, f, p in draw.sample(every, count)
    ]


def chats(count: int, seed: int = 0) -> list[list[dict[str, str]]]:
    """Return chats of two exchanges."""
    found = []
    for (first, answer), (second, label) in zip(
        prompts(count, seed), labelled(count, seed)[:count], strict=True
    ):
        found.append(
            [
                {"role": "user", "content": first},
                {"role": "assistant", "content": answer},
                {"role": "user", "content": second},
                {"role": "assistant", "content": f"This is about {label}."},
            ]
        )
    return found


def write_csv(path: Path, rows: Iterable[Sequence[str]], header: Sequence[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_labelled(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    return write_csv(path, rows, ("text", "label"))


def write_jsonl(path: Path, records: Iterable[object]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_prompts(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    return write_jsonl(path, ({"prompt": a, "completion": b} for a, b in rows))


def every_text() -> list[str]:
    """Return what the tokenizers of the tiny models are trained on."""
    texts = [text for text, _ in labelled(80, seed=99)]
    texts += [part for pair in prompts(100, seed=99) for part in pair]
    return texts
