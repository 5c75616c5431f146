"""Rotations: every row judges once, by a fit that did not know it."""

from __future__ import annotations

import csv
import json
import random
import shutil

import made_data
import pytest

import fewtune
from fewtune.errors import PlanError

TURNS = {"data.rotations": 3, "select.samples": 0}
SHORT = {"training.updates": 4, "training.evaluations": 1}
TUNED = {"method.name": "full", "select.rungs": [], **SHORT}


def lines(run, name):
    return [json.loads(line) for line in (run.path / name).read_text("utf-8").splitlines()]


def outcome(run):
    """What a run came to, but for the seconds it took."""
    kept = json.loads((run.path / "scores.json").read_text("utf-8"))
    return {key: kept[key] for key in ("scores", "controls", "paired", "rotations", "chosen")}


@pytest.fixture(scope="module")
def shuffled(data_folder, tmp_path_factory):
    """The rows with labels drawn at random: whoever is right beyond chance knew his test rows."""
    place = tmp_path_factory.mktemp("shuffled") / "rows.csv"
    with (data_folder / "labelled.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = [row["label"] for row in rows]
    random.Random(3).shuffle(labels)
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": label} for row, label in zip(rows, labels, strict=True))
    return place


@pytest.fixture(scope="module")
def run(shuffled, encoder, tmp_path_factory):
    return fewtune.fit(
        shuffled,
        str(encoder),
        settings={**TURNS, **TUNED},
        output=tmp_path_factory.mktemp("rotations") / "run",
    )


def test_every_row_judges_once_with_controls_beside_it(run):
    places = [r["source"].rpartition(":")[2] for r in lines(run, "predictions.jsonl")]
    assert sorted(map(int, places)) == list(range(2, 62))
    found = outcome(run)
    assert {one["n"] for one in found["paired"].values()} == {60}
    assert {one["accuracy"]["n"] for one in found["controls"].values()} == {60}
    right = [record["correct"] for record in lines(run, "predictions.jsonl")]
    assert found["scores"]["accuracy"]["value"] == pytest.approx(sum(right) / 60)
    assert [one["chosen"] for one in found["rotations"]["fits"]] == ["full"] * 3
    assert sum(one["rows"] for one in found["rotations"]["fits"]) == 60
    # What the kept model alone can be asked is asked on its own test rows, thrice at most.
    assert found["scores"]["robustness"]["n"] <= 3 * found["rotations"]["fits"][0]["rows"] < 180


def test_no_row_is_judged_by_a_model_that_knew_it(run):
    """Sixty random labels in three classes: 0.33 by chance, standard error 0.06; known is 1."""
    found = outcome(run)
    for score in (found["scores"], *found["controls"].values()):
        assert score["accuracy"]["value"] < 0.55
    assert run.verdict.decision == "hold"


def test_each_fit_is_told_and_the_report_says_who_judged(run):
    said = [e["values"]["sentence"] for e in lines(run, "journal.jsonl") if e["kind"] == "stage"]
    fits = [sentence for sentence in said if sentence.startswith("fit ")]
    assert [sentence.split(":")[0] for sentence in fits] == ["fit 2 of 3", "fit 3 of 3"]
    sentence = "All 60 rows judge once, in 3 fits that did not know them"
    assert sentence in (run.path / "report.html").read_text("utf-8")
    assert sentence in (run.path / "README.md").read_text("utf-8")
    # The further fits are nobody's curves.
    trained = {e["stage"] for e in lines(run, "journal.jsonl") if e["kind"] == "step"}
    assert "full" in trained
    assert trained <= {"full", "full+all"}


def test_compare_gives_the_rows_their_wider_intervals(run, tmp_path):
    """Compared with its copy: the run's own interval is the one it was judged by, and theirs."""
    copy = shutil.copytree(run.path, tmp_path / "copy")
    found = fewtune.compare([run.path, copy])
    score = found.scores[str(run.path)]
    assert score.as_json() == outcome(run)["scores"]["accuracy"]
    assert "judged in turn" in found.notes[0]
    facts = json.loads((copy / "scores.json").read_text("utf-8"))
    (copy / "scores.json").write_text(json.dumps({**facts, "rotations": None}), "utf-8")
    plain = fewtune.compare([run.path, copy]).scores[str(copy)]
    assert score.high - score.value == pytest.approx(1.2 * (plain.high - plain.value))
    both = fewtune.compare([run.path, copy]).paired[str(copy), str(run.path)]
    (run_only,) = found.paired.values()
    assert (both.low, both.high) == (run_only.low, run_only.high)


def test_an_interrupted_rotation_goes_on_to_the_same_end(run, shuffled, encoder, tmp_path):
    def stop(event):
        if str(event.values.get("sentence", "")).startswith("fit 2 of 3"):
            raise KeyboardInterrupt

    more = {"settings": {**TURNS, **TUNED}, "output": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        fewtune.fit(shuffled, str(encoder), listeners=[stop], **more)
    again = fewtune.fit(shuffled, str(encoder), output=tmp_path / "run", resume=True)
    assert outcome(again) == outcome(run)


def test_a_generator_judges_in_turn_too(data_folder, causal_lm, tmp_path):
    made = fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        settings={"data.rotations": 2, "select.samples": 2, **SHORT},
        output=tmp_path / "run",
    )
    rows = len((data_folder / "prompts.jsonl").read_text("utf-8").splitlines())
    assert made.scores["loss_per_byte"].n == rows
    assert json.loads((made.path / "scores.json").read_text())["scores"]["chrf"]["n"] == 2


@pytest.mark.parametrize("other", [{"data.by_time": True}, "test"])
def test_what_does_not_go_with_them_is_refused(data_folder, encoder, other):
    more = {"test": data_folder / "labelled_test.csv"} if other == "test" else {}
    settings = {"data.rotations": 3} | (other if isinstance(other, dict) else {})
    with pytest.raises(PlanError, match=r"data\.rotations"):
        fewtune.prepare(data_folder / "labelled.csv", str(encoder), settings=settings, **more)


def test_thorough_lets_few_rows_judge_in_turn_and_the_plan_says_so(fewtune, data_folder, encoder):
    done = fewtune("plan", data_folder / "labelled.csv", "--model", encoder, "--effort", "thorough")
    assert "the first of 5 fits; in turn every row tests" in done.out
    assert "data.rotations = 5" in done.out
    told = fewtune(
        "plan", data_folder / "labelled.csv", "--model", encoder, "--effort", "thorough",
        "--test", data_folder / "labelled_test.csv",
    )  # fmt: skip
    assert "rotations" not in told.out


def test_more_turns_than_independent_rows_are_refused(encoder, tmp_path):
    rows = made_data.labelled(20, seed=1)
    data = made_data.write_csv(
        tmp_path / "rows.csv",
        [(text, label, f"caller {n % 6}") for n, (text, label) in enumerate(rows)],
        ("text", "label", "group"),
    )
    with pytest.raises(PlanError, match="independent rows for 8 more test parts"):
        fewtune.fit(data, str(encoder), settings={"data.rotations": 9}, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
