"""Files that could be taken for something else than they are: read as meant, or an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fewtune.data.load import load
from fewtune.errors import DataError


def put(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


TURNS = [{"role": "user", "content": "Hi"}]
ANSWER = [{"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"input": "where is my card", "output": {"topic": "card", "n": 16}}, "'output'. Got an"),
        ({"text": "where is my card", "label": ["a"]}, "'label'. Got a list"),
        ({"text": "where is my card", "labels": ["a", "b"]}, "'labels'. Got a list"),
        ({"question": "where is my card", "answers": ["there"]}, "'answers'. Got a list"),
        ({"prompt": "where is my card", "completion": {"say": "there"}}, "'completion'. Got an"),
    ],
)
def test_a_target_that_is_no_text_is_refused_and_its_row_is_named(
    tmp_path: Path, row: dict[str, object], says: str
) -> None:
    path = put(tmp_path / "a.jsonl", jsonl(row, row))
    with pytest.raises(DataError) as caught:
        load(path)
    assert f"text in the column {says}" in str(caught.value)
    assert str(caught.value).count("a.jsonl:1") == 1


def test_plain_text_beside_a_list_of_labels_is_read_when_it_is_said(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", jsonl({"text": "one", "label": ["a"]}))
    assert load(path, columns={"text": "text"}, shape="text")[0].target == "one"


def test_measured_stars_beside_a_text_are_a_doubt(tmp_path: Path) -> None:
    rows = [{"review": f"it was good {i}", "stars": float(i % 3)} for i in range(9)]
    with pytest.raises(DataError, match=r"one way only.*label=stars"):
        load(put(tmp_path / "a.jsonl", jsonl(*rows)))


def test_a_prompt_and_a_completion_of_turns_are_one_chat(tmp_path: Path) -> None:
    row = {"prompt": TURNS, "completion": ANSWER}
    data = load(put(tmp_path / "a.jsonl", jsonl(row, row)))
    assert data.shape == "chat"
    assert [(turn.role, turn.content) for turn in data[0].messages] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
    ]


@pytest.mark.parametrize(
    ("row", "option"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "prompt=prompt,completion=chosen"),
        ({"chosen": [*TURNS, *ANSWER], "rejected": [*TURNS, *ANSWER]}, "messages=chosen"),
    ],
)
def test_of_preferences_the_chosen_answer_is_proposed_and_can_be_read(
    tmp_path: Path, row: dict[str, object], option: str
) -> None:
    path = put(tmp_path / "a.jsonl", jsonl(row, row))
    with pytest.raises(DataError) as caught:
        load(path)
    assert f"--columns {option}" in str(caught.value)
    given = dict(part.split("=") for part in option.split(","))
    assert load(path, columns=given)[0].target in ("b", "Hello")


@pytest.mark.parametrize(
    "content",
    [
        {"text": ["a", "b"], "label": ["x", "y"]},
        {"0": {"text": "a", "label": "x"}, "1": {"text": "b", "label": "y"}},
        {"columns": ["text", "label"], "data": [["a", "x"], ["b", "y"]]},
    ],
)
def test_tables_by_column_are_told_how_to_be_written(tmp_path: Path, content: object) -> None:
    with pytest.raises(DataError, match=r"a row for each example.*orient=.records"):
        load(put(tmp_path / "a.json", json.dumps(content)))


def test_a_chats_system_prompt_in_a_column_of_its_own_is_not_called_unused(tmp_path: Path) -> None:
    row = {"system": "Be kind", "messages": [*TURNS, *ANSWER], "color": "red"}
    data = load(put(tmp_path / "a.jsonl", jsonl(row)))
    assert data[0].messages[0].content == "Be kind"
    assert "Columns left unused: color." in data.notes


def test_two_stray_quotes_of_a_tsv_lose_no_row(tmp_path: Path) -> None:
    lines = [f"question {i}\tkind {i % 2}" for i in range(8)]
    lines[1] = '"quoted at its beginning\tkind 1'
    lines[6] = 'at its end"\tkind 0'
    data = load(put(tmp_path / "a.tsv", "text\tlabel\n" + "\n".join(lines) + "\n"))
    assert [e.source.rpartition(":")[2] for e in data] == [str(n) for n in range(2, 10)]
    assert data[1].input == '"quoted at its beginning'
    assert any("Quotes were read as characters" in note for note in data.notes)


def test_a_quoted_cell_of_a_tsv_may_hold_lines_or_tabs(tmp_path: Path) -> None:
    data = load(put(tmp_path / "a.tsv", 'text\tlabel\n"two\nlines"\tx\n"a\ttab"\ty\n'))
    assert [e.input for e in data] == ["two\nlines", "a\ttab"]


def test_a_csv_cell_that_holds_rows_is_told_and_paragraphs_are_not(tmp_path: Path) -> None:
    rows = "".join(f"question {i},kind {i % 2}\n" for i in range(6))
    data = load(put(tmp_path / "a.csv", f'text,label\n"open,x\n{rows}close",x\nlast,y\n'))
    assert any("a.csv:2 holds 8 lines that look like rows" in note for note in data.notes)
    letter = "Dear Sir,\n\nI lost my card\nand wait\nfor another\n\nYours, Ann"
    data = load(put(tmp_path / "b.csv", f'text,label\n"{letter}",x\nlast,y\n'))
    assert not any("look like rows" in note for note in data.notes)


def test_a_line_that_names_the_separator_is_passed_over(tmp_path: Path) -> None:
    data = load(put(tmp_path / "a.csv", "sep=;\ntext;label\nwhere, please;x\nwhen;y\n"))
    assert [(e.input, e.source.rpartition(":")[2]) for e in data] == [
        ("where, please", "3"),
        ("when", "4"),
    ]


def test_nan_is_nothing_and_a_number_with_a_point_is_the_same_group(tmp_path: Path) -> None:
    rows = '{"text": "a", "label": NaN, "group": 1.0}\n{"text": NaN, "label": 2.0, "group": NaN}\n'
    data = load(put(tmp_path / "a.jsonl", rows))
    assert [(e.input, e.target, e.group) for e in data] == [("a", "", "1"), ("", "2", "")]
    data = load(put(tmp_path / "a.csv", "text,label,group\na,x,7.0\nb,x,1.5\nc,x,7\n"))
    assert [e.group for e in data] == ["7", "1.5", "7"]
    data = load(put(tmp_path / "b.jsonl", rows), need_target=False)
    assert [e.target for e in data] == [None, "2"]
