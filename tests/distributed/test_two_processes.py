"""Two CPU processes, joined by gloo, train to the weights of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve()


def main(model: str, method: str, out: str) -> None:
    """Train in this process, alone or as one of several, and write the weights."""
    sys.path.insert(0, str(HERE.parents[1]))
    import made_data
    from trainings import training

    from fewtune.models.load import resolve
    from fewtune.records import Example
    from fewtune.tasks.base import TaskSettings
    from fewtune.tasks.generation import Generation
    from fewtune.train.loop import train
    from fewtune.train.monitors.nonfinite import Nonfinite

    task = Generation(resolve(model), TaskSettings(dropout=0.0), "prompt")
    # 7 rows in updates of 3: shares of 2 and 1, and a last update of one row for two processes.
    made = made_data.prompts(7, seed=4)
    rows = task.encode(
        [Example(a, b * (1 + i % 3), f"made:{i}", weight=1 + i % 2) for i, (a, b) in
         enumerate(made)]
    )  # fmt: skip
    heard: list[float] = []
    folder = Path(out).with_suffix(f".{os.environ.get('RANK', 'alone')}")
    run = training(
        task, task.load_model(), rows, folder, method=method, batch_size=3, updates=7,
        learning_rate=1e-3, tokens_per_batch=60, monitors=[Nonfinite()], checkpoint_seconds=0,
    )  # fmt: skip
    run.journal.listeners.append(
        lambda event: heard.append(event.values["loss"]) if event.kind == "step" else None
    )
    train(run)
    weights = {name: p.detach() for name, p in run.model.named_parameters() if p.requires_grad}
    torch.save({"weights": weights, "losses": heard, "kept": run.folder.exists()}, out)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def processes(count: int, model: Path, method: str, folder: Path) -> list[dict]:
    """Run this file in ``count`` processes, as ``accelerate launch --cpu`` starts them."""
    port, started = free_port(), []
    for rank in range(count):
        more = {
            "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": 1,
            "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        environment = os.environ | {name: str(value) for name, value in more.items()}
        words = [sys.executable, str(HERE), str(model), method, str(folder / f"{count}-{rank}.pt")]
        started.append(
            subprocess.Popen(
                words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    for process in started:
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
    return [torch.load(folder / f"{count}-{rank}.pt") for rank in range(count)]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_train_to_the_weights_of_one(causal_lm, tmp_path, method):
    main(str(causal_lm), method, str(tmp_path / "alone.pt"))
    alone = torch.load(tmp_path / "alone.pt")
    first, second = processes(2, causal_lm, method, tmp_path)
    assert len(alone["losses"]) == 7
    assert first["losses"] == second["losses"], "the processes were told different losses"
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert torch.allclose(first["weights"][name], value, atol=2e-5), name
    assert first["kept"]
    assert not second["kept"], "only the first process writes checkpoints"


if __name__ == "__main__":
    main(*sys.argv[1:])
