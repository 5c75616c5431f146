"""Planted copies and conflicts, Banking77's own leaks, and what a clean set is told.

    python -m benchmarks.data.check_planted

Copies: 5% of the rows again. Conflicts: 2% of the rows again under another label; the rows that
must be named are the copy and its original. Clean: the front-desk sets without their planted
faults, Banking77 without the rows that its own checks would drop or name as conflicting.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

from benchmarks.common import save, shared
from benchmarks.data._check_common import said, wilson
from fewtune.checks.base import Context
from fewtune.checks.clean import clean
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.records import Dataset, Example

FRONT_DESK = Path("examples/front_desk")


def with_copies(data: Dataset, share: float, seed: int) -> tuple[Dataset, set[str]]:
    draw = random.Random(seed)
    rows = list(data.examples)
    picked = draw.sample(rows, round(share * len(rows)))
    copies = [replace(e, source=f"planted:{i}") for i, e in enumerate(picked)]
    mixed = rows + copies
    draw.shuffle(mixed)
    return replace(data, examples=tuple(mixed)), {e.source for e in (*picked, *copies)}


def with_conflicts(data: Dataset, share: float, seed: int) -> tuple[Dataset, set[str]]:
    draw, labels = random.Random(seed), list(data.labels)
    rows = list(data.examples)
    picked = draw.sample(rows, round(share * len(rows)))
    torn: list[Example] = []
    for i, example in enumerate(picked):
        other = draw.choice([label for label in labels if label != example.target])
        text = draw.choice([str.upper, str.lower, lambda t: f"{t.rstrip('?.!')} !"])(example.input)
        torn.append(Example(text, other, f"planted:{i}"))
    mixed = rows + torn
    draw.shuffle(mixed)
    return replace(data, examples=tuple(mixed)), {e.source for e in (*picked, *torn)}


def planted(name: str, data: Dataset, seeds: range) -> list[dict]:
    results = []
    before = {f.check: set(f.rows) for f in run(Context(data)).findings}
    for check, plant, share in (
        ("exact_duplicates", with_copies, 0.05),
        ("conflicting_targets", with_conflicts, 0.02),
    ):
        hit = wanted = strange = 0
        for seed in seeds:
            mixed, rows = plant(data, share, seed)
            named = {s for f in run(Context(mixed), [check]).findings for s in f.rows}
            hit, wanted = hit + len(named & rows), wanted + len(rows)
            strange += len(named - rows - before.get(check, set()))
        print(f"{name}: {said(f'{check} named', hit, wanted)}, {strange} others named")
        results.append(
            {"set": name, "check": check, "recall": wilson(hit, wanted), "wrong": strange}
        )
    return results


def letters(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())


def leaks() -> dict:
    data = load(shared("data", "banking77", "train.csv"))
    test = load(shared("data", "banking77", "test.csv"))
    found = run(Context(data, test), ["leakage"]).findings
    # A key that is not ours: small letters and digits, one space for all the rest.
    texts = {letters(e.input) for e in data}
    exact = {e.source for e in test if letters(e.input) in texts}
    named = {s for f in found for s in f.rows}
    print(f"Banking77's own leaks: {said('exact copies named', len(exact & named), len(exact))}")
    for finding in found:
        print(f"  {finding.evidence}")
    return {
        "exact": len(exact),
        "named": len(exact & named),
        "evidence": [f.evidence for f in found],
    }


def cleaned(name: str, data: Dataset, test: Dataset | None = None) -> dict:
    """Print what the checks tell of a set from which every planted or found fault was taken."""
    report = run(Context(data, test))
    counts = {s: len(report.of(s)) for s in ("error", "warning", "note")}
    print(f"clean {name}: {counts}", *(f"  {f.evidence}" for f in report.of("warning")), sep="\n")
    return {"set": name, **counts}


def without_faults(data: Dataset) -> Dataset:
    """Return the data after --write, without rows named as conflicting, personal or doubtful."""
    report = run(Context(data))
    data, _ = clean(data, report.findings)
    named = ("conflicting_targets", "personal_data", "label_errors", "format_consistency")
    gone = {s for f in report.findings if f.check in named for s in f.rows}
    return replace(data, examples=tuple(e for e in data if e.source not in gone))


if __name__ == "__main__":
    banking = load(shared("data", "banking77", "train.csv"))
    results: dict[str, object] = {"planted": planted("Banking77", banking, range(3))}
    results["leaks"] = leaks()
    told = [cleaned("Banking77", without_faults(banking))]
    if FRONT_DESK.exists():
        desk = load(FRONT_DESK / "intents.csv")
        results["planted front desk"] = planted("front desk", desk, range(3))
        told.append(cleaned("front desk test", load(FRONT_DESK / "intents_test.csv")))
        told.append(cleaned("front desk, mended", without_faults(desk)))
        told.append(cleaned("conversations", load(FRONT_DESK / "conversations.jsonl")))
    results["clean"] = told
    save("data/check_planted", results)
