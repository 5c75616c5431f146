"""The head before the rest, with it, or after it: what a fit does, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fewtune
from fewtune.errors import PlanError

QUICK = {"training.updates": 4, "training.evaluations": 2, "select.rungs": []}


def journal(run):
    lines = (run.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def run(data_folder, encoder, tmp_path_factory):
    return fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={"method.name": "contrastive", "training.learning_rate": 1e-2, **QUICK},
        output=tmp_path_factory.mktemp("contrastive") / "run",
    )


def test_the_dial_is_turned_and_all_known_rows_train_at_last(run):
    stages = [e["stage"] for e in journal(run) if e["kind"] == "step"]
    assert set(stages) == {"contrastive", "contrastive+all"}
    curve = {e["values"]["alpha"]: e["values"] for e in journal(run) if e["kind"] == "dial"}
    assert set(curve) == {0.5, 1.0}
    # Every stand has a head of its own: with one head for all, losses would hardly differ.
    assert run.chosen["method"] == "contrastive"
    assert run.chosen["alpha"] in curve


def test_the_last_weights_are_kept_whatever_validation_says(run):
    found = [e["values"]["best"] for e in journal(run) if e["kind"] == "evaluation"]
    assert found == [True] * len(found)
    assert run.chosen["updates"] == 4


def test_its_head_is_what_a_solver_makes_of_its_states(run, data_folder):
    """The kept head is the optimum for the kept encoder: a fresh solution answers the same."""
    from sklearn.linear_model import LogisticRegression

    from fewtune.data.load import load
    from fewtune.methods.head import features

    task, model = run._model
    data = json.loads((run.path / "data.json").read_text())["parts"]
    place = {e.source: e for e in load(str(data_folder / "labelled.csv"))}
    rows = task.encode([place[s] for s in (*data["train"], *data["validation"])])
    states, truth = features(model, task, rows), [row.label for row in rows]
    weight, bias = (p.detach().cpu().numpy() for p in (model.head.weight, model.head.bias))
    ours = states @ weight.T + bias
    # Calibration has divided the logits by a temperature since.
    ours *= next(e["values"]["temperature"] for e in journal(run) if e["kind"] == "calibration")
    answers = []
    for strength in (3.0, 10.0, 30.0, 100.0):
        for named in (False, True):
            names = task.named_rows() if named else []
            x = np.concatenate([states, features(model, task, names)]) if named else states
            y = [*truth, *range(len(names))]
            theirs = LogisticRegression(C=strength, max_iter=2000).fit(x, y)
            answers.append(abs(theirs.decision_function(states) - ours).max())
    assert min(answers) < 1e-2


def test_what_was_measured_is_what_was_kept(run):
    told = [json.loads(x) for x in (run.path / "predictions.jsonl").read_text().splitlines()]
    again = run.predict([record["input"] for record in told])
    assert [a["label"] for a in again] == [record["output"] for record in told]


def test_a_cross_fit_judges_it_out_of_fold(data_folder, encoder, tmp_path):
    found = fewtune.fit(
        data_folder / "labelled.csv",
        str(encoder),
        settings={
            "method.name": "contrastive", "select.folds": 2, "select.dial": [0.5], **QUICK,
        },
        output=tmp_path / "run",
    )  # fmt: skip
    stages = {e["stage"] for e in journal(found) if e["kind"] == "step"}
    assert {"contrastive#1", "contrastive#2"} <= stages


def test_without_head_first_the_start_knows_nothing(data_folder, encoder, tmp_path):
    """A head of zeros says 1/3 for each of three labels: the loss is log 3."""
    first = {}
    for way in (True, False):
        found = fewtune.fit(
            data_folder / "labelled.csv",
            str(encoder),
            settings={"method.name": "full", "training.head_first": way, **QUICK},
            output=tmp_path / str(way),
        )
        seen = [e for e in journal(found) if e["kind"] == "evaluation" and e["update"] == 0]
        first[way] = seen[0]["values"]["validation_loss"]
    assert first[False] == pytest.approx(np.log(3))
    assert first[True] < first[False] - 0.1


@pytest.mark.parametrize(
    ("file", "model", "settings", "words"),
    [
        ("prompts.jsonl", "causal_lm", {"training.head_first": True}, "pretrained with the rest"),
        ("prompts.jsonl", "causal_lm", {"method.name": "contrastive"}, "rows must have classes"),
        (
            "labelled.csv", "encoder",
            {"method.name": "contrastive", "training.head_first": False}, "whose head a solver",
        ),
        (
            "labelled.csv", "encoder",
            {"method.name": "contrastive", "regularizers": [{"name": "kl_to_base"}]},
            "no answers to hold",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(request, data_folder, file, model, settings, words):
    base = str(request.getfixturevalue(model))
    with pytest.raises(PlanError, match=words):
        fewtune.prepare(data_folder / file, base, settings=settings)
