"""Two CPU processes with every regularizer that allows them train to the weights of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve()
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


def main(model: str, out: str) -> None:
    """Train in this process, alone or as one of several, and write the weights."""
    sys.path.insert(0, str(HERE.parents[1]))
    import made_data
    from trainings import training

    from fewtune.models.load import resolve
    from fewtune.records import Example
    from fewtune.regularizers.base import REGULARIZERS as FAMILY
    from fewtune.tasks.base import TaskSettings
    from fewtune.tasks.generation import Generation
    from fewtune.train.loop import train
    from fewtune.train.monitors.time_budget import TimeBudget

    task = Generation(resolve(model), TaskSettings(dropout=0.0), "prompt")
    made = made_data.prompts(7, seed=4)
    rows = task.encode([Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made)])
    run = training(
        task,
        task.load_model(),
        rows,
        Path(out).parent / os.environ.get("WORLD_SIZE", "1"),
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
    torch.save({"weights": run.weights(), "losses": heard}, out)


def started(count: int, model: Path, folder: Path) -> list[dict]:
    """Run this file in ``count`` processes and return what each wrote."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running = []
    for rank in range(count):
        more = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "OMP_NUM_THREADS": 1}
        more |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
        more |= {"ACCELERATE_USE_CPU": "true", "FEWTUNE_DEVICE": "cpu"}
        running.append(
            subprocess.Popen(
                [sys.executable, str(HERE), str(model), str(folder / f"{count}-{rank}.pt")],
                env=os.environ | {name: str(value) for name, value in more.items()},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    for process in running:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return [torch.load(folder / f"{count}-{rank}.pt") for rank in range(count)]


def test_regularizers_do_the_same_in_two_processes(causal_lm, tmp_path):
    (one,) = started(1, causal_lm, tmp_path)
    two = started(2, causal_lm, tmp_path)
    for found in two:
        assert found["losses"] == pytest.approx(one["losses"], rel=1e-4)
        for name, value in one["weights"].items():
            torch.testing.assert_close(found["weights"][name], value, rtol=0, atol=2e-5)


if __name__ == "__main__":
    main(*sys.argv[1:])
