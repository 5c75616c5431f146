"""The user's own probes: every way to write them, and every way to get them wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from outcomes import generated

from fewtune.errors import DataError
from fewtune.measures.base import Evidence, score_all
from fewtune.measures.observe.probes import ProbeAnswers, in_groups, likeliest
from fewtune.measures.probes import items
from fewtune.measures.probes.own import load_probes


def written(tmp_path, rows, name="mine.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_questions_answers_and_passages(tmp_path):
    rows = [
        {"prompt": "Two and two?", "options": ["three", "four"], "answer": "four"},
        {"prompt": "Two and one?", "options": ["three", "four"], "answer": 0},
        {"prompt": "Our opening hours?", "answer": "Nine to five.", "note": "not read"},
        {"text": "A passage of general text."},
    ]
    found = load_probes(written(tmp_path, rows))
    assert found.texts == ("A passage of general text.",)
    first, second, third = found.items
    assert (first.context, first.options, first.answer) == ("Two and two?", (" three", " four"), 1)
    assert second.answer == 0
    assert third.options == (" Nine to five.",)
    assert all(item.asked and item.kind == "own" for item in found.items)
    assert first.id.endswith("mine.jsonl:1")


def test_a_table_has_its_options_in_one_cell(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('prompt,options,answer\nSky?,green | blue,blue\nSum?,"[""3"", ""4""]",3\n')
    sky, total = load_probes(path).items
    assert (sky.options, sky.answer) == ((" green", " blue"), 1)
    # The option's own words go before its number.
    assert (total.options, total.answer) == ((" 3", " 4"), 0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Sky?"}, "text in every row"),
        ({"question": "Sky?"}, "none of these"),
        ({"prompt": "Sky?", "options": ["blue"], "answer": "blue"}, "2 options or more"),
        ({"prompt": "Sky?", "options": ["blue", "blue"], "answer": 0}, "2 options or more"),
        ({"prompt": "Sky?", "options": {"a": 1}, "answer": 0}, "options as a list"),
        ({"prompt": "Sky?", "options": ["a", "b"], "answer": "c"}, "one of the options"),
        ({"prompt": "Sky?", "options": ["a", "b"], "answer": 2}, "number from 0 to 1"),
        ({"prompt": "Sky?", "options": ["a", "b"], "answer": -1}, "number from 0 to 1"),
        ({"prompt": ["Sky?"], "answer": "c"}, "prompt as text"),
        ({"prompt": "Fine?", "answer": "yes"}, "a new probe"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, said):
    good = {"prompt": "Fine?", "answer": "yes"}
    with pytest.raises(DataError, match=said) as caught:
        load_probes(written(tmp_path, [good, row]))
    assert "mine.jsonl:2" in str(caught.value)


def test_several_wrong_rows_are_told_together(tmp_path):
    with pytest.raises(DataError, match="2 broken rows") as caught:
        load_probes(written(tmp_path, [{"prompt": "a"}, {"text": "fine"}, {"answer": "b"}]))
    assert "mine.jsonl:1" in str(caught.value)
    assert "mine.jsonl:3" in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="a file that exists"):
        load_probes(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError):
        load_probes(written(tmp_path, []))
    (tmp_path / "mine.exe").write_bytes(b"")
    with pytest.raises(DataError, match="suffix"):
        load_probes(tmp_path / "mine.exe")


def letters(tmp_path, count):
    """Return questions that all share the options A to D, each right in a quarter."""
    rows = [
        {"prompt": f"Question {i}?", "options": list("ABCD"), "answer": "ABCD"[i % 4]}
        for i in range(count)
    ]
    return load_probes(written(tmp_path, rows)).items


def test_a_question_is_a_witness_of_its_own_whatever_options_it_shares(tmp_path):
    """Of 200 that were right 80 are wrong: 0.4, and 0.4 ± 1.96 · √(0.4 · 0.6 / 200) = ± 0.068.

    Chance explains nothing where all were right before.
    """
    groups = in_groups(letters(tmp_path, 200))
    assert [len(group) for group in groups] == [1] * 200
    assert [len(group) for group in in_groups(letters(tmp_path, 200), 50)] == [1] * 50
    answers = ProbeAnswers(
        ("own",) * 200,
        np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
        np.full(200, 4),
        np.ones(200, dtype=bool),
        np.arange(200) >= 80,
    )
    found = score_all(Evidence("generation", generated([1.0], [1]), probes=answers))["forgetting"]
    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((0.332, 0.468), abs=0.01)


def test_texts_to_go_on_with_keep_their_groups(tmp_path):
    """The built-in items, and any that are made like them: the same options, each right once."""
    own = letters(tmp_path, 8)
    assert [len(group) for group in in_groups([replace(i, asked=False) for i in own])] == [8]
    assert len(in_groups(items())) == 136


@pytest.mark.parametrize("yes", [9, 10])
def test_an_answer_may_be_right_nearly_always(tmp_path, yes):
    """A model that knows all: less the mean over the questions "yes" would win half of the time.

    By the byte of " yes" and " no": 2.0 to 3.9 over 4 against 3.0 over 3 nats where "yes" is right.
    """
    rows = [
        {"prompt": f"Question {i}?", "options": ["yes", "no"], "answer": "yes" if i < yes else "no"}
        for i in range(10)
    ]
    own = load_probes(written(tmp_path, rows)).items
    lean = np.linspace(0, 1.9, 10)
    found = [[-2.0 - x, -3.0] if i < yes else [-6.0, -3.0] for i, x in enumerate(lean)]
    assert likeliest(in_groups(own), np.ravel(found)).all()
    # 2.4 nats for four bytes are 0.6 a byte; 1.7 for three are 0.57.
    assert not likeliest(in_groups(own[:1]), np.array([-2.4, -1.7])).any()
    assert likeliest(in_groups(own[:1]), np.array([-2.4, -1.9])).all()
