"""Run folders: made empty, written whole or not at all, opened only where there is a run."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from fewtune.errors import RunError
from fewtune.store.runs import RunFolder


def test_a_new_folder_is_made_and_an_empty_one_taken(tmp_path):
    assert RunFolder.create(tmp_path / "a" / "b").path.is_dir()
    (tmp_path / "empty").mkdir()
    assert list(RunFolder.create(tmp_path / "empty").path.iterdir()) == []


@pytest.mark.parametrize("name", ["plan.yaml", "notes.txt", ".hidden"])
def test_a_folder_that_holds_something_is_not_touched(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match="an earlier run" if name == "plan.yaml" else name):
        RunFolder.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_json("a.json", {"value": 1})

    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        folder.write_json("a.json", {"value": 2})
    assert folder.read_json("a.json") == {"value": 1}


def test_lines_and_text_beyond_ascii(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_lines("p.jsonl", [{"a": "ä€"}, {"a": 2}])
    assert (folder.path / "p.jsonl").read_text("utf-8") == '{"a": "ä€"}\n{"a": 2}\n'
    folder.write_json("x.json", "Grüße")
    assert folder.read_json("x.json") == "Grüße"


def test_what_json_has_no_number_for_is_null(tmp_path):
    """Wherever it stands; a reader other than Python refuses a file with NaN in it."""
    folder = RunFolder.create(tmp_path / "run")
    record = {"a": [math.nan, 1.5, (-math.inf,)], "b": {"c": np.float64("nan")}, "n": 2}
    folder.write_json("x.json", record)
    assert folder.read_json("x.json") == {"a": [None, 1.5, [None]], "b": {"c": None}, "n": 2}
    folder.write_lines("p.jsonl", [record, {"loss": math.nan}])
    lines = (folder.path / "p.jsonl").read_text("utf-8")
    assert lines.endswith('"n": 2}\n{"loss": null}\n')
    assert "NaN" not in lines
    # Files of before hold it.
    folder.write_text("x.json", '{"low": NaN}')
    assert math.isnan(folder.read_json("x.json")["low"])


def test_a_folder_takes_its_place_only_when_filled(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    with folder.fresh("model") as fresh:
        (fresh / "old").write_text("1")
        fresh.joinpath("old").chmod(0o600)
        assert not folder.model.exists()
    assert (folder.model / "old").exists()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder.model / "old").stat().st_mode) == 0o666 & ~mask
    with pytest.raises(ValueError, match="no"), folder.fresh("model") as fresh:
        (fresh / "new").write_text("2")
        raise ValueError("no")
    assert [p.name for p in folder.model.iterdir()] == ["old"]
    with folder.fresh("model") as fresh:
        (fresh / "new").write_text("2")
    assert [p.name for p in folder.model.iterdir()] == ["new"]
    assert sorted(p.name for p in folder.path.iterdir()) == ["model"]


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(RunError, match="no such folder"):
        RunFolder.open(tmp_path / "gone")
    with pytest.raises(RunError, match="a run folder"):
        RunFolder.open(tmp_path)
    (tmp_path / "plan.yaml").write_text("")
    folder = RunFolder.open(tmp_path)
    assert not folder.finished
    with pytest.raises(RunError, match="--resume"):
        folder.read_json("scores.json")
    (tmp_path / "scores.json").write_text("{broken")
    with pytest.raises(RunError, match="whole file"):
        folder.read_json("scores.json")
    assert folder.finished


def test_discarding_keeps_what_a_training_left(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_text("plan.yaml", "")
    (folder.path / "model.tmp").mkdir()
    (folder.path / "checkpoints" / "full").mkdir(parents=True)
    folder.discard()
    assert (folder.path / "plan.yaml").exists()
    (folder.path / "checkpoints" / "full").rmdir()
    # What was drawn before any training is drawn again at once.
    folder.write_text("checkpoints/base-samples-1.json", "[]")
    folder.discard()
    assert not folder.path.exists()


def test_discarding_takes_nothing_that_the_run_did_not_write(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_text("plan.yaml", "")
    (folder.path / "journal.jsonl.tmp").touch()
    (folder.path / "notes.txt").write_text("mine, put there meanwhile")
    (folder.path / "pictures").mkdir()
    folder.discard()
    assert sorted(p.name for p in folder.path.iterdir()) == ["notes.txt", "pictures"]


def test_discarding_a_folder_that_cannot_go(tmp_path, monkeypatch):
    """The working folder has no name to be removed by; neither has a mount point."""
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(Path("."))
    folder.write_text("plan.yaml", "")
    folder.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_not_discarded(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write_json("scores.json", {})
    folder.discard()
    assert folder.finished
