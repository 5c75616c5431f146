"""Checkpoints and the journal: what is written comes back, whenever the writer was killed."""

from __future__ import annotations

import json
import math

import pytest
import torch
from trainings import TwoParameters

from fewtune.errors import RunError
from fewtune.train import checkpoint
from fewtune.train.journal import Journal


def made(value):
    return checkpoint.Checkpoint(
        weights={"a.b": torch.full((2, 3), value), "c": torch.tensor(value)},
        best={"a.b": torch.full((2, 3), -value)},
        optimizer={"0/exp_avg": torch.tensor([value, 2.0]), "0/step": torch.tensor(5.0)},
        facts={"update": int(value), "monitors": {"x": {"window": [1.0]}}},
    )


def same(first, second):
    pairs = ((first.weights, second.weights), (first.best, second.best),
             (first.optimizer, second.optimizer))  # fmt: skip
    return first.facts == second.facts and all(
        one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
        for one, two in pairs
    )


def test_what_was_saved_comes_back(tmp_path):
    assert checkpoint.load(tmp_path / "c") is None
    checkpoint.save(tmp_path / "c", made(1.0))
    assert same(checkpoint.load(tmp_path / "c"), made(1.0))
    checkpoint.save(tmp_path / "c", made(2.0))
    assert same(checkpoint.load(tmp_path / "c"), made(2.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c"]
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == [
        "state.json", "state.safetensors"
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["half written", "old moved away", "new in place"])
def test_a_kill_at_any_step_leaves_one_whole_checkpoint(tmp_path, step):
    folder = tmp_path / "c"
    checkpoint.save(folder, made(1.0))
    checkpoint.save(tmp_path / "other", made(2.0))
    if step == "half written":
        (tmp_path / "c.tmp").mkdir()
        (tmp_path / "c.tmp" / "state.safetensors").write_bytes(b"half")
        expected = made(1.0)
    elif step == "old moved away":
        (tmp_path / "other").rename(tmp_path / "c.tmp")
        folder.rename(tmp_path / "c.old")
        expected = made(1.0)
    else:
        folder.rename(tmp_path / "c.old")
        (tmp_path / "other").rename(folder)
        expected = made(2.0)
    assert same(checkpoint.load(folder), expected)
    checkpoint.save(folder, made(3.0))
    assert same(checkpoint.load(folder), made(3.0))


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_told_and_not_taken(tmp_path, name):
    checkpoint.save(tmp_path / "c", made(1.0))
    (tmp_path / "c" / name).write_bytes(b"{")
    with pytest.raises(RunError, match="a whole checkpoint") as refused:
        checkpoint.load(tmp_path / "c")
    assert refused.value.where == str(tmp_path / "c")


def test_an_optimizer_goes_on_as_if_it_had_never_stopped():
    def stepped(optimizer, model, times):
        for _ in range(times):
            model.w.grad = torch.sin(model.w.detach() + 1)
            optimizer.step()

    model = TwoParameters(0.1, 0.2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    stepped(optimizer, model, 3)
    kept = {name: v.clone() for name, v in checkpoint.optimizer_tensors(optimizer).items()}
    other = TwoParameters(*model.w.tolist())
    fresh = torch.optim.AdamW(other.parameters(), lr=0.1, fused=True)
    checkpoint.restore_optimizer(fresh, kept)
    stepped(optimizer, model, 2)
    stepped(fresh, other, 2)
    assert torch.equal(model.w, other.w)


def lines_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_journal_is_one_event_a_line(tmp_path):
    path, heard = tmp_path / "j.jsonl", []
    journal = Journal(path)
    journal.listeners.append(heard.append)
    journal.write("step", "lora", 1, loss=0.5, name="é")
    journal.write("step", "lora", 2, loss=math.nan, more=[math.inf, {"x": -math.inf}])
    journal.close()
    lines = lines_of(path)
    assert [line["update"] for line in lines] == [1, 2]
    assert lines[0]["values"] == {"loss": 0.5, "name": "é"}
    assert lines[1]["values"] == {"loss": "nan", "more": ["inf", {"x": "-inf"}]}
    assert [event.update for event in heard] == [1, 2]


def test_a_resumed_stage_forgets_its_own_later_updates_and_no_other_stages(tmp_path):
    journal = Journal(tmp_path / "j")
    for stage, update in (("lora", 0), ("lora", 1), ("lora", 2), ("full", 3)):
        journal.write("step", stage, update)
    journal.write("dial", "lora", 1)
    journal.forget("lora", after=1)
    journal.write("step", "lora", 2)
    journal.close()
    told = [(line["kind"], line["stage"], line["update"]) for line in lines_of(tmp_path / "j")]
    assert told == [
        ("step", "lora", 0),
        ("step", "lora", 1),
        ("step", "full", 3),
        ("step", "lora", 2),
    ]


def test_without_a_checkpoint_a_stage_is_forgotten_whole(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.write("evaluation", "lora", 0)
    journal.write("stage", name="train")
    journal.forget("lora", after=-1)
    journal.close()
    assert [line["kind"] for line in lines_of(tmp_path / "j")] == ["stage"]


def test_half_a_line_that_a_kill_left_is_dropped_and_seconds_go_on(tmp_path):
    whole = {"kind": "stage", "stage": "", "update": 0, "seconds": 50.0, "values": {}}
    (tmp_path / "j").write_text(json.dumps(whole) + '\n{"kind": "st', encoding="utf-8")
    journal = Journal(tmp_path / "j")
    assert journal.seconds >= 50
    journal.write("stage")
    journal.close()
    assert [line["kind"] for line in lines_of(tmp_path / "j")] == ["stage", "stage"]
    assert lines_of(tmp_path / "j")[1]["seconds"] >= 50


def test_a_journal_without_a_file_still_tells():
    heard = []
    journal = Journal(None)
    journal.listeners.append(heard.append)
    journal.write("stage", name="check")
    journal.forget("", after=-1)
    journal.close()
    assert [event.kind for event in heard] == ["stage"]
