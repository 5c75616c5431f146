"""Two CPU processes, joined by gloo, train to the weights of one."""

from __future__ import annotations

from pathlib import Path

import made_data
import pytest
import torch
from forked import ended, join
from trainings import training

from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.loop import train
from fewtune.train.monitors.nonfinite import Nonfinite


def trained(model: Path, method: str, out: Path, name: str) -> None:
    """Train in this process, alone or as one of several, and write the weights."""
    task = Generation(resolve(str(model)), TaskSettings(dropout=0.0), "prompt")
    # 7 rows in updates of 3: shares of 2 and 1, and a last update of one row for two processes.
    made = made_data.prompts(7, seed=4)
    rows = task.encode(
        [Example(a, b * (1 + i % 3), f"made:{i}", weight=1 + i % 2) for i, (a, b) in
         enumerate(made)]
    )  # fmt: skip
    heard: list[float] = []
    run = training(
        task, task.load_model(), rows, out / name, method=method, batch_size=3, updates=7,
        learning_rate=1e-3, tokens_per_batch=60, monitors=[Nonfinite()], checkpoint_seconds=0,
    )  # fmt: skip
    run.journal.listeners.append(
        lambda event: heard.append(event.values["loss"]) if event.kind == "step" else None
    )
    train(run)
    weights = {name: p.detach() for name, p in run.model.named_parameters() if p.requires_grad}
    told = {"weights": weights, "losses": heard, "kept": run.folder.exists()}
    torch.save(told, out / f"{name}.pt")


def processes(count: int, model: Path, method: str, folder: Path) -> list[dict]:
    """Train in ``count`` processes and return what each wrote."""
    folder.mkdir()
    running = join(count, folder, lambda rank: trained(model, method, folder, str(rank)))
    for code, _, said in ended(running):
        assert code == 0, said
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_train_to_the_weights_of_one(causal_lm, tmp_path, method):
    (alone,) = processes(1, causal_lm, method, tmp_path / "one")
    first, second = processes(2, causal_lm, method, tmp_path / "two")
    assert len(alone["losses"]) == 7
    assert first["losses"] == second["losses"], "the processes were told different losses"
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert torch.allclose(first["weights"][name], value, atol=2e-5), name
    assert first["kept"]
    assert not second["kept"], "only the first process writes checkpoints"
