"""``fewtune fit`` in two CPU processes: one run folder, one report, the weights of one process."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from forked import Process, ended, join
from safetensors.torch import load_file

SETTINGS = (
    "training.updates=12", "training.evaluations=4", "training.batch_size=3",
    "training.learning_rate=0.01", "training.checkpoint_seconds=0", "select.samples=2",
    "select.dial=[1.0]", "task.dropout=0.0",
)  # fmt: skip


def started(count: int, folder: Path, *words: object) -> list[Process]:
    """Start the command line in ``count`` processes."""

    def command(rank: int) -> None:
        from fewtune.cli.main import main

        main([str(word) for word in words])

    return join(count, folder, command)


def fit(data: Path, model: Path, run: Path, *more: str) -> tuple[object, ...]:
    """Return the words of a fit of all weights."""
    words = ["fit", data, "--model", model, "-o", run, "--json", *more]
    return (*words, *(w for s in SETTINGS for w in ("--set", s)))


def near(one: Path, other: Path) -> None:
    """See that two runs kept the same weights, up to the order of sums."""
    first, second = (load_file(run / "model" / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.allclose(second[name], atol=5e-5), name


def steps(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "step"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory, causal_lm, data_folder):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    run = folder / "run"
    words = fit(data_folder / "prompts.jsonl", causal_lm, run)
    ((code, _, err),) = ended(started(1, folder, *words))
    assert code in (0, 1), err
    return run


def test_two_processes_leave_one_run_with_the_weights_of_one(
    alone, causal_lm, data_folder, tmp_path
):
    run = tmp_path / "run"
    first, second = ended(started(2, tmp_path, *fit(data_folder / "prompts.jsonl", causal_lm, run)))
    assert first[0] in (0, 1), first[2]
    assert second[0] == 0, second[2]
    assert json.loads(first[1])["run"] == str(run)
    assert second[1] == ""
    near(alone, run)
    assert [s["update"] for s in steps(run)] == [s["update"] for s in steps(alone)]
    losses = [s["values"]["loss"] for s in steps(alone)]
    assert [s["values"]["loss"] for s in steps(run)] == pytest.approx(losses, rel=1e-3)
    assert sorted(p.name for p in run.iterdir()) == sorted(p.name for p in alone.iterdir())


def test_both_killed_and_resumed(alone, causal_lm, data_folder, tmp_path):
    run, data = tmp_path / "run", data_folder / "prompts.jsonl"
    running, begun = started(2, tmp_path, *fit(data, causal_lm, run)), time.monotonic()
    while not ((run / "journal.jsonl").exists() and len(steps(run)) > 4):
        assert time.monotonic() - begun < 120, "the fit did not come that far"
        time.sleep(0.005)
    for process in running:
        os.kill(process.number, signal.SIGKILL)
    ended(running)
    assert not (run / "scores.json").exists()
    words = ("fit", data, "--model", causal_lm, "-o", run, "--json", "--resume")
    first, second = ended(started(2, tmp_path, *words))
    assert first[0] in (0, 1), first[2]
    assert second[0] == 0, second[2]
    near(alone, run)
    assert [s["update"] for s in steps(run)] == [s["update"] for s in steps(alone)]


def test_what_is_wrong_is_told_once_and_by_both_exit_codes(causal_lm, data_folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine.txt").write_text("kept")
    first, second = ended(started(2, tmp_path, *fit(data_folder / "prompts.jsonl", causal_lm, run)))
    assert (first[0], second[0]) == (2, 2), first[2] + second[2]
    assert "Expected an empty or new folder for the run" in first[2]
    assert "fewtune:" not in second[2]
    assert "Traceback" not in first[2] + second[2]
    assert (run / "mine.txt").read_text() == "kept"


def test_control_c_at_one_process_stops_both_after_the_same_update(
    alone, causal_lm, data_folder, tmp_path
):
    run, data = tmp_path / "run", data_folder / "prompts.jsonl"
    running, begun = started(2, tmp_path, *fit(data, causal_lm, run)), time.monotonic()
    while not ((run / "journal.jsonl").exists() and len(steps(run)) > 3):
        assert time.monotonic() - begun < 120, "the fit did not come that far"
        time.sleep(0.002)
    os.kill(running[1].number, signal.SIGINT)
    first, second = ended(running)
    assert (first[0], second[0]) == (130, 130), first[2] + second[2]
    assert first[2].count("interrupted; its run is in") == 1
    assert "fewtune:" not in second[2]
    kept = json.loads((run / "checkpoints" / "full" / "state.json").read_text())
    assert kept["update"] == steps(run)[-1]["update"]
    words = ("fit", data, "--model", causal_lm, "-o", run, "--json", "--resume")
    assert ended(started(2, tmp_path, *words))[0][0] in (0, 1)
    near(alone, run)
