"""The verb and its printing, on files: what is written, what is refused, what is said."""

from __future__ import annotations

import csv
import json

import made_data
import numpy as np
import pytest
import typer
from PIL import Image

from fewtune.cli.augment import augment as command
from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.errors import DataError, PlanError
from fewtune.verbs.augment import augment, parse_part


@pytest.fixture
def labelled(tmp_path):
    made_data.write_labelled(tmp_path / "calls.csv", made_data.labelled(6, seed=1))
    return tmp_path / "calls.csv"


def say(data, output, *parts, **more):
    """Run the command as it is called by the command line."""
    known = {
        "model": "",
        "test": "",
        "columns": "",
        "per_row": 1,
        "seed": 0,
        "show": 2,
        "only_new": False,
        "force": False,
        "as_json": False,
    }
    command(str(data), str(output), parts, **{**known, **more})


def test_what_is_written_is_read_back_with_parents_beside_their_variations(labelled, tmp_path):
    out = tmp_path / "more.csv"
    done = augment(labelled, out, parts=["typos", ("casing", {"upper": False})], per_row=2)
    back = load(out)
    old = load(labelled)
    assert len(back) == len(done.written) == len(old) + len(done.made.examples)
    assert {(e.input, e.target) for e in old} <= {(e.input, e.target) for e in back}
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parents = [row["parent"] for row in rows]
    assert parents.count("") == len(old)
    assert set(parents) - {""} <= {e.source for e in old}
    # Whoever splits this file keeps a row and its variations on one side.
    sides = split(back, seed=0)
    for side in (sides.train, sides.validation, sides.test):
        others = {
            back[i].group
            for s in (sides.train, sides.validation, sides.test)
            if s is not side
            for i in s
        } - {""}
        assert not others & {back[i].group for i in side}


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(labelled, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        augment(labelled, tmp_path / f"{name}.csv", parts=["typos"], seed=seed)
    a, b, c = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_only_new_and_prompts_and_chats(data_folder, tmp_path):
    done = augment(
        data_folder / "prompts.jsonl", tmp_path / "p.jsonl", parts=["typos"], only_new=True
    )
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(lines) == len(done.made.examples)
    assert all(line["parent"] and line["group"] for line in lines)
    chats = augment(data_folder / "chats.jsonl", tmp_path / "c.jsonl", parts=["random_swap"])
    assert len(load(tmp_path / "c.jsonl")) == len(chats.data) + len(chats.made.examples)


def test_copies_of_the_test_file_are_not_written(labelled, tmp_path):
    first = augment(labelled, tmp_path / "a.csv", parts=["casing"], only_new=True)
    again = augment(labelled, tmp_path / "b.csv", parts=["casing"], test=tmp_path / "a.csv")
    assert first.made.examples
    assert not again.made.examples
    assert again.made.dropped["copy of a test row"] == len(first.made.examples)


def test_images_are_written_beside_and_read_back(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for n in range(3):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{n}.png")
    out = tmp_path / "more.csv"
    done = augment(tmp_path / "pets", out, parts=["image_flip", "image_rotation:most=5"])
    assert len(load(out)) == 18
    assert len(list((tmp_path / "more_images").iterdir())) == 12 == len(done.made.examples)
    with pytest.raises(DataError, match="a new folder for the images"):
        augment(tmp_path / "pets", tmp_path / "more.jsonl", parts=["image_flip"])
    with pytest.raises(DataError, match="above those of the images"):
        augment(tmp_path / "pets", tmp_path / "pets" / "more.csv", parts=["image_flip"])


@pytest.mark.parametrize(
    ("parts", "output", "said"),
    [
        ([], "a.csv", "none is on by default"),
        (["typo"], "a.csv", "Did you mean typos"),
        (["typos:share"], "a.csv", "typos:share=0.2"),
        (["typos:shares=1"], "a.csv", "share"),
        (["back_translation"], "a.csv", "back_translation:there="),
        (["back_translation:there=x"], "a.csv", "back_translation:back="),
        (["own_style"], "a.csv", "rows of labelled text"),
        (["typos"], "a.parquet", "a.jsonl"),
        (["typos"], "no/a.csv", "a folder that exists"),
        (["typos"], "calls.csv", "a new file"),
        (["typos"], "there.csv", "--force"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    labelled, tmp_path, parts, output, said
):
    (tmp_path / "there.csv").write_text("kept", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    with pytest.raises((PlanError, DataError), match=said):
        augment(labelled, tmp_path / output, parts=parts)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "kept"


def test_force_replaces(labelled, tmp_path):
    (tmp_path / "there.csv").write_text("old", encoding="utf-8")
    augment(labelled, tmp_path / "there.csv", parts=["typos"], force=True)
    assert len(load(tmp_path / "there.csv")) > 6


def test_parts_in_words():
    assert parse_part("back_translation:there=a/b,back=c/d@refs/pr/1") == (
        "back_translation",
        {"there": "a/b", "back": "c/d@refs/pr/1"},
    )
    assert parse_part("paraphrase:model=endpoint:gpt") == ("paraphrase", {"model": "endpoint:gpt"})


def test_the_command_shows_pairs_and_counts(labelled, tmp_path, capsys):
    say(labelled, tmp_path / "a.csv", "typos", "label_names", show=3)
    out = capsys.readouterr().out
    assert out.count("    + ") == 6
    assert "typos: 18 tried, " in out
    assert "label_names: 3 tried, 3 kept\n" in out
    assert "Meaning was not compared" in out
    assert "--test FILE" in out


def test_the_command_as_json(labelled, tmp_path, capsys):
    say(labelled, tmp_path / "a.csv", "typos", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == told["rows"] + told["new"]
    tally = told["augmentations"]["typos"]
    assert tally["made"] == 18 == tally["kept"] + sum(tally["dropped"].values())


def test_without_a_choice_the_command_lists_what_there_is(labelled, tmp_path, capsys):
    with pytest.raises(typer.Exit) as ended:
        say(labelled, tmp_path / "a.csv")
    assert ended.value.exit_code == 2
    err = capsys.readouterr().err
    assert "back_translation" in err
    assert "Slips of the finger" in err


def test_the_list_needs_no_file_to_write_and_variations_do(fewtune, labelled):
    listed = fewtune("augment", labelled)
    assert listed.code == 2 and "Slips of the finger" in listed.err and "--output" not in listed.err
    done = fewtune("augment", labelled, "--with", "typos")
    assert done.code == 2
    assert "Expected a file to write. Got none (-o)." in done.err


def test_what_to_call_next_can_be_given_to_a_shell(fewtune, labelled, tmp_path):
    odd = labelled.rename(tmp_path / "my calls.csv")
    out = tmp_path / "more calls.csv"
    done = fewtune("augment", odd, "-o", out, "--with", "typos", "--test", odd)
    assert f"fewtune fit '{out}' --test '{odd}'" in done.out
