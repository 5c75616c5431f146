"""How much of the held-out text stands word for word in the training text.

    python -m pretraining.overlap --work .pretrain/data --out .pretrain/overlap.json

A book that is printed twice under two titles passes a test for equal documents;
it does not pass this one. Counted are windows of 12 words, blind to case and
punctuation, of the part of each document that ``evaluate`` reads.
"""

from __future__ import annotations

import argparse
import json
import re
import zlib
from pathlib import Path

import numpy as np

from pretraining.corpus import CORPORA, read_documents
from pretraining.evaluate import CHARACTERS

WINDOW = 12
_WORD = re.compile(r"[a-z]+")


def windows(text: str) -> np.ndarray:
    """Return a 64-bit hash of every run of 12 words."""
    words = _WORD.findall(text.lower())
    known: dict[str, int] = {}
    for word in words:
        if word not in known:
            known[word] = zlib.crc32(word.encode()) * 0x9E3779B97F4A7C15 % 2**64
    marks = np.fromiter((known[word] for word in words), np.uint64, len(words))
    count = max(0, len(marks) - WINDOW + 1)
    total = np.zeros(count, np.uint64)
    for offset in range(WINDOW):
        total = total * np.uint64(0x100000001B3) + marks[offset : offset + count]
    return total


def overlap(work: Path) -> dict[str, dict[str, object]]:
    """Return for each corpus the share of windows met in training, in percent, by document."""
    held = {
        name: [windows(t[:CHARACTERS]) for t in read_documents(work / f"{name}.held.txt")]
        for name in CORPORA
    }
    wanted = np.unique(np.concatenate([part for parts in held.values() for part in parts]))
    met: list[np.ndarray] = []
    for name in CORPORA:
        for text in read_documents(work / f"{name}.train.txt"):
            found = windows(text)
            place = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
            met.append(np.unique(found[wanted[place] == found]))
    seen = np.unique(np.concatenate(met))
    out: dict[str, dict[str, object]] = {}
    for name, parts in held.items():
        shares = [float(100 * np.isin(p, seen).mean()) if len(p) else 0.0 for p in parts]
        size = [len(p) for p in parts]
        out[name] = {
            "percent": round(float(np.average(shares, weights=size)), 2),
            "documents_above_half": sum(share > 50 for share in shares),
            "documents": len(parts),
        }
    return out


def main() -> None:
    """Count from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--out", type=Path, default=Path(".pretrain/overlap.json"))
    options = parser.parse_args()
    found = overlap(options.work)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
