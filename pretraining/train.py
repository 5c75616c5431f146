"""The run: one pass over shuffled text, chats mixed into its end, resumable at any update.

    python -m pretraining.train --work .pretrain/data --run .pretrain/main
    python -m pretraining.train --work .pretrain/data --verify pretraining/record.json

The batch of update ``u`` is a function of the seed and ``u`` alone, and the
checkpoint holds the float32 weights and momenta: killed anywhere, the run ends
in the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pretraining.chat import packed_chats
from pretraining.corpus import blocks
from pretraining.model import Block, Llama, Shape
from pretraining.optimizer import Optimizer


@dataclass(frozen=True)
class Settings:
    """Everything that the result depends on, beside the tokens.

    ``rates`` and ``lengths`` are schedules by update. The rate's share of the peak is
    linear between its knots. It falls to zero twice, because the run was made in two
    sittings: the first ended at update 3,100 in a model that could be used.
    """

    seed: int = 1
    width: int = 256
    depth: int = 6
    heads: int = 4
    kv_heads: int = 2
    inner: int = 640
    vocab: int = 6144
    updates: int = 7802
    rows: int = 8  # rows of 1,024 tokens per update
    matrix_rate: float = 0.008
    other_rate: float = 0.006
    rates: str = "-1:0 99:1 1500:1 3100:0 3200:0.7 5500:0.7 7802:0"
    lengths: str = "0:256 1000:512 2960:1024 3100:256 5500:512 7660:1024"
    chats_from: int = 7150  # from here on, some rows of a batch are chats
    chat_rows: int = 4

    def shape(self) -> Shape:
        """Return the model's sizes."""
        names = {field.name for field in fields(Shape)}
        return Shape(**{k: v for k, v in asdict(self).items() if k in names})

    def scale(self, update: int) -> float:
        """Return the share of the peak rate for ``update`` (from 0)."""
        knots = [tuple(map(float, knot.split(":"))) for knot in self.rates.split()]
        return float(np.interp(update, *zip(*knots, strict=True)))

    def length(self, update: int) -> int:
        """Return the sequence length for ``update``."""
        steps = [tuple(map(int, step.split(":"))) for step in self.lengths.split()]
        return [length for start, length in steps if start <= update][-1]

    def text_row(self, update: int) -> int:
        """Return how many rows of text come before ``update``."""
        mixed = max(0, update - self.chats_from)
        return update * self.rows - mixed * self.chat_rows


def splits(shape: Shape) -> dict[str, list[int]]:
    """Return which matrices are stacked in which weight, by rows."""
    kv = shape.kv_heads * shape.head
    return {"qkv": [shape.width, kv, kv], "gate_up": [shape.inner, shape.inner]}


def batch(
    rows: np.ndarray, chats: np.ndarray, settings: Settings, update: int, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of ``update``, each ``[sequences, length]``; padding is -100."""
    start, stop = settings.text_row(update), settings.text_row(update + 1)
    part = rows.take(range(start, stop), axis=0, mode="wrap")
    if update >= settings.chats_from:
        at = (update - settings.chats_from) * settings.chat_rows
        some = chats.take(range(at, at + settings.chat_rows), axis=0, mode="wrap")
        part = np.concatenate((some, part))
    ids = torch.from_numpy(part.astype(np.int64)).to(device)
    length = settings.length(update)
    targets = ids[:, 1:].reshape(-1, length).contiguous()
    return ids[:, :-1].reshape(-1, length).contiguous(), targets.masked_fill(targets == 0, -100)


def save(run: Path, optimizer: Optimizer, done: int, settings: Settings) -> None:
    """Write the checkpoint so that a kill leaves the old one or the new one."""
    whole = {name: tensor.contiguous() for name, tensor in optimizer.state().items()}
    save_file(
        whole,
        run / "checkpoint.tmp",
        metadata={"done": str(done), "settings": json.dumps(asdict(settings))},
    )
    os.replace(run / "checkpoint.tmp", run / "checkpoint.safetensors")


def stored_settings(file: Path) -> tuple[Settings, int]:
    """Return the settings of a checkpoint and the number of updates behind it."""
    with safe_open(file, "pt") as stored:
        notes = stored.metadata()
    return Settings(**json.loads(notes["settings"])), int(notes["done"])


def resume(run: Path, optimizer: Optimizer) -> int:
    """Load the checkpoint if there is one; return the number of updates done."""
    file = run / "checkpoint.safetensors"
    if not file.exists():
        return 0
    optimizer.load(load_file(file))
    return stored_settings(file)[1]


def build(settings: Settings, device: str = "cpu") -> tuple[Llama, Optimizer]:
    """Return the model with bf16 matrices and its optimizer."""
    model = Llama(settings.shape(), settings.seed).to(device)
    optimizer = Optimizer(model, splits(model.shape), settings.matrix_rate, settings.other_rate)
    return model, optimizer


def train(
    settings: Settings,
    rows: np.ndarray,
    chats: np.ndarray,
    run: Path,
    stop: int,
    every: int,
    device: str = "cpu",
) -> list[float]:
    """Run updates until ``stop``; return the losses of this sitting in nats per token."""
    Llama.run_block = staticmethod(torch.compile(Block.__call__, dynamic=False))
    model, optimizer = build(settings, device)
    done = resume(run, optimizer)
    losses = []
    began = time.perf_counter()
    with (run / "curve.jsonl").open("a") as curve:
        for update in range(done, stop):
            ids, targets = batch(rows, chats, settings, update, device)
            loss = model.loss(ids, targets)
            loss.backward()
            optimizer.step(update + 1, settings.scale(update))
            losses.append(loss.item())
            if losses[-1] != losses[-1]:
                sys.exit(f"The loss of update {update} is not a number.")
            now = time.perf_counter()
            line = {
                "update": update,
                "loss": round(losses[-1], 5),
                "seconds": round(now - began, 3),
                "length": ids.shape[1],
            }
            began = now
            curve.write(json.dumps(line) + "\n")
            curve.flush()
            if (update + 1) % every == 0 or update + 1 == stop:
                save(run, optimizer, update + 1, settings)
    return losses


def verify(record: Path, rows: np.ndarray, chats: np.ndarray, run: Path) -> None:
    """Repeat the recorded first losses; exit with 1 if one differs by more than 0.02 nats."""
    recorded = json.loads(record.read_text())
    settings = Settings(**recorded["settings"])
    wanted = recorded["first_losses"]
    losses = train(settings, rows, chats, run, len(wanted), len(wanted) + 1)
    worst = max(abs(a - b) for a, b in zip(losses, wanted, strict=True))
    print(f"{len(wanted)} losses; the largest difference is {worst:.6f} nats per token")
    sys.exit(int(worst > 0.02))


def main() -> None:
    """Train or verify from the command line; every setting is an option."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--run", type=Path, default=Path(".pretrain/main"))
    parser.add_argument("--stop", type=int, help="end this sitting after so many updates")
    parser.add_argument("--every", type=int, default=100, help="updates between checkpoints")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verify", type=Path, help="repeat the first losses of this record")
    for field in fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=type(field.default), default=field.default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = Settings(**{f.name: getattr(options, f.name) for f in fields(Settings)})
    rows = blocks(options.work, 1024, settings.seed)
    chats = packed_chats(options.work, settings.seed)
    if options.verify:
        options.run = options.run.with_name("verify")
        (options.run / "checkpoint.safetensors").unlink(missing_ok=True)
    options.run.mkdir(parents=True, exist_ok=True)
    if options.verify:
        verify(options.verify, rows, chats, options.run)
    print(f"{len(rows):,} rows of text, {len(chats):,} of chats; {settings}", flush=True)
    stop = options.stop or settings.updates
    train(settings, rows, chats, options.run, stop, options.every, options.device)


if __name__ == "__main__":
    main()
