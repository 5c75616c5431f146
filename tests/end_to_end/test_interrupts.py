"""Killed or interrupted at any update and resumed, a run ends with the same bits."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import Process, ended, fork

UPDATES = 24


def arguments(data: Path, model: Path, run: Path, resume: bool = False) -> list[str]:
    method, control = ("lora", "majority") if data.suffix == ".csv" else ("full", "base")
    sets = (
        f"method.name={method}", f"training.updates={UPDATES}", "training.evaluations=8",
        "training.checkpoint_seconds=0", "select.rungs=[]", "select.samples=2",
        "task.dropout=0.1",
        f"controls=[{control}]",
    )  # fmt: skip
    words = ["fit", str(data), "--model", str(model), "-o", str(run), "--json"]
    return [*words, "--resume"] if resume else [*words, *(w for s in sets for w in ("--set", s))]


def start(words: list[str], said: Path) -> Process:
    """Start the command line in a process of its own; what it says goes to ``said``."""

    def command() -> None:
        from fewtune.cli.main import main

        main(words)

    return fork(command, said, said)


def reached(run: Path, update: int, seconds: float = 100) -> None:
    """Wait until the journal of a run tells of an update."""
    journal, begun = run / "journal.jsonl", time.monotonic()
    wanted = f'"update": {update},'
    while not (journal.exists() and wanted in journal.read_text()):
        assert time.monotonic() - begun < seconds, "the fit did not come that far"
        time.sleep(0.001)


def finish(words: list[str], said: Path) -> None:
    ((code, _, _),) = ended([start(words, said)])
    assert code in (0, 1), said.read_text()
    assert "Traceback" not in said.read_text()


def bits(run: Path) -> dict[str, str]:
    """Return the hash of every file of the finished model, and of the scores but their times."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (run / "model").iterdir()
    }
    scores = json.loads((run / "scores.json").read_text())
    for key in ("seconds", "stages", "memory", "time"):
        scores.pop(key)
    return found | {"scores": json.dumps(scores, sort_keys=True)}


def told(run: Path) -> list[dict[str, object]]:
    """Return the updates that the journal tells, less what took how long."""
    journal = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return [{**e, "seconds": 0} for e in journal if e["kind"] in ("step", "evaluation")]


@pytest.fixture(scope="module", params=["labelled.csv", "prompts.jsonl"])
def undisturbed(request, tmp_path_factory, encoder, causal_lm, data_folder):
    """Data, model, and the bits and the journal of a run that nothing interrupted."""
    data = data_folder / request.param
    model = encoder if request.param == "labelled.csv" else causal_lm
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(arguments(data, model, folder / "run"), folder / "said")
    journal = told(folder / "run")
    assert max(e["update"] for e in journal if e["kind"] == "step") > 12
    return data, model, bits(folder / "run"), journal


def test_killed_at_random_updates(undisturbed, tmp_path):
    data, model, whole, journal = undisturbed
    run, said = tmp_path / "run", tmp_path / "said"
    seed = int(os.environ.get("FEWTUNE_KILL_SEED", time.time_ns() % 10_000))
    at = sorted(random.Random(seed).sample(range(1, 12), 2))
    for number, update in enumerate(at):
        child = start(arguments(data, model, run, resume=number > 0), said)
        reached(run, update)
        os.kill(child.number, signal.SIGKILL)
        assert ended([child])[0][0] == -signal.SIGKILL, said.read_text()
        assert not (run / "scores.json").exists()
    finish(arguments(data, model, run, resume=True), said)
    reason = f"killed at updates {at} (FEWTUNE_KILL_SEED={seed})"
    assert bits(run) == whole, reason
    assert told(run) == journal, reason
    assert not (run / "checkpoints").exists()


def test_killed_in_the_middle_of_a_checkpoint(undisturbed, tmp_path):
    """Between the two renames of a checkpoint only the old one stands, under another name."""
    data, model, whole, journal = undisturbed
    run, said = tmp_path / "run", tmp_path / "said"
    child = start(arguments(data, model, run), said)
    reached(run, 5)
    os.kill(child.number, signal.SIGKILL)
    ended([child])
    (kept,) = [p for p in (run / "checkpoints").iterdir() if p.suffix == ""]
    old = kept.with_name(kept.name + ".old")
    if old.exists():
        import shutil

        shutil.rmtree(old)
    kept.rename(old)
    kept.with_name(kept.name + ".tmp").mkdir(exist_ok=True)
    finish(arguments(data, model, run, resume=True), said)
    assert bits(run) == whole
    assert told(run) == journal


def test_other_data_or_another_model_is_not_gone_on_with(
    undisturbed, tmp_path, fewtune, encoder, causal_lm
):
    data, model, _, _ = undisturbed
    run = tmp_path / "run"
    child = start(arguments(data, model, run), tmp_path / "said")
    reached(run, 2)
    os.kill(child.number, signal.SIGKILL)
    ended([child])
    other = tmp_path / data.name
    lines = data.read_text().splitlines()
    other.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    done = fewtune(*arguments(other, model, run, resume=True))
    assert done.code == 2
    assert "the data that the run was begun with" in done.err
    rival = causal_lm if model == encoder else encoder
    done = fewtune(*arguments(data, rival, run, resume=True))
    assert done.code == 2
    # A language model can encode too; an encoder is refused sooner, for what it is.
    words = "the model that the run was begun with" if rival == causal_lm else "a text encoder"
    assert words in done.err


def test_control_c_says_so_and_can_be_resumed(undisturbed, tmp_path):
    """The real program in a real process, as a user interrupts it."""
    data, model, whole, journal = undisturbed
    if data.suffix == ".csv":
        pytest.skip("one kind of data is enough here; a process of its own takes seconds to start")
    run = tmp_path / "my run"
    words = [sys.executable, "-m", "fewtune.cli.main", *arguments(data, model, run)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    reached(run, 7)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith(f"fewtune: interrupted; its run is in '{run}'. Go on with: fewtune fit ")
    assert err.count("\n") == 1
    assert err.rstrip().endswith(" --resume")
    assert not (run / "model").exists()
    kept = json.loads((run / "checkpoints" / "full" / "state.json").read_text())
    assert kept["update"] == told(run)[-1]["update"], "the update under way was not kept"
    # Its settings are those that the run has, so the whole command goes on with it.
    command = shlex.split(err.partition("Go on with: fewtune ")[2])
    assert command == [*arguments(data, model, run), "--resume"]
    finish(command, tmp_path / "said")
    assert bits(run) == whole
    assert told(run) == journal
