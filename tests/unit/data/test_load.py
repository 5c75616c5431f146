"""Every format and shape of rows, read as a user would expect."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
from pathlib import Path

import pytest

from fewtune.data.load import load, parse_columns
from fewtune.errors import DataError
from fewtune.records import Message


def put(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ROWS = [("Where is my card?", "card"), ("I lost my phone", "phone")]


def pairs(path: Path, **given: object) -> list[tuple[str, str | None]]:
    return [(e.input, e.target) for e in load(path, **given)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", jsonl(*({"text": t, "label": c} for t, c in ROWS))),
        ("a.json", json.dumps([{"text": t, "label": c} for t, c in ROWS], indent=2)),
        ("b.json", json.dumps({"data": [{"text": t, "label": c} for t, c in ROWS]})),
        ("c.json", jsonl(*({"text": t, "label": c} for t, c in ROWS))),
        ("b.jsonl", json.dumps([{"text": t, "label": c} for t, c in ROWS], indent=2)),
        ("a.csv", "text,label\nWhere is my card?,card\nI lost my phone,phone\n"),
        ("b.csv", "text;label\r\nWhere is my card?;card\r\nI lost my phone;phone\r\n"),
        ("a.tsv", "text\tlabel\nWhere is my card?\tcard\nI lost my phone\tphone"),
    ],
)
def test_text_formats_give_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    data = load(put(tmp_path / name, content))
    assert [(e.input, e.target) for e in data] == ROWS
    assert data.shape == "labelled_text"
    assert data.columns == {"text": "text", "label": "label"}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_files(tmp_path: Path, pack: object) -> None:
    suffix = "gz" if pack is gzip.compress else "xz"
    content = pack(b"text,label\nWhere is my card?,card\nI lost my phone,phone\n")  # type: ignore[operator]
    assert pairs(put(tmp_path / f"a.csv.{suffix}", content)) == ROWS


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="parquet needs pyarrow")
    table = pyarrow.table({"text": [t for t, _ in ROWS], "label": [c for _, c in ROWS]})
    parquet.write_table(table, tmp_path / "a.parquet")
    data = load(tmp_path / "a.parquet")
    assert [(e.input, e.target) for e in data] == ROWS
    assert data[1].source == f"{tmp_path / 'a.parquet'}:2"
    for suffix, pack in (("gz", gzip.compress), ("xz", lzma.compress)):
        packed = put(tmp_path / f"a.parquet.{suffix}", pack((tmp_path / "a.parquet").read_bytes()))
        assert pairs(packed) == ROWS


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without"),
        ("utf-16-be", "UTF-16 without"),
        ("cp1252", "Latin-1"),
    ],
)
def test_encodings_are_found_and_said(tmp_path: Path, encoding: str, said: str) -> None:
    content = "text,label\nWo ist das Café am Plätzchen?,ort\n"
    data = load(put(tmp_path / "a.csv", content, encoding))
    assert data[0].input == "Wo ist das Café am Plätzchen?"
    assert data.columns == {"text": "text", "label": "label"}
    assert any(said in note for note in data.notes)


def test_source_is_the_physical_line_where_a_quoted_row_starts(tmp_path: Path) -> None:
    content = 'text,label\n"one\ntwo, ""three""",a\n\nfour,b\n"five\r\nsix",c\nseven,d\n'
    data = load(put(tmp_path / "a.csv", content))
    assert [e.source.rpartition(":")[2] for e in data] == ["2", "5", "6", "8"]
    assert data[0].input == 'one\ntwo, "three"'
    assert data[2].input == "five\r\nsix"
    assert "Empty lines were left out: 4." in data.notes


def test_source_in_a_json_array_is_the_line_of_the_object(tmp_path: Path) -> None:
    content = '[\n {"text": "a",\n  "label": "x"},\n\n {"text": "b", "label": "y"}]\n'
    data = load(put(tmp_path / "a.json", content))
    assert [e.source.rpartition(":")[2] for e in data] == ["2", "5"]


def test_tsv_with_stray_quotes_keeps_them(tmp_path: Path) -> None:
    data = load(put(tmp_path / "a.tsv", 'text\tlabel\n"Hello" he said\tx\nBye\ty\n'))
    assert data[0].input == '"Hello" he said'
    assert any("Quotes" in note for note in data.notes)


def test_plain_text_by_paragraph_or_by_line(tmp_path: Path) -> None:
    lines = load(put(tmp_path / "a.txt", "one\ntwo\n\n"))
    assert [(e.input, e.target, e.source[-1]) for e in lines] == [
        ("", "one", "1"),
        ("", "two", "2"),
    ]
    paragraphs = load(put(tmp_path / "b.txt", "one\ntwo\n\n\nthree\n"))
    assert [(e.target, e.source[-1]) for e in paragraphs] == [("one\ntwo", "1"), ("three", "5")]
    assert lines.shape == paragraphs.shape == "text"


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]},
        {"messages": '[{"role": "user", "content": "Hi"}, {"role": "bot", "content": "Yes?"}]'},
        {"messages": [{"role": "User", "content": [{"type": "text", "text": "Hi"}]},
                      {"role": "assistant", "content": "Yes?"}]},
    ],
)  # fmt: skip
def test_chats_in_every_dialect(tmp_path: Path, row: object) -> None:
    data = load(put(tmp_path / "a.jsonl", jsonl(row)))
    assert data.shape == "chat"
    assert data[0].messages == (Message("user", "Hi"), Message("assistant", "Yes?"))
    assert (data[0].input, data[0].target) == ("user: Hi", "Yes?")


def test_chat_with_system_and_tool_turns(tmp_path: Path) -> None:
    row = {
        "system": "Be kind",
        "conversations": [
            {"from": "human", "value": "Time?"},
            {"role": "assistant", "content": None, "tool_calls": [{"name": "clock"}]},
            {"from": "tool", "value": "9:00"},
            {"from": "gpt", "value": "Nine."},
            {"from": "human", "value": "Thanks"},
        ],
    }
    data = load(put(tmp_path / "a.jsonl", jsonl(row)))
    assert [m.role for m in data[0].messages] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert data[0].messages[2].content == '[{"name": "clock"}]'
    assert data[0].target == "Nine."
    assert data[0].input.endswith("tool: 9:00")
    assert any("after the assistant's last turn" in note for note in data.notes)


def test_alpaca(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Add", "input": "1 and 2", "output": "3", "text": "whole"},
        {"instruction": "Greet", "input": "", "output": "Hi", "text": "whole"},
    ]
    data = load(put(tmp_path / "a.jsonl", jsonl(*rows)))
    assert data.shape == "prompt"
    assert [(e.input, e.target) for e in data] == [("Add\n\n1 and 2", "3"), ("Greet", "Hi")]
    assert "Columns left unused: text." in data.notes


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ("question,category", "labelled_text"),
        ("Utterance,Intent", "labelled_text"),
        ("query,tag", "labelled_text"),
        ("sentence,class", "labelled_text"),
        ("question,answer", "prompt"),
        ("instruction,response", "prompt"),
        ("input,output", "prompt"),
        ("mr,ref", "prompt"),
    ],
)
def test_synonyms_are_found_and_said(tmp_path: Path, header: str, shape: str) -> None:
    data = load(put(tmp_path / "a.csv", f"id,{header}\n1,left,right\n"))
    assert data.shape == shape
    assert (data[0].input, data[0].target) == ("left", "right")
    first, second = header.split(",")
    assert any(f"'{first}'" in note and f"'{second}'" in note for note in data.notes)
    assert "Columns left unused: id." in data.notes


def test_given_columns_and_extra_fields(tmp_path: Path) -> None:
    content = (
        "a,b,group,weight,when\nhello,x,g1,2,2025-03-01T10:00:00+02:00\nbye,y,g2,,2024-01-01\n"
    )
    data = load(
        put(tmp_path / "a.csv", content), columns={"text": "a", "label": "b", "time": "when"}
    )
    assert [(e.group, e.weight) for e in data] == [("g1", 2.0), ("g2", 1.0)]
    assert data[0].time == "2025-03-01T08:00:00"
    assert data[1].time < data[0].time


def test_a_given_column_is_completed_by_one_that_is_found(tmp_path: Path) -> None:
    data = load(put(tmp_path / "a.csv", "body,label\nhello,x\n"), columns={"text": "body"})
    assert (data[0].input, data[0].target) == ("hello", "x")


def test_many_completions_of_a_prompt_are_a_group(tmp_path: Path) -> None:
    many = load(
        put(tmp_path / "a.csv", "mr,ref\n" + "".join(f"p{i // 3},r{i}\n" for i in range(9)))
    )
    assert [e.group for e in many] == ["p0"] * 3 + ["p1"] * 3 + ["p2"] * 3
    single = load(put(tmp_path / "b.csv", "mr,ref\np0,r0\np1,r1\np1,r2\n"))
    assert {e.group for e in single} == {""}


def test_numbers_as_labels_are_names(tmp_path: Path) -> None:
    data = load(
        put(tmp_path / "a.jsonl", jsonl(*({"text": "t", "label": n} for n in (1, 2.0, 2.5, True))))
    )
    assert [e.target for e in data] == ["1", "2", "2.5", "true"]
    assert any("are numbers" in note for note in data.notes)


def test_empty_cells_are_left_to_the_checks(tmp_path: Path) -> None:
    data = load(
        put(tmp_path / "a.jsonl", jsonl({"text": "", "label": "x"}, {"text": "b", "label": None}))
    )
    assert [(e.input, e.target) for e in data] == [("", "x"), ("b", "")]


def test_rows_to_predict_need_no_target(tmp_path: Path) -> None:
    texts = load(put(tmp_path / "a.csv", "text\nhello\n"), need_target=False, shape="labelled_text")
    assert (texts[0].input, texts[0].target) == ("hello", None)
    assert load(tmp_path / "a.csv", need_target=False).shape == "labelled_text"
    prompt = load(tmp_path / "a.csv", need_target=False, shape="prompt")
    assert (prompt.shape, prompt[0].input, prompt[0].target) == ("prompt", "hello", None)
    chat = load(
        put(tmp_path / "a.jsonl", jsonl({"messages": [{"role": "user", "content": "Hi"}]})),
        need_target=False,
    )
    assert (chat[0].input, chat[0].target) == ("user: Hi", None)
    half = load(put(tmp_path / "b.csv", "text,label\nhello,\nbye,x\n"), need_target=False)
    assert [e.target for e in half] == [None, "x"]


def test_a_folder_of_images(tmp_path: Path) -> None:
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / label / "1.png")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    data = load(tmp_path)
    assert data.shape == "labelled_image"
    assert [(e.input, e.target) for e in data] == [
        (str(tmp_path / "cat" / "1.png"), "cat"),
        (str(tmp_path / "dog" / "1.png"), "dog"),
    ]
    assert data[0].source == f"{tmp_path}/cat/1.png"
    assert any("notes.txt" in note for note in data.notes)
    assert any("empty" in note for note in data.notes)
    assert data[0].digest == hashlib.sha256((tmp_path / "cat" / "1.png").read_bytes()).hexdigest()
    flat = load(tmp_path / "cat", need_target=False)
    assert [(e.input, e.target) for e in flat] == [(str(tmp_path / "cat" / "1.png"), None)]


def test_a_file_that_names_images(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / "1.png")
    data = load(put(tmp_path / "a.csv", "image,label\npictures/1.png,cat\n"))
    assert data.shape == "labelled_image"
    assert data[0].input == str(tmp_path / "pictures" / "1.png")


def test_an_image_is_known_again_in_another_folder_and_not_once_it_changed(tmp_path: Path) -> None:
    from PIL import Image

    found = []
    for place, colour in (("one", "red"), ("two", "red"), ("three", "blue")):
        (tmp_path / place / "cat").mkdir(parents=True)
        Image.new("RGB", (4, 4), colour).save(tmp_path / place / "cat" / "1.png")
        (row,) = load(tmp_path / place)
        found.append(row.fingerprint)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("text", "field=column"),
        ("text=", "field=column"),
        ("text=a,text=b", "twice"),
        ("lable=a", "Did you mean label"),
        ("text=a,label=a", "several"),
    ],
)
def test_columns_that_cannot_be_meant(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        parse_columns(text)
