"""Tokens a second of LoRA against TRL's SFTTrainer: a Llama of 34M parameters, 160 rows, on CPU.

Random weights (seed 0), the built-in model's tokenizer, booking dialogues as plain text, 15 to 350
tokens, every token supervised; rank 16 on all linear layers. The same rows, updates of as many
rows, epochs and threads for each, in processes of their own, in turn. TRL comes four times: as it
is (bf16 and gradient checkpointing are its defaults), and without checkpointing in what may be its
best settings on this processor: packed or not, bf16 or float32. Seconds are those of training
alone; tokens are counted without padding. A processor without bf16 emulates it, several hundred
seconds for 16 rows: there the bf16 contenders are left out, unless ``--emulated`` asks for them.

    python -m benchmarks.speed.peers_lora --peers PYTHON [--repeats 3] [--epochs 1] [--rows 160]
        [--emulated]
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
from fewtune.environment import bf16_is_native

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
    parser.add_argument("--emulated", action="store_true", help="bf16 where it is emulated too")
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
        contenders = {
            OURS: [*ours, str(BATCH), str(given.epochs)],
            "TRL, packing, no checkpointing, float32": [*peer, "packed-float32"],
            "TRL, no checkpointing, float32": [*peer, "float32"],
        }
        if bf16_is_native("cpu") or given.emulated:
            contenders["TRL SFTTrainer as it comes"] = [*peer, "default"]
            contenders["TRL, packing, no checkpointing"] = [*peer, "packed"]
        found = race(contenders, given.repeats, given.threads)
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
