"""Cleaned, held-out and packed text from the corpora.

``clean`` reads ``*.txt.xz``, sets held-out documents apart *before* anything
else sees a byte, cleans both parts alike and writes plain text. ``encode``
turns the text into uint16 tokens. ``blocks`` (used by the trainer) cuts the
token streams into shuffled sequences.

    python -m pretraining.corpus clean --corpus ../shared/corpus --work .pretrain/data
    python -m pretraining.tokenizer    --work .pretrain/data --size 6144
    python -m pretraining.corpus encode --work .pretrain/data
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

END = "<|endofdoc|>"
# Name of the corpus -> (files, held-out share of its documents). Shares give
# each corpus enough held-out bytes for a tight figure and no more.
CORPORA: dict[str, tuple[str, float]] = {
    "gutenberg": ("gutenberg_*.txt.xz", 0.03),
    "openstax": ("openstax.txt.xz", 0.03),
    "technical": ("technical_docs.txt.xz", 0.02),
    "coffee": ("coffee_dialogues.txt.xz", 0.06),
}
# How often a document of a corpus is seen in one pass.
REPEATS = {"gutenberg": 1, "openstax": 1, "technical": 1, "coffee": 3}

_CURLY = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})
_MARK = re.compile(
    r"\[\s*(?:Illustration|Picture|Footnote|Sidenote|Transcriber|Frontispiece|Music|Map)"
    r"[^\]]*\]?",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\[(?:\d{1,3}|[A-Z*†])\]")
_RULE = re.compile(r"[*=\-_~.•·\s]{4,}$")
_SPACES = re.compile(r"[ \t\f\v]{2,}")
_LICENCE = re.compile(r"\*\*\* ?(?:START|END)[: ]+(?:FULL LICENSE|OF TH)", re.IGNORECASE)
_BOILER = re.compile(
    r"project gutenberg|e-?text|transcriber'?s? note|all rights reserved|copyright,? (?:by )?1[89]",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+")
_PROSE_END = re.compile(r"""[.!?:;,"')\]\-]$""")
_PAGE = re.compile(r"[^.!?]{3,90}\s\d{1,3}$")
_NOTES_AT_END = re.compile(r"transcriber|italics are indicated|hyphenation", re.IGNORECASE)
_FRONT_LINES = 60
_END_LINES = 60


def documents(folder: Path, pattern: str) -> Iterator[str]:
    """Yield the raw documents of the files matching ``pattern``, in file order."""
    for file in sorted(folder.glob(pattern)):
        with lzma.open(file, "rt", encoding="utf-8") as text:
            lines: list[str] = []
            for line in text:
                if line.strip() == END:
                    yield "".join(lines)
                    lines = []
                else:
                    lines.append(line)
            if lines:
                yield "".join(lines)


def fingerprint(document: str) -> str:
    """Return the sha256 of the words of a document, blind to case and punctuation."""
    words = " ".join(_WORD.findall(document.lower()))
    return hashlib.sha256(words.encode()).hexdigest()


def is_held_out(mark: str, share: float) -> bool:
    """Tell from a fingerprint alone whether a document is held out: equal texts share a side."""
    return int(mark[:8], 16) < share * 2**32


def _is_junk(line: str) -> bool:
    """Tell tables, rules and lines of capitals from prose."""
    if _RULE.match(line):
        return True
    letters = sum(map(str.isalpha, line))
    if len(line) > 30 and letters < 0.6 * len(line):
        return True
    return len(line) > 120 and sum(map(str.isupper, line)) > 0.25 * letters


def _is_front_matter(line: str) -> bool:
    """Tell title pages and tables of contents (only asked near a book's start)."""
    words = _WORD.findall(line)
    if len(words) < 8 or not _PROSE_END.search(line):
        return True
    capital = sum(word[0].isupper() for word in words)
    return capital > 0.45 * len(words)


def clean_book(text: str) -> str:
    """Return a Gutenberg book without licence, front matter, marks and tables.

    Straight quotes replace curly ones in seven of eight books: the model meets
    both, and spends little of its vocabulary on the difference.
    """
    cut = _LICENCE.search(text)
    text = text[: cut.start()] if cut else text
    if int(fingerprint(text[:4000])[8:10], 16) >= 32:
        text = text.translate(_CURLY)
    text = _NOTE.sub("", _MARK.sub("", text)).replace("_", "")
    kept = []
    prose = 0
    lines = text.split("\n")
    for number, raw in enumerate(lines):
        line = _SPACES.sub(" ", raw).strip()
        if number > len(lines) - _END_LINES and _NOTES_AT_END.search(line):
            break
        if not line or _is_junk(line) or _BOILER.search(line) or _PAGE.match(line):
            continue
        # Front matter ends for good once three paragraphs of prose are met.
        if prose < 3 and number < _FRONT_LINES and _is_front_matter(line):
            continue
        prose += len(line) > 100
        kept.append(line)
    return "\n".join(kept)


def clean_plain(text: str) -> str:
    """Return a modern document with straight quotes, without tables and rules."""
    lines = (_SPACES.sub(" ", line).strip() for line in text.translate(_CURLY).split("\n"))
    return "\n".join(line for line in lines if line and not _is_junk(line))


def clean_dialogue(text: str) -> str:
    """Return a coffee dialogue with its ``User:`` and ``Assistant:`` lines kept."""
    lines = (_SPACES.sub(" ", line).strip() for line in text.translate(_CURLY).split("\n"))
    return "\n".join(line for line in lines if line)


CLEANERS = {
    "gutenberg": clean_book,
    "openstax": clean_plain,
    "technical": clean_plain,
    "coffee": clean_dialogue,
}


def clean(corpus: Path, work: Path) -> dict[str, dict[str, int]]:
    """Write ``<name>.train.txt`` and ``<name>.held.txt``; return documents and bytes of each."""
    work.mkdir(parents=True, exist_ok=True)
    counts: dict[str, dict[str, int]] = {}
    for name, (pattern, share) in CORPORA.items():
        seen: set[str] = set()
        count = dict.fromkeys(
            ("train", "held", "train_bytes", "held_bytes", "repeated", "too_short"), 0
        )
        with (
            (work / f"{name}.train.txt").open("w", encoding="utf-8") as train,
            (work / f"{name}.held.txt").open("w", encoding="utf-8") as held,
        ):
            for raw in documents(corpus, pattern):
                mark = fingerprint(raw)
                if mark in seen:
                    count["repeated"] += 1
                    continue
                seen.add(mark)
                text = CLEANERS[name](raw)
                if len(text) < 40:
                    count["too_short"] += 1
                    continue
                part = "held" if is_held_out(mark, share) else "train"
                (held if part == "held" else train).write(text + "\n" + END + "\n")
                count[part] += 1
                count[part + "_bytes"] += len(text.encode())
        counts[name] = count
        print(name, count, flush=True)
    (work / "corpus.json").write_text(json.dumps(counts, indent=1) + "\n")
    return counts


def read_documents(file: Path) -> list[str]:
    """Return the cleaned documents of one file."""
    return [
        part.strip("\n") for part in file.read_text(encoding="utf-8").split(END) if part.strip()
    ]


def encode(work: Path) -> None:
    """Write ``<name>.<part>.u16``: tokens of all documents, each opened by the document token."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    opening = tokenizer.token_to_id(END)
    for name in CORPORA:
        for part in ("train", "held"):
            file = work / f"{name}.{part}.txt"
            texts = read_documents(file)
            with (work / f"{name}.{part}.u16").open("wb") as out:
                total = 0
                for start in range(0, len(texts), 64):
                    for encoded in tokenizer.encode_batch(texts[start : start + 64]):
                        ids = np.array([opening, *encoded.ids], dtype=np.uint16)
                        ids.tofile(out)
                        total += len(ids)
            size = sum(len(text.encode()) for text in texts)
            print(f"{name}.{part}: {total:,} tokens, {size / total:.3f} bytes each", flush=True)


def blocks(work: Path, length: int, seed: int) -> np.ndarray:
    """Return one pass over all training text as shuffled rows of ``length + 1`` tokens, uint16.

    Neighbouring rows share one token, so that every token is predicted once.
    """
    rows = []
    for name, repeats in REPEATS.items():
        tokens = np.fromfile(work / f"{name}.train.u16", dtype=np.uint16)
        for turn in range(repeats):
            # Each repeat starts elsewhere: no two rows are cut alike.
            shifted = tokens[turn * length // max(repeats, 1) :]
            count = (len(shifted) - 1) // length
            view = np.lib.stride_tricks.as_strided(
                shifted,
                shape=(count, length + 1),
                strides=(length * shifted.itemsize, shifted.itemsize),
            )
            rows.append(view)
    packed = np.concatenate(rows)
    np.random.default_rng(seed).shuffle(packed)
    return packed


def main() -> None:
    """Run ``clean`` or ``encode`` from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=["clean", "encode"])
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    options = parser.parse_args()
    if options.stage == "clean":
        clean(options.corpus, options.work)
    else:
        encode(options.work)


if __name__ == "__main__":
    main()
