"""Personal data against look-alikes: recall and precision of the check, per piece and by kind.

    python -m benchmarks.data.check_personal

The sentences are in check_personal_items.txt. Those on odd lines were read while the patterns were
mended, those on even lines were not: both halves are printed. "drawn" are sentences made from
public facts about formats (``_personal_drawn``): what was missed of seed 0 was looked at, of seed 1
it was not. "real" are Banking77, E2E and the dialogues; the dialogues do hold addresses and phone
numbers, so its places are counted by set and not judged. A piece is found when a place of the same
kind overlaps it; a place is wrong when it overlaps no piece of its kind.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from benchmarks.common import save, shared
from benchmarks.data._check_common import said, wilson
from benchmarks.data._personal_drawn import drawn
from fewtune.data.load import load
from fewtune.data.personal import find

ITEMS = Path(__file__).with_name("check_personal_items.txt")
MARK = re.compile(r"⟦(\w+)\|(.*?)⟧")
KINDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "card": "card number",
    "iban": "IBAN",
    "ssn": "social security number",
    "address": "postal address",
}


def read() -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Return (sentence, pieces as kind, start, end)."""
    sentences = []
    for line in ITEMS.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, pieces, end = "", [], 0
        for mark in MARK.finditer(line):
            text += line[end : mark.start()]
            pieces.append((KINDS[mark[1]], len(text), len(text) + len(mark[2])))
            text += mark[2]
            end = mark.end()
        sentences.append((text + line[end:], pieces))
    return sentences


def score(sentences, show: bool = False) -> dict[str, object]:
    hit, wanted, wrong, exact = Counter(), Counter(), 0, 0
    for text, pieces in sentences:
        places = find(text)
        for kind, start, end in pieces:
            wanted[kind] += 1
            found = [p for p in places if p.kind == kind and p.start < end and start < p.end]
            hit[kind] += bool(found)
            exact += any((p.start, p.end) == (start, end) for p in found)
            if show and not found:
                print(f"  missed {kind}: {text}")
        for place in places:
            if not any(k == place.kind and place.start < e and s < place.end for k, s, e in pieces):
                wrong += 1
                if show:
                    print(f"  wrong {place.kind} {text[place.start : place.end]!r}: {text}")
    right = hit.total()
    return {
        "sentences": len(sentences),
        "recall": wilson(right, wanted.total()),
        "precision": wilson(right, right + wrong),
        "text": f"{said('recall', right, wanted.total())}, "
        f"{said('precision', right, right + wrong)}, {exact} with exact bounds",
        "missed by kind": dict(wanted - hit),
    }


if __name__ == "__main__":
    sentences = read()
    halves = {"all": sentences, "read": sentences[::2], "unread": sentences[1::2]}
    results = {name: score(part) for name, part in halves.items()}
    if "--show" in sys.argv:
        score(halves["read"], show=True)
    for seed, name in enumerate(("drawn, seen", "drawn, unseen")):
        made = [(t, [(KINDS[k], a, b) for k, a, b in pieces]) for t, pieces in drawn(seed)]
        results[name] = score(made, show="--show" in sys.argv and seed == 0)
        results[name]["look-alikes"] = sum(not pieces for _, pieces in made)
    sets = {
        "Banking77": [
            e.input
            for part in ("train", "test")
            for e in load(shared("data", "banking77", f"{part}.csv"))
        ],
        "E2E": [e.target or "" for e in load(shared("data", "e2e", "devset.csv"))],
        "dialogues": [
            turn.content
            for e in load(shared("data", "dialogues", "booking_dialogues.jsonl"))
            for turn in e.messages
        ],
    }  # fmt: skip
    results["real"] = {}
    for name, texts in sets.items():
        places = [(t[p.start : p.end], p.kind) for t in texts for p in find(t)]
        print(
            f"real, {name}: {len(places)} places in {len(texts):,} texts, e.g. {places[::97][:5]}"
        )
        results["real"][name] = {"texts": len(texts), "places": Counter(k for _, k in places)}
    for name, result in results.items():
        if name == "real":
            continue
        print(f"{name} ({result['sentences']} sentences): {result['text']}")
    save("data/check_personal", results)
