"""Tokens a second of LoRA against TRL's SFTTrainer: a Llama of 34M parameters, 160 rows, on CPU.

Random weights (seed 0), the built-in model's tokenizer, booking dialogues as plain text, 15 to 350
tokens, every token supervised; rank 16 on all linear layers. The same rows, updates of as many
rows, epochs and threads for each, in processes of their own, in turn. TRL comes twice: as it is
(bf16 and gradient checkpointing are its defaults) and at its best here (packing, no
checkpointing). Seconds are those of training alone; tokens are counted without padding.

    python -m benchmarks.speed.peers_lora --peers PYTHON [--repeats 3] [--epochs 1] [--rows 160]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.common import save, shared
from benchmarks.speed._contenders import race, table
from benchmarks.speed._llama import llama_34m

HERE = Path(__file__).resolve().parent
OURS = "fewtune"
BATCH = 8


def texts(count: int, file: Path) -> Path:
    """Write dialogues as plain texts, cut after 1 to 12 turns in turn; return the file."""
    rows = []
    with shared("data", "dialogues", "booking_dialogues.jsonl").open(encoding="utf-8") as lines:
        for number, line in zip(range(count), lines, strict=False):
            turns = json.loads(line)["messages"][: 1 + number % 12]
            said = "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
            rows.append(json.dumps({"text": said}) + "\n")
    file.write_text("".join(rows), encoding="utf-8")
    return file


def main() -> None:
    """Race, print a table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="an interpreter with trl, peft, datasets", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if not given.peers:
        print("skipped: name an interpreter that has trl with --peers PYTHON")
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, rows = (
            str(llama_34m(folder / "llama")),
            str(texts(given.rows, folder / "rows.jsonl")),
        )
        ours = [sys.executable, "-m", "benchmarks.speed._ours", "generation", model, rows, "lora"]
        peer = [given.peers, str(HERE / "_peer_trl.py"), model, rows, str(BATCH), str(given.epochs)]
        found = race(
            {
                OURS: [*ours, str(BATCH), str(given.epochs)],
                "TRL SFTTrainer as it comes": [*peer, "default"],
                "TRL SFTTrainer, packing, no checkpointing": [*peer, "best"],
            },
            given.repeats,
            given.threads,
        )
    # One count for all: that of the rows, end tokens included.
    tokens = found[OURS][0]["tokens"] * given.epochs
    for turns in found.values():
        for turn in turns:
            turn["tokens"] = tokens
    print(f"{given.rows} rows, {tokens} tokens, updates of {BATCH} rows, {given.threads} threads")
    figures = table(found, "tokens", OURS)
    print("aims: 3× as it comes, 1.5× its best; peak not above the peers'")
    settings = {k: v for k, v in vars(given).items() if k != "peers"}
    print(save("speed/peers_lora", {**settings, "figures": figures, "turns": found}))


if __name__ == "__main__":
    main()
