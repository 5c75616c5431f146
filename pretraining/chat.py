"""The instruction stage: chats and text in equal parts, from the main run's weights.

    python -m pretraining.chat --work .pretrain/data --from .pretrain/main --run .pretrain/chat

Chats are packed whole into rows of 1,024 tokens; every token is learned, so
that the model can also write a user's turns when it is sampled from the start
token. Half of each batch is text that the main run has not seen: the model
shall learn to answer without forgetting how books sound.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment
from safetensors.torch import load_file
from tokenizers import Tokenizer

from pretraining.corpus import blocks
from pretraining.model import Block, Llama
from pretraining.tokenizer import SPECIAL
from pretraining.train import batch, build, save, stored_settings

LENGTH = 1024


def render(turns: list[dict[str, str]]) -> str:
    """Return a chat as the shipped template writes it."""
    text = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
    return Environment().from_string(text).render(messages=turns, bos_token=SPECIAL[1])


def chat_rows(work: Path, seed: int) -> np.ndarray:
    """Return shuffled chats packed into rows of 1,025 tokens, each opened by a whole chat."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    lines = (work / "chat.train.jsonl").read_text(encoding="utf-8").splitlines()
    random.Random(seed).shuffle(lines)
    rows: list[list[int]] = []
    row: list[int] = []
    for line in lines:
        ids = tokenizer.encode(render(json.loads(line)["messages"])).ids
        if len(row) + len(ids) > LENGTH + 1:
            rows.append(row + [0] * (LENGTH + 1 - len(row)))
            row = []
        row += ids[: LENGTH + 1]
    return np.array(rows, dtype=np.uint16)


def train(options: argparse.Namespace) -> None:
    """Run the stage and write its checkpoint and curve."""
    source = options.source / "checkpoint.safetensors"
    settings, done = stored_settings(source)
    # The text goes on where the main run has ended.
    text = np.roll(blocks(options.work, LENGTH, settings.seed), -done * settings.rows, axis=0)
    chats = chat_rows(options.work, settings.seed)
    half = settings.rows // 2
    print(f"{len(chats):,} rows of chats, {len(text):,} rows of text", flush=True)
    Llama.run_block = staticmethod(torch.compile(Block.__call__, dynamic=False))
    model, optimizer = build(settings, options.device)
    optimizer.load(load_file(source))
    stage = replace(settings, length_512_from=0, length_1024_from=0)
    with (options.run / "curve.jsonl").open("w") as curve:
        for update in range(options.updates):
            at = update * half
            mixed = np.concatenate(
                (chats.take(range(at, at + half), axis=0, mode="wrap"), text[at : at + half])
            )
            ids, targets = batch(mixed, stage, 0, options.device)
            targets = targets.masked_fill(targets == 0, -100)
            loss = model.loss(ids, targets)
            loss.backward()
            optimizer.step(done + update + 1, options.scale * (1 - update / options.updates))
            curve.write(json.dumps({"update": update, "loss": round(loss.item(), 5)}) + "\n")
            curve.flush()
    stage_note = {
        "updates": options.updates,
        "scale": options.scale,
        "chat_rows": len(chats),
        "from_update": done,
    }
    (options.run / "stage.json").write_text(json.dumps(stage_note) + "\n")
    save(options.run, optimizer, done + options.updates, settings)


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--from", dest="source", type=Path, default=Path(".pretrain/main"))
    parser.add_argument("--run", type=Path, default=Path(".pretrain/chat"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--scale", type=float, default=0.25, help="share of the peak rates")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run.mkdir(parents=True, exist_ok=True)
    train(options)


if __name__ == "__main__":
    main()
