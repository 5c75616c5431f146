"""What is written is read again as it was."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewtune.data.load import load
from fewtune.data.write import write
from fewtune.errors import DataError
from fewtune.records import Dataset, Example, Message, Shape

TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=["Cc"]), st.sampled_from('\n\r\t",;|')
    ),
    max_size=20,
)
SUFFIXES = (".jsonl", ".csv", ".tsv")


def content(dataset: Dataset) -> list[tuple[object, ...]]:
    return [(e.input, e.target, e.group, e.weight, e.messages, e.time) for e in dataset]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4))
def test_prompts_come_back(suffix: str, rows: list[tuple[str, str, str]]) -> None:
    examples = tuple(
        Example(one, two, "", group=group, weight=0.5 if group else 1.0, time="2025-01-01")
        for one, two, group in rows
    )
    columns = {"prompt": "prompt", "completion": "completion", "group": "group"}
    dataset = Dataset(examples, "prompt", "a", columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        write(dataset, path)
        read = load(path, shape="prompt")
        if all(not group for _, _, group in rows):  # then equal prompts may come back as groups
            assert [r[:2] for r in content(read)] == [r[:2] for r in content(dataset)]
        else:
            assert content(read) == content(dataset)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", ["labelled_text", "text", "chat"])
def test_every_shape_comes_back(tmp_path: Path, suffix: str, shape: Shape) -> None:
    turns = (Message("user", 'Say "a,b"\r\nor c\td'), Message("assistant", "a,b\rc"))
    rows = {
        "labelled_text": Example('one, "two"\nthree\r', "a", "", group="g", time="2025-01-01"),
        "text": Example("", "one\n\ntwo\t;", "", weight=2.5),
        "chat": Example('user: Say "a,b"\r\nor c\td', "a,b\rc", "", messages=turns, group="g"),
    }
    dataset = Dataset((rows[shape], rows[shape]), shape, "a")
    write(dataset, tmp_path / f"a{suffix}")
    read = load(tmp_path / f"a{suffix}")
    assert read.shape == shape
    assert content(read) == content(dataset)


def test_images_are_named_from_the_folder_of_the_file(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "cat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "1.png")
    dataset = load(tmp_path)
    write(dataset, tmp_path / "rows.csv")
    assert content(load(tmp_path / "rows.csv")) == content(dataset)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="folder that holds the images"):
        write(dataset, tmp_path / "other" / "rows.csv")


def test_rows_to_predict_have_no_target_column(tmp_path: Path) -> None:
    dataset = Dataset((Example("one", None, ""), Example("two", None, "")), "labelled_text", "a")
    write(dataset, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == '"text"\n"one"\n"two"\n'


def test_another_suffix_or_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    dataset = Dataset((Example("one", "a", ""),), "labelled_text", "a")
    with pytest.raises(DataError, match=r"suffix \.xlsx"):
        write(dataset, tmp_path / "a.xlsx")
    zero = Dataset((Example("one\0", "a", ""),), "labelled_text", "a")
    with pytest.raises(DataError, match="Write it as jsonl"):
        write(zero, tmp_path / "a.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="written to"):
        write(dataset, tmp_path / "file" / "a.csv")


def test_an_older_file_stays_whole_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset((Example("one", "a", ""),), "labelled_text", "a")
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="No space left"):
        write(dataset, path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]
