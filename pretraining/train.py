"""The main run: one pass over shuffled text, resumable at any update.

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

from pretraining.corpus import blocks
from pretraining.model import Block, Llama, Shape
from pretraining.optimizer import Optimizer


@dataclass(frozen=True)
class Settings:
    """Everything that the result depends on, beside the tokens."""

    seed: int = 1
    width: int = 256
    depth: int = 6
    heads: int = 4
    kv_heads: int = 2
    inner: int = 640
    vocab: int = 6144
    updates: int = 3100
    rows: int = 8  # rows of 1,024 tokens per update
    matrix_rate: float = 0.008
    other_rate: float = 0.006
    warmup: int = 100
    decay_from: int = 1500  # the rate falls linearly to zero from here to the end
    length_512_from: int = 1000  # sequences are 256 tokens before, then 512, then 1,024
    length_1024_from: int = 2960

    def shape(self) -> Shape:
        """Return the model's sizes."""
        names = {field.name for field in fields(Shape)}
        return Shape(**{k: v for k, v in asdict(self).items() if k in names})

    def scale(self, update: int) -> float:
        """Return the share of the peak rate for ``update`` (from 0)."""
        if update < self.warmup:
            return (update + 1) / self.warmup
        return min(1.0, (self.updates - update) / max(1, self.updates - self.decay_from))

    def length(self, update: int) -> int:
        """Return the sequence length for ``update``."""
        if update >= self.length_1024_from:
            return 1024
        return 512 if update >= self.length_512_from else 256


def splits(shape: Shape) -> dict[str, list[int]]:
    """Return which matrices are stacked in which weight, by rows."""
    kv = shape.kv_heads * shape.head
    return {"qkv": [shape.width, kv, kv], "gate_up": [shape.inner, shape.inner]}


def batch(
    rows: np.ndarray, settings: Settings, update: int, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of ``update``, each ``[sequences, length]``."""
    start = update * settings.rows % max(1, len(rows) - settings.rows)
    part = torch.from_numpy(rows[start : start + settings.rows].astype(np.int64)).to(device)
    length = settings.length(update)
    return (
        part[:, :-1].reshape(-1, length).contiguous(),
        part[:, 1:].reshape(-1, length).contiguous(),
    )


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
    settings: Settings, rows: np.ndarray, run: Path, stop: int, every: int, device: str = "cpu"
) -> list[float]:
    """Run updates until ``stop``; return the losses of this sitting in nats per token."""
    Llama.run_block = staticmethod(torch.compile(Block.__call__, dynamic=False))
    model, optimizer = build(settings, device)
    done = resume(run, optimizer)
    losses = []
    began = time.perf_counter()
    with (run / "curve.jsonl").open("a") as curve:
        for update in range(done, stop):
            ids, targets = batch(rows, settings, update, device)
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


def verify(record: Path, rows: np.ndarray, run: Path) -> None:
    """Repeat the recorded first losses; exit with 1 if one differs by more than 0.02 nats."""
    recorded = json.loads(record.read_text())
    settings = Settings(**recorded["settings"])
    wanted = recorded["first_losses"]
    losses = train(settings, rows, run, len(wanted), len(wanted) + 1)
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
    if options.verify:
        options.run = options.run.with_name("verify")
        (options.run / "checkpoint.safetensors").unlink(missing_ok=True)
    options.run.mkdir(parents=True, exist_ok=True)
    if options.verify:
        verify(options.verify, rows, options.run)
    print(f"{rows.shape[0]:,} rows of 1,024 tokens; {settings}", flush=True)
    train(
        settings, rows, options.run, options.stop or settings.updates, options.every, options.device
    )


if __name__ == "__main__":
    main()
