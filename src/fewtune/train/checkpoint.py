"""Checkpoints: everything a training needs to go on as if it had never stopped; no pickle.

A checkpoint is a folder with two files, written beside the old one and renamed over it, so there
is always one whole checkpoint. Random state is not kept, because it is a function of the seed and
the update (see the loop).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewtune.errors import RunError

__all__ = ["Checkpoint", "load", "save"]

TENSORS = "state.safetensors"
FACTS = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after some update.

    Attributes
    ----------
    weights
        Trainable parameters by name.
    best
        Trainable parameters of the best evaluation so far; empty before the first.
    optimizer
        Tensors of the optimizer's state, by ``number of the parameter/name``.
    facts
        Plain values: update, best evaluation, monitors' state, offset of the journal…
    """

    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    facts: dict[str, Any]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as flat tensors: those in use, not copies."""
    return {
        f"{number}/{name}": value.detach()
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put flat tensors back into an optimizer over the same parameters."""
    whole = optimizer.state_dict()
    whole["state"] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        whole["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(whole)


def restore_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy ``weights`` into the parameters of ``model`` that bear their names."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint to ``folder``, replacing the one that is there at the very end."""
    from safetensors.torch import save_file

    fresh = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    parts = {"weights": checkpoint.weights, "best": checkpoint.best, "opt": checkpoint.optimizer}
    flat = {
        f"{part}:{name}": value.detach().cpu().contiguous()
        for part, tensors in parts.items()
        for name, value in tensors.items()
    }
    save_file(flat, fresh / TENSORS)
    (fresh / FACTS).write_text(json.dumps(checkpoint.facts), encoding="utf-8")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in ``folder``, or ``None`` where there is none.

    A kill between the two renames of ``save`` leaves the old checkpoint beside: it is found.

    Raises
    ------
    RunError
        If the checkpoint is there and cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not folder.exists():
        folder = folder.with_name(folder.name + ".old")
        if not folder.exists():
            return None
    try:
        flat = load_file(folder / TENSORS)
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            "a whole checkpoint",
            str(error).split("\n", 1)[0],
            str(folder),
            "Remove that folder to train this part again",
        ) from error
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "opt": {}}
    for key, value in flat.items():
        part, _, name = key.partition(":")
        parts[part][name] = value
    return Checkpoint(parts["weights"], parts["best"], parts["opt"], facts)
