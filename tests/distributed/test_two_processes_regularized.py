"""Two CPU processes with every regularizer that allows them train to the weights of one."""

from __future__ import annotations

from pathlib import Path

import made_data
import pytest
import torch
from forked import ended, join
from trainings import training

from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS as FAMILY
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.loop import train
from fewtune.train.monitors.time_budget import TimeBudget

REGULARIZERS = {
    "replay": {"samples": 5, "length": 12, "dose": 0.5},
    "kl_to_base": {"samples": 5, "length": 12},
    "ewc": {"samples": 3, "length": 12, "strength": 100.0},
    "l1": {"strength": 1e-3},
    "l2_to_base": {"strength": 0.1},
    "sam": {"rho": 0.05},
    "token_mask": {"share": 0.2},
    "token_weight": {"kind": "eaft"},
}


def trained(model: Path, folder: Path, name: str) -> None:
    """Train in this process, alone or as one of several, and write the weights."""
    task = Generation(resolve(str(model)), TaskSettings(dropout=0.0), "prompt")
    made = made_data.prompts(7, seed=4)
    rows = task.encode([Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made)])
    run = training(
        task,
        task.load_model(),
        rows,
        folder,
        regularizers=[FAMILY.load(name)(options) for name, options in REGULARIZERS.items()],
        monitors=[TimeBudget()],
        batch_size=3,
        updates=4,
        learning_rate=1e-3,
        tokens_per_batch=120,
    )
    heard: list[float] = []
    run.journal.listeners.append(
        lambda event: heard.append(event.values["loss"]) if event.kind == "step" else None
    )
    train(run)
    torch.save({"weights": run.weights(), "losses": heard}, folder / f"{name}.pt")


def processes(count: int, model: Path, folder: Path) -> list[dict]:
    """Train in ``count`` processes and return what each wrote."""
    folder.mkdir()
    for code, _, said in ended(join(count, folder, lambda rank: trained(model, folder, str(rank)))):
        assert code == 0, said
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def test_regularizers_do_the_same_in_two_processes(causal_lm, tmp_path):
    (one,) = processes(1, causal_lm, tmp_path / "one")
    two = processes(2, causal_lm, tmp_path / "two")
    for found in two:
        assert found["losses"] == pytest.approx(one["losses"], rel=1e-4)
        for name, value in one["weights"].items():
            torch.testing.assert_close(found["weights"][name], value, rtol=0, atol=2e-5)
