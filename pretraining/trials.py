"""Small trials of width, depth and vocabulary at one size of file, in bits per byte of one text.

    python -m pretraining.trials wide deep           # by default all, one after the other

Every trial trains on the same documents in the same order for as many updates of 8,192 tokens, and
is judged by the loss of its last ten updates divided by the bytes of their tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from pretraining.corpus import END, read_documents
from pretraining.model import Block, Llama
from pretraining.tokenizer import learned
from pretraining.train import Settings, batch, build

UPDATES = 60
# About 5.7 million parameters each: what a folder of 12 MB in bf16 holds.
TRIALS = {
    "chosen": {},
    "wide": {"width": 320, "depth": 4, "heads": 5, "kv_heads": 1, "inner": 720},
    "deep": {"width": 192, "depth": 12, "heads": 3, "kv_heads": 1, "inner": 480},
    "vocab4096": {"vocab": 4096, "inner": 768},
    "vocab8192": {"vocab": 8192, "inner": 512},
}


def texts(work: Path, seed: int, size: int = 4_000_000) -> list[str]:
    """Return documents of all corpora in one order, about ``size`` characters of pieces."""
    every = [
        text[:20_000]
        for name in ("gutenberg", "openstax", "technical")
        for text in read_documents(work / f"{name}.train.txt")
    ]
    random.Random(seed).shuffle(every)
    kept, total = [], 0
    for text in every:
        if total >= size:
            break
        kept.append(text)
        total += len(text)
    return kept


def tokens(tokenizer: Tokenizer, some: list[str]) -> tuple[np.ndarray, float]:
    """Return rows of 1,025 tokens and the bytes of a token."""
    opening = tokenizer.token_to_id(END)
    ids: list[int] = []
    for encoded in tokenizer.encode_batch(some):
        ids += [opening, *encoded.ids]
    rows = [ids[at : at + 1025] for at in range(0, len(ids) - 1025, 1024)]
    return np.array(rows, dtype=np.uint16), sum(len(t.encode()) for t in some) / len(ids)


def run(name: str, work: Path, seed: int) -> dict[str, object]:
    """Train one trial; return its settings and figures."""
    settings = Settings(
        seed=seed,
        updates=UPDATES,
        matrix_rate=0.01,
        other_rate=0.005,
        rates=f"-1:0 9:1 {UPDATES // 2}:1 {UPDATES}:0",
        lengths="0:256",
        chats_from=10**9,
        **TRIALS[name],
    )
    some = texts(work, seed)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    if settings.vocab != tokenizer.get_vocab_size():
        tokenizer = learned(some, settings.vocab)
    rows, width = tokens(tokenizer, some)
    Llama.run_block = staticmethod(torch.compile(Block.__call__, dynamic=False))
    model, optimizer = build(settings)
    losses = []
    for update in range(UPDATES):
        ids, targets = batch(rows, rows[:0], settings, update)
        loss = model.loss(ids, targets)
        loss.backward()
        optimizer.step(update + 1, settings.scale(update))
        losses.append(loss.item())
    nats = float(np.mean(losses[-10:]))
    return {
        "trial": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes_per_token": round(width, 3),
        "nats_per_token": round(nats, 4),
        "bits_per_byte": round(nats / width / math.log(2), 4),
    }


def main() -> None:
    """Run trials from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(TRIALS))
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        print(json.dumps(run(name, options.work, options.seed)), flush=True)


if __name__ == "__main__":
    main()
