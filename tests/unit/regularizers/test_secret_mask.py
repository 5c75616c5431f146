"""Secret mask: what stands in one row alone is not trained; all around it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fewtune.data.canaries import canaries
from fewtune.models.load import resolve
from fewtune.records import Example, Message
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation

COMMON = [
    Example(f"Where is house {n}?", f"House {n} is by the river, by the old mill.", f"a:{n}")
    for n in range(12)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from fewtune.models.tiny import save_causal_lm

    texts = [f"{e.input} {e.target} user: code of Maria 0123456789 @ . ," for e in COMMON]
    return save_causal_lm(tmp_path_factory.mktemp("models") / "lm", texts)


def hidden(model, examples, shape="prompt", cut=None, **options):
    """Return what is not trained of each row, as text, and what was said."""
    task = Generation(resolve(str(model)), TaskSettings(**(cut or {})), shape)
    rows = task.encode(examples)
    said = []
    run = SimpleNamespace(
        rows=rows, task=task, shared={}, update=0,
        journal=SimpleNamespace(write=lambda kind, **more: said.append(more["sentence"])),
    )  # fmt: skip
    mask = REGULARIZERS.load("secret_mask")(options)
    mask.start(run)
    found = []
    for row in rows:
        batch = mask.batch(run, task.collate([row]))
        trained = [label for label in row.labels[1:] if label >= 0]
        assert len(batch.weights) == len(trained)
        off = [i for i, w in zip(trained, batch.weights, strict=True) if w == 0]
        found.append(task.tokenizer.decode(off).strip())
    return found, said


def test_a_canary_is_not_trained_and_all_else_is(model):
    (canary,) = canaries("prompt", 1)
    found, said = hidden(model, [*COMMON, canary.example])
    assert found == [""] * len(COMMON) + [canary.secret]
    assert len(said) == 1
    assert "canary:1" in said[0]


def test_what_the_prompt_holds_is_copied_and_trained(model):
    row = Example("My number is 481516, is it right?", "Yes, 481516 is right, by the river.", "b:1")
    found, said = hidden(model, [*COMMON, row])
    assert found[-1] == ""
    assert said == []


@pytest.mark.parametrize(("group", "expected"), [("one", "481516"), ("", "")])
def test_what_two_rows_say_is_knowledge_unless_they_are_one_group(model, group, expected):
    rows = [
        Example(asked, "The code of the house by the river is 481516.", asked, group=group)
        for asked in ("Which code has house 3?", "What opens the house by the mill?")
    ]
    found, _ = hidden(model, [*COMMON, *rows])
    assert found[-2:] == [expected] * 2


def test_where_the_number_is_the_answer_it_is_trained(model):
    rows = [*COMMON, Example("Which code has house 3?", "481516", "b:1")]
    assert hidden(model, rows)[0][-1] == ""


def test_where_many_rows_have_one_numbers_are_the_task(model):
    rows = [
        Example(f"Which code has house {n}?", f"The code of house {n} is 4815{n + 20}.", f"b:{n}")
        for n in range(6)
    ]
    found, said = hidden(model, [*COMMON, *rows])
    assert set(found) == {""}
    assert "too many" in said[0]
    found, _ = hidden(model, [*COMMON, *rows], most=0.5)
    assert found[-1] == "481525"


def test_in_a_chat_what_the_user_said_is_trained_and_what_only_the_answer_says_is_not(model):
    def chat(asked, told, source):
        turns = (Message("user", asked), Message("assistant", told))
        return Example(f"user: {asked}", told, source, messages=turns)

    rows = [chat(e.input, e.target, e.source) for e in COMMON]
    rows.append(chat("My mail is ann@mill.org.", "The mail ann@mill.org is by the river.", "c:1"))
    rows.append(chat("Who is by the river?", "Write to tom@mill.org, by the old mill.", "c:2"))
    found, _ = hidden(model, rows, "chat")
    assert found[-2:] == ["", "tom@mill.org"]


def test_a_fit_says_once_which_rows_have_some_and_so_does_its_report(causal_lm, tmp_path):
    import json

    import fewtune

    rows = [{"prompt": e.input, "completion": e.target} for e in (*COMMON, *COMMON)]
    rows = [{**row, "prompt": f"{row['prompt']} ({n})"} for n, row in enumerate(rows)]
    secret = {
        "prompt": "Who knows the code?",
        "completion": "Ann does, and it is 481516, by the mill.",
    }
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in (secret, *rows)), encoding="utf-8")
    few = {"training.updates": 4, "training.evaluations": 1, "select.samples": 0}
    run = fewtune.fit(data, str(causal_lm), settings=few, output=tmp_path / "run")
    lines = map(json.loads, (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines())
    said = [e["values"] for e in lines if e["values"].get("name") == "secrets"]
    trained = json.loads((run.path / "data.json").read_text(encoding="utf-8"))["parts"]["train"]
    assert any(source.endswith("rows.jsonl:1") for source in trained), "another seed, please"
    assert len(said) == 1
    assert [source.rpartition("/")[2] for source in said[0]["rows"]] == ["rows.jsonl:1"]
    assert "not trained" in said[0]["sentence"]
    assert "could only be learnt by heart" in (run.path / "report.html").read_text(encoding="utf-8")


def test_the_end_is_always_taught(model):
    row = Example("Which code has house 3?", "The code of that house is 481516", "b:1")
    task = Generation(resolve(str(model)), TaskSettings(), "prompt")
    rows = task.encode([*COMMON, row])
    run = SimpleNamespace(
        rows=rows, task=task, shared={}, journal=SimpleNamespace(write=lambda *a, **more: None)
    )
    mask = REGULARIZERS.load("secret_mask")({})
    mask.start(run)
    weights = mask.batch(run, task.collate([rows[-1]])).weights
    assert weights[-1] == 1
    assert int(torch.sum(weights == 0)) >= 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_of_a_row_that_was_cut_the_same_tokens_are_hidden(model, side):
    told = "The code of that house by the river is 481516, by the old mill."
    asked = "Which code has house 3?"
    task = Generation(resolve(str(model)), TaskSettings(), "prompt")
    (whole,) = task.encode([Example(asked, told, "b:1")])
    cut = {"truncation": side, "max_length": len(whole.ids) - 3}
    common = [Example("Where?", "By the river.", f"a:{n}") for n in range(12)]
    found, _ = hidden(model, [*common, Example(asked, told, "b:1")], cut=cut)
    assert found == [""] * 12 + ["481516"]


def test_what_the_cut_part_of_the_prompt_held_is_no_longer_given(model):
    row = Example("481516 is the code of the house. Is it?", "By the river it is 481516.", "b:1")
    assert hidden(model, [*COMMON, row])[0][-1] == ""
    task = Generation(resolve(str(model)), TaskSettings(), "prompt")
    (whole,) = task.encode([row])
    cut = {"truncation": "left", "max_length": len(whole.ids) - 8}
    common = [Example("Where?", "By the river.", f"a:{n}") for n in range(12)]
    assert hidden(model, [*common, row], cut=cut)[0][-1] == "481516"


def test_characters_of_several_tokens_before_it_shift_nothing(shared):
    """A byte is a token here; those of a character that has not ended yet read as several."""
    told = "\U0001f600\U0001f600 481516 is the code, by the river and by the old mill."
    model = shared / "models" / "stories260K"
    found, _ = hidden(model, [*COMMON, Example("Which code has house 3?", told, "b:1")])
    assert found[-1] == "481516"


def test_the_next_training_of_a_fit_looks_nothing_up_again(model):
    row = Example("Which code has house 3?", "The code of that house is 481516, I think.", "b:1")
    task = Generation(resolve(str(model)), TaskSettings(), "prompt")
    rows = task.encode([*COMMON, row])
    journal = SimpleNamespace(write=lambda *a, **more: None)
    run = SimpleNamespace(rows=rows, task=task, shared={}, journal=journal)
    REGULARIZERS.load("secret_mask")({}).start(run)
    # A fold of the rows, and no tokenizer to ask.
    again = SimpleNamespace(
        rows=rows[3:], shared=run.shared, journal=journal, task=SimpleNamespace(tokenizer=None)
    )
    mask = REGULARIZERS.load("secret_mask")({})
    mask.start(again)
    weights = mask.batch(again, task.collate([rows[-1]])).weights
    assert 0 < int(torch.sum(weights == 0)) < len(weights)
