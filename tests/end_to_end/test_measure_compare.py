"""``measure`` and ``compare``: finished runs on other rows, and against each other."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

import fewtune


def correct(run):
    lines = (run.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["correct"] for line in lines]


@pytest.fixture(scope="module")
def other(data_folder, encoder, tmp_path_factory):
    """A run on the same rows that has hardly learned anything."""
    with (data_folder / "labelled.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    few = tmp_path_factory.mktemp("few") / "labelled.csv"
    by_label = {}
    for row in rows[1:]:
        by_label.setdefault(row[1], []).append(row)
    with few.open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *(r for kept in by_label.values() for r in kept[:4])])
    return fewtune.fit(
        few,
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={"method.name": "head", "select.rungs": []},
        output=tmp_path_factory.mktemp("runs") / "other",
    )


def test_measuring_the_test_rows_again_gives_the_runs_own_scores(probed, data_folder):
    found = fewtune.measure(probed.path, data_folder / "labelled_test.csv")
    assert found.scores["accuracy"] == probed.scores["accuracy"]
    assert found.base == {}
    assert found.notes == ()


def test_rows_that_were_trained_on_are_told(probed, data_folder):
    found = fewtune.measure(probed.path, data_folder / "labelled.csv")
    assert found.notes[0].startswith("60 of 60 rows were trained on")


def test_a_generator_is_measured_beside_its_base(generated, data_folder):
    found = fewtune.measure(generated.path, data_folder / "prompts_test.jsonl")
    tuned, base = found.scores["loss_per_byte"], found.base["loss_per_byte"]
    assert found.paired["base"].value == pytest.approx(tuned.value - base.value)
    assert base == generated.controls["base"]["loss_per_byte"]


def test_without_rows_the_runs_own_scores_are_shown(fewtune, probed):
    done = fewtune("measure", probed.path, "--json")
    told = json.loads(done.out)
    assert told["scores"]["accuracy"]["value"] == probed.scores["accuracy"].value


def test_labels_that_were_never_trained_are_refused(fewtune, probed, tmp_path):
    odd = tmp_path / "odd.csv"
    odd.write_text("text,label\nhello there,nonsense\nand again,nonsense\n")
    done = fewtune("measure", probed.path, "--data", odd)
    assert done.code == 2
    assert "'nonsense'" in done.err
    assert "odd.csv:2" in done.err


def test_compare_is_paired_on_the_shared_rows(probed, other):
    found = fewtune.compare([other.path, probed.path])
    difference = found.paired[str(probed.path), str(other.path)]
    rights = list(zip(correct(probed), correct(other), strict=True))
    assert difference.value == pytest.approx(sum(a - b for a, b in rights) / len(rights))
    assert difference.n == len(rights) == 30
    assert found.scores[str(probed.path)].value == probed.scores["accuracy"].value


def test_compare_knows_rows_again_in_a_test_file_that_was_sorted_anew(probed, other, tmp_path):
    """The same rows from another file, the last first; of the first row the text was changed."""
    moved = shutil.copytree(other.path, tmp_path / "moved")
    path = moved / "predictions.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for place, record in enumerate(records):
        record["source"] = f"elsewhere/sorted.csv:{31 - place}"
    records[0]["fingerprint"] = "another text"
    lines = [json.dumps(record) + "\n" for record in reversed(records)]
    path.write_text("".join(lines), encoding="utf-8")
    found = fewtune.compare([moved, probed.path])
    difference = found.paired[str(probed.path), str(moved)]
    rights = list(zip(correct(probed), correct(other), strict=True))[1:]
    assert difference.n == len(rights) == 29
    assert difference.value == pytest.approx(sum(a - b for a, b in rights) / len(rights))
    assert sum("1 of its 30 test rows" in note for note in found.notes) == 2


def test_compare_on_given_rows_asks_the_models(probed, other, data_folder):
    kept = fewtune.compare([other.path, probed.path])
    asked = fewtune.compare([other.path, probed.path], data=data_folder / "labelled_test.csv")
    assert {n: s.value for n, s in asked.scores.items()} == {
        n: s.value for n, s in kept.scores.items()
    }


def test_runs_without_a_row_in_common_need_data(fewtune, probed, adapted, tmp_path):
    done = fewtune("compare", probed.path, adapted.path)
    assert done.code == 2
    assert "--data" in done.err


def test_runs_of_two_tasks_are_not_compared(fewtune, probed, generated):
    done = fewtune("compare", probed.path, generated.path)
    assert done.code == 2
    assert "one task" in done.err


def test_a_run_is_not_compared_with_itself(fewtune, probed):
    done = fewtune("compare", probed.path, probed.path)
    assert done.code == 2


def test_the_table_names_both_and_says_whether_it_is_sure(fewtune, probed, other):
    done = fewtune("compare", other.path, probed.path)
    assert done.code == 0
    assert "Accuracy" in done.out
    assert "better than" in done.out or "cannot be told apart" in done.out


def test_probes_of_the_users_own_are_read_before_anything_is_trained(
    fewtune, causal_lm, data_folder, tmp_path
):
    faulty = tmp_path / "probes.jsonl"
    faulty.write_text('{"prompt": "The sky is", "options": ["blue", "green"], "answer": "red"}\n')
    done = fewtune(
        "fit", data_folder / "prompts.jsonl", "--model", causal_lm, "-o", tmp_path / "run",
        "--set", f"measure.probes={faulty}",
    )  # fmt: skip
    assert done.code == 2
    assert "probes.jsonl:1" in done.err
    assert not (tmp_path / "run").exists()


def test_probes_of_the_users_own_take_the_place_of_the_built_in_ones(
    causal_lm, data_folder, tmp_path
):
    own = tmp_path / "probes.jsonl"
    asked = [
        {"prompt": f"name: Cotto{i}, food:", "options": ["thai", "french"], "answer": "thai"}
        for i in range(6)
    ]
    own.write_text("".join(json.dumps(probe) + "\n" for probe in asked))
    run = fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        settings={
            "training.updates": 2,
            "training.evaluations": 1,
            "select.samples": 0,
            "measure.probes": str(own),
        },
        output=tmp_path / "run",
    )
    kept = json.loads((run.path / "scores.json").read_text())
    # Six items are too few to be surely above chance: then the run says so, and gives no zero.
    if "forgetting" in kept["scores"]:
        assert kept["scores"]["forgetting"]["n"] == 6
    else:
        assert kept["silences"]["forgetting"]
