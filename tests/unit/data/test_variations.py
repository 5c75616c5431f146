"""Variations of rows, from the file that ``augment`` writes to the parts of a split."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fewtune.data.folds import folds
from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.data.variations import judging
from fewtune.errors import DataError
from fewtune.records import Dataset, Example
from fewtune.verbs.augment import augment

SUBJECTS = "card account transfer payment statement loan branch password refund currency".split()
VERBS = "lost blocked delayed opened checked declined cancelled received expected moved".split()


def text(number: int) -> str:
    """Return one of a hundred sentences of which no two are near each other."""
    subject, verb = SUBJECTS[number % 10], VERBS[number // 10]
    return f"My {subject} was {verb} on the {number} day of {subject[::-1]} near {verb[::-1]}"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "calls.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([text(i), "ab"[i % 2]] for i in range(100))
    return path


@pytest.mark.parametrize("name", ["more.csv", "more.jsonl"])
def test_from_augment_to_the_parts(original: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    made = augment(original, out, parts=["typos", "random_swap"], per_row=2).made
    data = load(out)
    varied = [e for e in data if e.parent]
    assert len(varied) == len(made.examples) > 100
    assert {e.parent for e in varied} <= {e.source for e in load(original)}
    assert any("they train and never judge" in note for note in data.notes)

    found = split(data, seed=3)
    held = {*found.validation, *found.test}
    assert held
    assert not any(data[i].parent for i in held)
    # No variation of a row that judges trains: told by the column that the file has, not by ours.
    rows = {e.source: e for e in data}
    held_texts = {rows[data[i].source].input for i in held}
    first = {e.source: e.input for e in load(original)}
    assert not any(first[data[i].parent] in held_texts for i in found.train if data[i].parent)
    # Variations of training rows do train, and those of others are in no part.
    trained = {data[i].input for i in found.train}
    assert {e.input for e in varied if first[e.parent] in trained} <= trained
    missing = len(data) - len(found.train) - len(held)
    assert missing == sum(first[e.parent] in held_texts for e in varied) > 0
    assert any(
        s.startswith(f"Left out: {missing:,} variations") for s in found.certificate.sentences
    )


def test_a_variation_is_tied_to_its_parent_without_a_group(original: Path) -> None:
    old = load(original)
    odd = tuple(
        Example(f"entirely other words {i * 7919} zz{i}", e.target, f"new{i}", parent=e.source)
        for i, e in enumerate(old)
    )
    data = replace(old, examples=old.examples + odd)
    found = split(data)
    for part in (found.validation, found.test):
        assert all(i < 100 for i in part)
        assert not any(i + 100 in found.train for i in part)
    for fold in folds(data, 4):
        assert all((i + 100 in fold) == (i in fold) for i in range(100))


def test_folds_hold_out_variations_with_their_rows_and_never_judge_by_them(
    original: Path, tmp_path: Path
) -> None:
    out = tmp_path / "more.jsonl"
    augment(original, out, parts=["typos", "random_swap"], per_row=2)
    data = load(out)
    alone = tuple(
        Example(f"entirely other words {i * 7919} zz{i}", "ab"[i % 2], f"n{i}", parent=f"gone:{i}")
        for i in range(10)
    )
    data = replace(data, examples=data.examples + alone)
    name = {e.source: e.parent or e.source for e in data}
    found = folds(data, 4)
    judged = sorted(row for fold in found for row in judging(data, fold))
    assert judged == [row for row, e in enumerate(data) if not e.parent]
    assert len(judged) == 100
    for fold in found:
        # Labels are spread by the rows that judge: 100 rows of 2 labels in 4 folds.
        held = judging(data, fold)
        assert [sum(data[i].target == label for i in held) for label in "ab"] in (
            [12, 13],
            [13, 12],
            [13, 13],
            [12, 12],
        )
        away = {name[data[i].source] for i in fold}
        trained = {name[e.source] for i, e in enumerate(data) if i not in set(fold)}
        assert not away & trained
        assert {f"gone:{i}" for i in range(10)} <= trained


def test_as_many_folds_as_rows_that_judge_at_most() -> None:
    rows = [Example(text(i), "a", f"r{i}") for i in range(2)]
    rows += [Example(text(i), "a", f"v{i}", parent=f"gone:{i}") for i in range(2, 9)]
    data = Dataset(tuple(rows), "labelled_text", "few.csv")
    assert sorted(map(len, folds(data, 2))) == [1, 1]
    with pytest.raises(DataError, match="9 rows, 2 of them independent"):
        folds(data, 3)


def test_variations_without_their_originals_train_and_are_told(original: Path) -> None:
    old = load(original)
    odd = tuple(
        Example(f"entirely other words {i * 7919} zz{i}", "ab"[i % 2], f"n{i}", parent=f"gone:{i}")
        for i in range(30)
    )
    found = split(replace(old, examples=old.examples + odd))
    assert set(range(100, 130)) <= set(found.train)
    assert any("30 variations train whose originals" in s for s in found.certificate.sentences)


def test_where_all_rows_are_variations_they_judge(original: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.jsonl"
    augment(original, out, parts=["random_swap"], only_new=True)
    data = load(out)
    assert all(e.parent for e in data)
    assert any("scores on them flatter" in note for note in data.notes)
    found = split(data)
    assert found.test and found.validation


def test_a_row_beside_a_test_file_that_holds_its_parent_is_counted() -> None:
    def rows(name: str, start: int, **fields: str) -> Dataset:
        made = tuple(
            Example(text(i), "ab"[i % 2], f"{name}:{i}", **fields) for i in range(start, start + 20)
        )
        return Dataset(made, "labelled_text", name)

    test = rows("t.csv", 60)
    data = rows("a.csv", 0)
    leaky = replace(data, examples=(*data.examples[:-1], replace(data[19], parent="t.csv:63")))
    assert split(data, given_test=test).certificate.crossing == 0
    assert split(leaky, given_test=test).certificate.crossing == 1


@pytest.mark.parametrize(
    "values", [["12", "13"], ["mother", "father"], [3, 4], ["", ""], [{"id": 1}, ""]]
)
def test_a_column_parent_that_means_something_else_is_left_alone(
    tmp_path: Path, values: list[object]
) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{"text": f"t{i}", "label": "x", "parent": v} for i, v in enumerate(values)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = load(path)
    assert not any(e.parent for e in data)
    assert "parent" not in data.columns
    assert any("left unused" in note and "parent" in note for note in data.notes)


def test_images_name_their_parents_too(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            shade = (40 * i, 10 if name == "cat" else 200, 5 * i)
            picture = Image.new("RGB", (16, 16), shade)
            picture.putpixel((i, 1), (255, 255, 255))
            picture.save(tmp_path / "pets" / name / f"{i}.png")
    out = tmp_path / "more.jsonl"
    augment(tmp_path / "pets", out, parts=["image_flip"])
    data = load(out)
    assert sum(bool(e.parent) for e in data) == 12
    found = split(data)
    assert not any(data[i].parent for i in (*found.validation, *found.test))
    kept = {data[i].parent for i in found.train} - {""}
    groups = {data[i].group for i in (*found.validation, *found.test)}
    assert not kept & groups
