"""``measure`` and ``compare``: finished runs on other rows, and against each other."""

from __future__ import annotations

import csv
import json
import math
import shutil

import pytest

import fewtune
from fewtune.verbs.result import open_run


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


NEEDS_TRAINED_ROWS = ("generalization_gap", "memorization", "over_memorization", "sharpness")


def assert_as_in_the_fit(run, found, but=NEEDS_TRAINED_ROWS):
    """All that needs no trained rows is measured again, to the same figures."""
    missing = {name for name in run.scores if name not in found.scores}
    assert all(name.startswith(but) for name in missing), missing
    for name, score in found.scores.items():
        assert score.as_json() == pytest.approx(run.scores[name].as_json(), abs=1e-6), name


def test_all_that_a_fit_says_of_a_classifier_is_said_of_its_test_rows_again(
    data_folder, encoder, tmp_path
):
    run = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={"method.name": "lora", "select.rungs": [], "training.updates": 12, "seed": 3},
        output=tmp_path / "run",
    )
    found = fewtune.measure(run.path, data_folder / "labelled_test.csv")
    assert {"robustness", "neighbourhood_overlap", "conformal_coverage"} <= set(found.scores)
    assert_as_in_the_fit(run, found)


def test_all_that_a_fit_says_of_a_generator_is_said_of_its_test_rows_again(generated, data_folder):
    found = fewtune.measure(generated.path, data_folder / "prompts_test.jsonl")
    assert {"chrf_gain", "ends_by_itself_base", "drift", "diversity"} <= set(found.scores)
    assert_as_in_the_fit(generated, found)
    kept = json.loads((generated.path / "scores.json").read_text())["silences"]
    assert len(found.notes) == len(kept)


def test_where_the_base_is_gone_the_model_is_measured_alone(generated, data_folder, tmp_path):
    run = shutil.copytree(generated.path, tmp_path / "run")
    facts = json.loads((run / "model" / "fewtune.json").read_text())
    facts["base"] |= {"name": "gone", "reference": str(tmp_path / "gone")}
    (run / "model" / "fewtune.json").write_text(json.dumps(facts))
    found = fewtune.measure(run, data_folder / "prompts_test.jsonl")
    assert found.scores["loss_per_byte"] == generated.scores["loss_per_byte"]
    assert "robustness" in found.scores
    assert not found.base
    assert "beside the base" in found.notes[0]


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


def strictly(text):
    """Return what JSON text holds, where it is JSON: it has no number for NaN."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("unknown", ["null", "NaN"])
def test_a_bound_that_is_not_known_is_null_and_read_back(fewtune, probed, other, tmp_path, unknown):
    """Runs of before have NaN in their files."""
    run = shutil.copytree(probed.path, tmp_path / "run")
    path = run / "scores.json"
    whole = strictly(path.read_text(encoding="utf-8"))
    whole["scores"]["accuracy"] |= {"low": None, "high": None}
    whole["paired"] = {"base": whole["scores"]["accuracy"]}
    path.write_text(json.dumps(whole).replace("null", unknown), encoding="utf-8")
    opened = open_run(run)
    assert math.isnan(opened.scores["accuracy"].low)
    assert opened.scores["accuracy"].value == probed.scores["accuracy"].value
    told = strictly(fewtune("measure", run, "--json").out)
    assert told["scores"]["accuracy"]["low"] is None
    assert told["paired"]["base"]["high"] is None
    assert strictly(json.dumps(opened.as_json()))["scores"]["accuracy"]["high"] is None
    assert strictly(fewtune("compare", other.path, run, "--json").out)["paired"]
    done = fewtune("report", run)
    assert done.code == 0, done.err


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


def test_compare_tells_of_which_runs_trained_on_given_rows(probed, other, data_folder):
    """Of 60 rows one run knew all, the other four of each of three classes."""
    found = fewtune.compare([other.path, probed.path], data=data_folder / "labelled.csv")
    assert [note.split(": ")[:2] for note in found.notes] == [
        [str(other.path), "12 of 60 rows were trained on"],
        [str(probed.path), "60 of 60 rows were trained on"],
    ]


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


def test_rows_that_only_chose_are_not_taken_for_trained_ones(
    causal_lm, data_folder, tmp_path, monkeypatch
):
    """Where nothing is trained again, a fifth of the known rows has chosen and never trained."""
    from fewtune.verbs import observe

    trained, changes = [], observe.changes

    def heard(*args, **options):
        trained.append([row.example.source for row in options["trained"]])
        return changes(*args, **options)

    monkeypatch.setattr(observe, "changes", heard)
    short = {"training.updates": 2, "training.evaluations": 1, "select.samples": 0}
    for refit in (False, True):
        run = fewtune.fit(
            data_folder / "prompts.jsonl",
            str(causal_lm),
            settings={**short, "training.learning_rate": 0.01, "select.refit": refit},
            output=tmp_path / f"refit {refit}",
        )
        parts = json.loads((run.path / "data.json").read_text())["parts"]
        assert run.chosen["updates"] > 0
        known = parts["train"] + parts["validation"] if refit else parts["train"]
        assert trained.pop() == known
