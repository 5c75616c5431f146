"""The user's own probes: every way to write them, and every way to get them wrong."""

from __future__ import annotations

import json

import pytest

from fewtune.errors import DataError
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
