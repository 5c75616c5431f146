"""What the plan's section ``measure`` asks for: an earlier version, secrets, the harness."""

from __future__ import annotations

import json
from importlib.util import find_spec

import made_data
import numpy as np
import pytest

import fewtune
from fewtune.records import Score
from fewtune.verbs.earlier import stands

SHORT = {"training.updates": 4, "training.evaluations": 1, "select.samples": 2}
TUNED = {"method.name": "full", "select.rungs": [], "training.updates": 12}


def records(run):
    lines = (run.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def kept(run, name="scores.json"):
    return json.loads((run.path / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def later(probed, data_folder, encoder, tmp_path_factory):
    """A tuned classifier beside the earlier run ``probed``, on the same test rows."""
    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        test=data_folder / "labelled_test.csv",
        settings={**TUNED, "measure.earlier": str(probed.path)},
        output=tmp_path_factory.mktemp("runs") / "later",
    )


@pytest.fixture(scope="module")
def told(data_folder, causal_lm, tmp_path_factory):
    """A generator that was trained on three secrets, and nothing keeps it from learning them."""
    return fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        test=data_folder / "prompts_test.jsonl",
        settings={
            "measure.canaries": 3,
            "training.updates": 60,
            "training.evaluations": 2,
            "training.learning_rate": 0.02,
            "method.name": "full",
            "regularizers": [],
            "controls": ["base"],
            "select.samples": 2,
        },
        output=tmp_path_factory.mktemp("runs") / "told",
    )


class TestEarlier:
    def test_flips_are_those_of_the_two_runs_answers(self, probed, later):
        before = np.array([r["correct"] for r in records(probed)])
        after = np.array([r["correct"] for r in records(later)])
        score = later.scores["flips_plain"]
        assert score.value == pytest.approx((before & ~after).mean())
        assert score.n == 30
        chance = (1 - before.mean()) * (1 - after.mean()) / 2
        assert later.scores["flips"].value == pytest.approx(max(score.value - chance, 0))
        assert later.scores["flips"].low <= later.scores["flips"].value

    def test_it_is_compared_in_the_words_of_compare(self, probed, later):
        found = kept(later)["earlier"]
        compared = fewtune.compare([probed.path, later.path])
        assert found["run"] == str(probed.path)
        [difference] = compared.paired.values()
        assert found["difference"] == difference.as_json()
        [sentence] = compared.sentences()
        assert found["sentence"].startswith(sentence.replace(str(later.path), "this run"))
        page = (later.path / "report.html").read_text(encoding="utf-8")
        assert "Against the earlier version: this run" in page
        assert "Right before, wrong now" in page

    @pytest.mark.parametrize(
        ("values", "knew", "holds", "said"),
        [
            ((-0.1, -0.15, -0.05), 0, True, "worse than the earlier version (old): -10.0 points"),
            ((-0.1, -0.15, -0.05), 7, False, "trained on 7 of these rows"),
            ((-0.1, -0.25, 0.05), 0, False, "not to be told from the earlier version (old)"),
            ((0.1, 0.05, 0.15), 0, False, "better than the earlier version (old): +10.0 points"),
        ],
    )
    def test_who_is_surely_worse_than_it_does_not_take_its_place(self, values, knew, holds, said):
        difference = Score("accuracy", *values, 90, "higher", "share")
        found = {"run": "old", "difference": difference.as_json(), "knew": knew}
        [guard] = stands(found, Score("accuracy", 0.8, 0.7, 0.9, 90, "higher", "share"))
        assert guard.holds is holds
        assert said in guard.reason

    def test_rows_that_it_was_trained_on_are_told(self, probed, data_folder, encoder, tmp_path):
        run = fewtune.fit(
            data_folder / "labelled_test.csv",
            str(encoder),
            test=data_folder / "labelled.csv",
            settings={"method.name": "head", "measure.earlier": str(probed.path)},
            output=tmp_path / "run",
        )
        assert "was trained on 60 of them, which flatters it" in kept(run)["earlier"]["sentence"]

    def test_of_new_classes_only_those_that_both_know_are_compared(
        self, probed, data_folder, encoder, tmp_path
    ):
        rows, tested = (
            [(text, "other" if label == "billing" else label) for text, label in made]
            for made in (made_data.labelled(8, seed=5), made_data.labelled(4, seed=6))
        )
        data = made_data.write_labelled(tmp_path / "rows.csv", rows)
        test = made_data.write_labelled(tmp_path / "test.csv", tested)
        run = fewtune.fit(
            data,
            str(encoder),
            test=test,
            settings={"method.name": "head", "measure.earlier": str(probed.path)},
            output=tmp_path / "run",
        )
        assert run.scores["accuracy"].n == 12
        assert run.scores["flips"].n == kept(run)["earlier"]["difference"]["n"] == 8

    @pytest.mark.parametrize(
        ("folder", "said"),
        [
            ("nowhere", "a run folder"),
            ("generated", "an earlier run of text classification"),
            ("strange", "an earlier run that knows a class of"),
        ],
    )
    def test_a_run_that_cannot_answer_is_refused_before_anything_is_trained(
        self, folder, said, request, fewtune, data_folder, encoder, tmp_path
    ):
        data, run = data_folder / "labelled.csv", tmp_path / "nowhere"
        if folder == "generated":
            run = request.getfixturevalue("generated").path
        if folder == "strange":
            rows = [(text, f"{label} too") for text, label in made_data.labelled(8)]
            data = made_data.write_labelled(tmp_path / "rows.csv", rows)
            run = request.getfixturevalue("probed").path
        done = fewtune(
            "fit", data, "--model", encoder, "-o", tmp_path / "run",
            "--set", f"measure.earlier={run}",
        )  # fmt: skip
        assert done.code == 2
        assert said in done.err
        assert not (tmp_path / "run").exists()

    @pytest.mark.slow
    def test_a_generator_is_compared_too(self, generated, data_folder, causal_lm, tmp_path):
        run = fewtune.fit(
            data_folder / "prompts.jsonl",
            str(causal_lm),
            test=data_folder / "prompts_test.jsonl",
            settings={**SHORT, "measure.earlier": str(generated.path)},
            output=tmp_path / "run",
        )
        found = kept(run)["earlier"]["difference"]
        gain = run.scores["loss_per_byte"].value - generated.scores["loss_per_byte"].value
        assert found["value"] == pytest.approx(gain, abs=1e-6)
        assert "flips" not in run.scores


class TestCanaries:
    def test_secrets_that_trained_are_known(self, told):
        """Never learnt they have 1 bit in the median, of the 9 that 512 secrets can tell."""
        assert told.scores["exposure"].n == told.scores["exposure_extracted"].n == 3
        assert told.scores["exposure"].value > 3

    def test_they_train_and_judge_nothing(self, told, data_folder):
        lines = (data_folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(told.known_rows) == len(lines)
        assert not any("canary" in record["source"] for record in records(told))
        assert kept(told)["scores"]["generalization_gap"]["n"] < len(lines)

    def test_plan_and_report_say_so(self, told):
        assert told.plan.reasons["measure.canaries"] == (
            "set by the user: 3 made-up rows with a secret each train beside the others, and judge "
            "nothing"
        )
        page = (told.path / "report.html").read_text(encoding="utf-8")
        assert "Exposure of planted secrets" in page
        assert "3 made-up rows with a secret each" in page

    def test_measure_asks_for_them_again(self, told, data_folder):
        found = fewtune.measure(told.path, data_folder / "prompts_test.jsonl")
        assert found.scores["exposure"] == told.scores["exposure"]

    def test_by_default_none_is_planted(self, generated):
        assert "exposure" not in generated.scores
        assert "measure.canaries" not in generated.plan.reasons


@pytest.mark.parametrize("setting", ["measure.canaries=3", "measure.harness=[arc_easy]"])
def test_a_classifier_has_nothing_to_write(setting, fewtune, data_folder, encoder, tmp_path):
    done = fewtune(
        "fit", data_folder / "labelled.csv", "--model", encoder, "-o", tmp_path / "run",
        "--set", setting,
    )  # fmt: skip
    assert done.code == 2
    assert setting.partition("=")[0] in done.err


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm-evaluation-harness is installed")
def test_a_harness_that_is_not_there_is_told_before_anything_is_trained(
    fewtune, data_folder, causal_lm, tmp_path
):
    done = fewtune(
        "fit", data_folder / "prompts.jsonl", "--model", causal_lm, "-o", tmp_path / "run",
        "--set", "measure.harness=[arc_easy]",
    )  # fmt: skip
    assert done.code == 2
    assert "fewtune[lm-eval]" in done.err
    assert not (tmp_path / "run").exists()
