"""Files that cannot be used: an error that names file and line, and never anything else."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import tracemalloc
from pathlib import Path

import pytest

from fewtune.data.formats import decode
from fewtune.data.load import load
from fewtune.errors import DataError, MissingExtra


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


GOOD = '{"text": "a", "label": "x"}\n'


# Without a time in it, so that every process of the tests collects the same bytes.
CUT_GZ = gzip.compress(b"text,label\na,x\n" * 999, mtime=0)[:-20]


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a.jsonl", b"", "", "empty file"),
        ("a.csv", b"\n \n", "", "empty file"),
        ("a.csv", b"text,label\n", "", "without rows"),
        ("a.json", b"[]", "", "without rows"),
        ("a.jsonl", (GOOD + '{"text": "b", "lab').encode(), ":2", "JSON object"),
        ("a.jsonl", (GOOD + "[1]\n").encode(), ":2", "a list"),
        ("a.jsonl", (GOOD + "3\n").encode(), ":2", "the number 3"),
        ("a.jsonl", (GOOD + '{"text": "b", "text": "c", "label": "x"}\n').encode(), ":2", "twice"),
        ("a.jsonl", (GOOD + '{"text": "b"}\n').encode(), ":2", "column 'label'"),
        ("a.jsonl", (GOOD + '{"text": ["b"], "label": "x"}\n').encode(), ":2", "a list"),
        ("a.jsonl", (GOOD + '{"text": "b", "label": ["x", "y"]}\n').encode(), ":2", "a list of 2"),
        ("a.jsonl", (GOOD + '{"text": "\\ud800", "label": "x"}\n').encode(), ":2", "half of a"),
        ("a.jsonl", (GOOD + '{"text": "b", "label": ' + "9" * 5000 + "}\n").encode(), ":2", "JSON"),
        ("a.jsonl", (GOOD + "[" * 100_000 + "\n").encode(), ":2", "nested too deeply"),
        ("a.json", b"[" * 100_000, ":1", "nested too deeply"),
        ("a.json", b'[{"text": "a", "label": "x"},\n {"text": "b"', ":2", "JSON"),
        ("a.json", b'[{"text": "a", "label": "x"}\n {"text": "b", "label": "x"}]', ":2", "comma"),
        ("a.json", b'[{"text": "a", "label": "x"}]\nmore', ":2", "after the end"),
        ("a.csv", b'text,label\na,x\n"b,x\n', ":3", "unexpected end of data"),
        ("a.csv", b'text,label\na,x\n"b"c,x\n', ":3", "expected after"),
        ("a.csv", b"text,label\na,x\nb\n", ":3", "1 cells"),
        ("a.csv", b"text,label,label\na,x,y\n", ":1", "more than once"),
        ("a.csv", b"this is how a row of mine looks,card\nand more,card\n", ":1", "first line"),
        ("a.csv", b"body,kind\na,x\nb,x\n", ":1", "--columns text=body,label=kind"),
        ("a.csv", b"PK\x03\x04whatever", "", "zip archive"),
        ("a.csv", b"%PDF-1.7", "", "PDF"),
        ("a.jsonl", bytes(range(256)) * 40, "", "zero bytes"),
        ("a.txt", bytes(range(1, 32)) * 40, "", "control characters"),
        ("a.txt", "Grüße, Füße, über Äcker\n".encode() + b"kaputt \xff\n", ":2", "UTF-8"),
        ("a.csv", "text,label\nh\u00e9llo,x\n".encode("utf-16")[:-3], "", "encoding"),
        ("a.csv.gz", b"text,label\na,x\n", "", "packed as .gz"),
        ("a.csv.gz", CUT_GZ, "", "unpacked to its end"),
        ("a.csv.xz", lzma.compress(b"text,label\na,x\n" * 999)[:-20], "", "unpacked to its end"),
        ("a.parquet", b"PAR1 nothing PAR1", "", "parquet"),
        ("a.xyz", b"text", "", "suffix .xyz"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": "Hi"}]}\n', ":1", "assistant"),
        ("a.jsonl", b'{"messages": [{"role": "king", "content": "Hi"}]}\n', ":1", "'king'"),
        ("a.jsonl", b'{"messages": [{"role": "user"}]}\n', ":1", "content in turn 1"),
        ("a.jsonl", b'{"messages": [3]}\n', ":1", "turn 1 as an object"),
        ("a.csv", b"text,label,weight\na,x,heavy\n", ":2", "weight"),
        ("a.csv", b"text,label,weight\na,x,-1\n", ":2", "weight"),
        ("a.csv", b"text,label,time\na,x,yesterday\n", ":2", "ISO date"),
        ("a.csv", b"image,label\n../outside.png,x\n", ":2", "inside the folder"),
        ("a.csv", b"image,label\n/etc/passwd.png,x\n", ":2", "inside the folder"),
        ("a.csv", b"image,label\nmissing.png,x\n", ":2", "an image that exists"),
    ],
)  # fmt: skip
def test_broken_files(tmp_path: Path, name: str, content: bytes, line: str, says: str) -> None:
    path = put(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        load(path)
    assert says in str(caught.value)
    assert f"{path}{line}" in caught.value.where
    assert len(str(caught.value)) < 1500


def test_several_broken_rows_come_in_one_error(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", GOOD + "1\n" + GOOD + "2\n" + "3\n" * 20)
    with pytest.raises(DataError, match="5 broken rows or more") as caught:
        load(path)
    for line in (2, 4, 5, 6, 7):
        assert f"{path}:{line}:" in str(caught.value)
    assert f"{path}:8" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "one", "other"),
    [
        ("question,answer,category\na,b,c\n", "prompt=question", "label=category"),
        ("text,category,intent\na,b,c\n", "label=category", "label=intent"),
        ("text,kind\na,x\nb,x\nc,y\nd,y\n", "--columns text=text or", "label=kind"),
        ("meaning,sentence\na b c,x\nd e f,y\n", "text=sentence or", "prompt=meaning,completion="),
        ("words,query\na b c,x\nd e f,y\n", "text=query or", "prompt=query,completion=words"),
        ("summary,text\na b c,x\nd e f,y\n", "text=text or", "prompt=text,completion=summary"),
        ("text,german\nx,a b c\ny,d e f\n", "text=text or", "prompt=text,completion=german"),
    ],
)
def test_doubtful_columns_show_both_readings(
    tmp_path: Path, content: str, one: str, other: str
) -> None:
    with pytest.raises(DataError, match="one way only") as caught:
        load(put(tmp_path / "a.csv", content))
    assert one in caught.value.cure
    assert other in caught.value.cure


@pytest.mark.parametrize(
    "content",
    [
        "text,town\na,New York\nb,Sankt Gallen\n",  # two words are a name
        "text,note\na,see the file\nb,\n",  # not in every row
        "text,title\na,one two three\nb,four five six\n",  # known to be about the row
        'text,note\na,"one two three"\nb,x\nc,y\n',  # mostly no text
    ],
)
def test_plain_text_beside_what_is_no_text_is_plain_text(tmp_path: Path, content: str) -> None:
    assert load(put(tmp_path / "a.csv", content)).shape == "text"


def test_columns_of_unknown_names_are_guessed_by_what_is_in_them(tmp_path: Path) -> None:
    rows = "".join(f"what is {i} and two,it is {i} more than that\n" for i in range(9))
    with pytest.raises(DataError, match="prompt=ask,completion=say"):
        load(put(tmp_path / "a.csv", "ask,say\n" + rows))


def test_the_columns_that_a_doubtful_file_offers_work(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "question,answer,category\na,b,c\n")
    assert load(path, columns={"prompt": "question", "completion": "answer"}).shape == "prompt"
    assert load(path, columns={"text": "question", "label": "category"}).shape == "labelled_text"


def test_mixed_rows_are_refused_with_their_lines(tmp_path: Path) -> None:
    content = GOOD * 2 + '{"prompt": "p", "completion": "c"}\n'
    with pytest.raises(DataError, match="made in the same way") as caught:
        load(put(tmp_path / "a.jsonl", content))
    assert "2 rows as labelled text" in caught.value.got
    assert "1 row as prompts and completions" in caught.value.got
    assert "line 3" in caught.value.got


def test_unknown_columns_are_named_beside_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="columns text, label") as caught:
        load(put(tmp_path / "a.csv", "text,label\na,x\n"), columns={"text": "question"})
    assert "question" in caught.value.expected


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    put(tmp_path / "calls.csv", GOOD)
    with pytest.raises(DataError, match=r"Did you mean calls\.csv"):
        load(tmp_path / "cals.csv")
    with pytest.raises(DataError, match="no folder"):
        load(tmp_path / "none" / "calls.csv")
    with pytest.raises(DataError):
        load("a\0b")
    with pytest.raises(DataError):
        load("x" * 5000)


def test_a_hub_id_asks_for_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"fewtune\[hub\]"):
        load("owner/name")
    with pytest.raises(DataError, match="no folder data"):
        load("data/name.csv")
    (tmp_path / "owner").mkdir()
    with pytest.raises(DataError, match="nothing of that name; the folder is empty"):
        load("owner/name")


def test_a_single_line_of_50_megabytes_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b'{"text": "' + b"a" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="at most 10,000,000 characters") as caught:
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.where == f"{path}:1"
    assert peak < 60_000_000


@pytest.mark.parametrize("pack", [gzip, lzma])
def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, pack: object) -> None:
    path = tmp_path / ("a.jsonl.gz" if pack is gzip else "a.jsonl.xz")
    with pack.open(path, "wb") as file:  # type: ignore[attr-defined]
        for _ in range(36):
            file.write(b"\n" * 1024**2)
    tracemalloc.start()
    with pytest.raises(DataError, match="grows at most 200 times"):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


def test_a_file_past_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="a larger one"):
        load(put(tmp_path / "a.jsonl", GOOD * 100))


def test_10000_columns_are_refused(tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(10_000))
    with pytest.raises(DataError, match="10,000 columns") as caught:
        load(put(tmp_path / "a.csv", f"{header}\n{header}\n"))
    assert len(str(caught.value)) < 500
    with pytest.raises(DataError, match="10,000 keys"):
        load(put(tmp_path / "a.jsonl", json.dumps({f"c{i}": i for i in range(10_000)})))


def test_image_folders_that_cannot_be_used(tmp_path: Path) -> None:
    from PIL import Image

    with pytest.raises(DataError, match="an empty folder"):
        load(tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="1 images without a class"):
        load(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / part / "cat" / "1.png")
    with pytest.raises(DataError, match="parts of a split"):
        load(tmp_path)
    whole = tmp_path / "train"
    (whole / "dog").mkdir()
    (whole / "dog" / "1.png").write_bytes(b"not an image")
    (whole / "dog" / "2.jpg").write_bytes(b"")
    os.symlink(tmp_path / "1.png", whole / "dog" / "3.png")
    with pytest.raises(DataError, match="3 broken rows") as caught:
        load(whole)
    assert "dog/1.png" in str(caught.value)
    assert "an empty file" in str(caught.value)
    assert "leaves the folder" in str(caught.value)
