"""Faults that a user brings: named by ``fit``, before training or after it, and in every output."""

from __future__ import annotations

import io
import json
import random
import shutil

import made_data
import pytest

import fewtune as api
from fewtune.errors import DataError, ModelError
from fewtune.methods.base import own_head
from fewtune.methods.full import Full

FAST = {"training.updates": 12, "training.evaluations": 2, "select.samples": 0}


class FrozenHead(Full):
    """Everything trains but the head."""

    def prepare(self, model, task):
        model = super().prepare(model, task)
        own_head(model).requires_grad_(False)
        return model


@pytest.fixture
def fitted(tmp_path):
    """Fit and return the run with the names of its faults."""

    def call(data, model, test=None, **settings):
        run = api.fit(
            data, str(model), test=test, settings={**FAST, **settings}, output=tmp_path / "r"
        )
        return run, [fault.name for fault in run.diagnosis]

    return call


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_clean_run_has_no_fault(probed, generated):
    assert probed.diagnosis == () and generated.diagnosis == ()
    assert probed.as_json()["diagnosis"] == []


def test_a_rate_far_too_high_is_tried_beside_the_usual_one(fitted, encoder, data_folder):
    run, names = fitted(
        data_folder / "labelled.csv", encoder,
        **{"method.name": "lora", "training.learning_rate": 0.9, "select.rungs": []},
    )  # fmt: skip
    assert names == ["rate_too_high"]
    assert "The learning rate 0.9 is 90 times what is usual" in run.diagnosis[0].evidence
    assert run.diagnosis[0].cure.startswith("Use the usual rate: --set training.learning_rate=0.01")


def test_a_rate_far_too_low_is_named(fitted, causal_lm, data_folder):
    run, names = fitted(
        data_folder / "prompts.jsonl", causal_lm,
        **{"training.learning_rate": 2e-6, "regularizers": [], "select.dial": [1.0]},
    )  # fmt: skip
    assert names == ["rate_too_low"]
    assert run.chosen["learning_rate"] == 2e-6  # what the user set is carried out


def test_a_head_that_cannot_learn_is_named_with_the_loss_of_guessing(fitted, encoder, data_folder):
    run, names = fitted(
        data_folder / "labelled.csv", encoder,
        **{"method.name": f"{__name__}:FrozenHead", "training.head_first": False},
    )  # fmt: skip
    assert names == ["frozen_head"]
    assert "None of the 99 values of the head" in run.diagnosis[0].evidence
    assert "guessing among 3 classes is 1.099" in run.diagnosis[0].evidence


def test_a_frozen_head_that_was_fitted_before_is_no_fault(fitted, encoder, data_folder):
    settings = {"method.name": f"{__name__}:FrozenHead"}
    assert fitted(data_folder / "labelled.csv", encoder, **settings)[1] == []


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_labels_always_hold(fitted, encoder, tmp_path, seed):
    rows = made_data.labelled(40, seed=seed)
    labels = [label for _, label in rows]
    random.Random(seed).shuffle(labels)
    mixed = [(text, label) for (text, _), label in zip(rows, labels, strict=True)]
    run, names = fitted(made_data.write_labelled(tmp_path / "m.csv", mixed), encoder)
    assert names == ["shuffled_labels"]
    assert run.verdict.decision == "hold"
    said = "shuffled labels: Of rows that it was not fitted on"
    assert any(reason.startswith(said) for reason in run.verdict.reasons)


def test_labels_with_signal_are_not_called_shuffled(fitted, encoder, tmp_path):
    rows = made_data.labelled(40, seed=0)
    assert fitted(made_data.write_labelled(tmp_path / "m.csv", rows), encoder)[1] == []


def tokenizer_changed(model, folder, **changes):
    """Return a copy of a model with its tokenizer's settings changed; ``None`` takes one out."""
    shutil.copytree(model, folder)
    path = folder / "tokenizer_config.json"
    kept = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in kept.items() if v is not None}))
    return folder


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_a_tokenizer_without_an_end_is_refused(fitted, causal_lm, data_folder, tmp_path, template):
    model = tokenizer_changed(causal_lm, tmp_path / "m", eos_token=None, chat_template=template)
    with pytest.raises(ModelError, match="Got no end token"):
        fitted(data_folder / "prompts.jsonl", model)


def test_an_end_token_without_weights_is_refused(fitted, causal_lm, data_folder, tmp_path):
    model = tokenizer_changed(causal_lm, tmp_path / "m", eos_token="<|endoftext|>")
    with pytest.raises(ModelError, match=r"no end token that it knows: '<\|endoftext\|>'"):
        fitted(data_folder / "prompts.jsonl", model)
    assert not (tmp_path / "r").exists()


def test_a_template_whose_markers_are_no_tokens_is_named(fitted, causal_lm, data_folder, tmp_path):
    model = tokenizer_changed(causal_lm, tmp_path / "m", chat_template=TEMPLATE)
    run, names = fitted(data_folder / "prompts.jsonl", model, **{"regularizers": []})
    assert names == ["wrong_template"]
    assert "is ChatML, but <|im_start|> is no token" in run.diagnosis[0].evidence


def test_rows_rendered_for_another_model_are_named(fitted, causal_lm, tmp_path):
    rows = [(f"[INST] {asked} [/INST]", told) for asked, told in made_data.prompts(24)]
    data = made_data.write_prompts(tmp_path / "p.jsonl", rows)
    run, names = fitted(data, causal_lm, **{"regularizers": []})
    assert names == ["wrong_template"]
    assert len(run.diagnosis[0].rows) == 24


def test_a_text_rendered_for_another_model_has_a_wrong_template(fitted, causal_lm, tmp_path):
    rows = [f"<|user|>\n{asked}\n<|assistant|>\n{told}" for asked, told in made_data.prompts(24)]
    data = made_data.write_jsonl(tmp_path / "p.jsonl", [{"text": row} for row in rows])
    assert fitted(data, causal_lm, **{"regularizers": []})[1] == ["wrong_template"]


def test_cut_answers_are_named_and_lose_their_end(fitted, causal_lm, data_folder):
    settings = {"task.max_length": 32, "task.truncation": "right", "regularizers": []}
    run, names = fitted(data_folder / "prompts.jsonl", causal_lm, **settings)
    assert names == ["truncation"]
    assert "answers lose their end token" in run.diagnosis[0].evidence
    assert "Raise task.max_length, which is 32" in run.diagnosis[0].cure


def test_cut_texts_are_named(fitted, encoder, data_folder):
    _, names = fitted(data_folder / "labelled.csv", encoder, **{"task.max_length": 6})
    assert names[-1] == "truncation"


def test_a_test_file_of_training_rows_is_refused_by_name(fitted, encoder, data_folder):
    data = data_folder / "labelled.csv"
    with pytest.raises(DataError, match="validation is train: 60 of the 60 rows"):
        fitted(data, encoder, test=data)


@pytest.fixture(scope="module")
def leaked(tmp_path_factory, encoder):
    """A run whose test file holds a fifth of training rows."""
    folder = tmp_path_factory.mktemp("leaked")
    rows, others = made_data.labelled(20, seed=1), made_data.labelled(8, seed=2)
    data = made_data.write_labelled(folder / "data.csv", rows)
    test = made_data.write_labelled(folder / "test.csv", [*others, *rows[:6]])
    return api.fit(data, str(encoder), test=test, output=folder / "run")


class TestWhereItIsTold:
    def test_in_the_run_its_json_and_the_verdict(self, leaked):
        (fault,) = leaked.diagnosis
        assert fault.name == "leakage" and fault.holds
        assert [row.rsplit(":", 1)[1] for row in fault.rows] == [str(n) for n in range(26, 32)]
        assert "The accuracy is" in fault.evidence and "without" in fault.evidence
        assert leaked.as_json()["diagnosis"] == [fault.as_json()]
        assert leaked.verdict.decision == "hold"
        assert fault.cure in leaked.verdict.cures

    def test_once_in_the_journal_before_training(self, leaked):
        lines = lines_of(leaked.path / "journal.jsonl")
        told = [n for n, line in enumerate(lines) if line["kind"] == "diagnosis"]
        trained = next(n for n, line in enumerate(lines) if line["values"].get("name") == "train")
        assert len(told) == 1 and told[0] < trained

    def test_in_the_report_with_its_rows(self, leaked):
        page = (leaked.path / "report.html").read_text()
        assert "What is wrong with this run" in page
        assert "<strong>Leakage.</strong>" in page
        assert "test.csv:26, test.csv:27" in page

    def test_on_the_closing_screen_once(self, leaked):
        from rich.console import Console

        from fewtune.report.tables import summary

        screen = Console(width=200, record=True, file=io.StringIO())
        screen.print(summary(leaked.path))
        assert screen.export_text().lower().count("leakage") == 1


class TestBadInput:
    """What few or strange rows make of a fit: an answer, never a traceback, never a ship."""

    def test_ten_rows(self, fitted, encoder, causal_lm, tmp_path):
        rows = made_data.labelled(5, seed=3, labels=["billing", "booking"])
        run, names = fitted(made_data.write_labelled(tmp_path / "ten.csv", rows), encoder)
        assert run.verdict.decision == "hold" and names == []

    def test_ten_pairs(self, fitted, causal_lm, tmp_path):
        data = made_data.write_prompts(tmp_path / "ten.jsonl", made_data.prompts(10))
        run, names = fitted(data, causal_lm)
        assert names == []
        assert run.scores["loss_per_byte"].n == 2

    def test_a_test_file_of_one_row(self, fitted, encoder, data_folder, tmp_path):
        test = made_data.write_labelled(tmp_path / "one.csv", made_data.labelled(1, seed=9)[:1])
        run, _ = fitted(data_folder / "labelled.csv", encoder, test)
        assert run.verdict.decision == "hold"
        assert run.scores["accuracy"].n == 1
        assert run.scores["accuracy"].high - run.scores["accuracy"].low > 0.5

    def test_a_test_file_with_a_class_never_trained(self, fitted, encoder, data_folder, tmp_path):
        rows = [
            *made_data.labelled(4, seed=9),
            *[(f"may I park there {i}", "parking") for i in range(4)],
        ]
        test = made_data.write_labelled(tmp_path / "more.csv", rows)
        run, names = fitted(data_folder / "labelled.csv", encoder, test)
        lines = lines_of(run.path / "predictions.jsonl")
        parking = [line for line in lines if line["target"] == "parking"]
        assert len(parking) == 4 and not any(line["correct"] for line in parking)
        assert names == ["untrained_class"]
        assert "'parking'" in run.diagnosis[0].evidence
        assert len(run.diagnosis[0].rows) == 4

    def test_probes_that_the_base_gets_all_wrong(self, fitted, causal_lm, data_folder, tmp_path):
        probes = tmp_path / "probes.jsonl"
        with probes.open("w") as file:
            for name in "abcdefghijkl":
                file.write(json.dumps({"prompt": f"name: {name}", "answer": "none of it"}) + "\n")
        settings = {"measure.probes": str(probes), "regularizers": []}
        run, _ = fitted(data_folder / "prompts.jsonl", causal_lm, **settings)
        assert "forgetting" not in run.scores
        silences = json.loads((run.path / "scores.json").read_text())["silences"]
        assert "the base has 0 of 12 probes right" in silences["forgetting"]

    def test_a_base_that_already_solves_the_task(self, fitted, causal_lm, tmp_path):
        row = {"prompt": "food: thai", "completion": "aromi serves thai food by the river."}
        lines = [{**row, "prompt": f"food: thai {n}"} for n in range(30)]
        data = made_data.write_jsonl(tmp_path / "d.jsonl", lines)
        solved = api.fit(
            data, str(causal_lm), output=tmp_path / "first",
            settings={**FAST, "training.updates": 150, "training.learning_rate": 0.02,
                      "regularizers": [], "select.dial": [1.0], "select.refit": False,
                      "controls": ["base"]},
        )  # fmt: skip
        run, names = fitted(data, solved.path / "model", **{"regularizers": []})
        assert names == ["already_solved"]
        assert run.verdict.decision == "hold"
        assert any(cure.startswith("Do not tune") for cure in run.verdict.cures)
