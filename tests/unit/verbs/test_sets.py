"""Sets of labels from a run: what they hold, and what is refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import made_data
import numpy as np
import pytest
import torch

from fewtune.errors import DataError, RunError
from fewtune.measures.calibration import Calibration
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.plan.plan import Part, Plan, TaskPlan
from fewtune.tasks.base import TASKS
from fewtune.verbs.kept import write_model
from fewtune.verbs.result import open_run

LABELS = ("billing", "booking", "results")
TEXTS = [text for text, _ in made_data.labelled(4, seed=5)]
KEPT = Calibration(1.5, 40, {80: 0.34, 90: 0.3})


def written(folder, encoder, calibration):
    """Write a run of a head drawn at random, with or without a calibration."""
    settings = TaskPlan(name="text_classification")
    task = TASKS.load(settings.name)(resolve(str(encoder)), settings, "labelled_text", LABELS)
    head = METHODS.load("head")()
    model = head.prepare(task.load_model(), task)
    torch.manual_seed(1)
    with torch.no_grad():
        model.head.weight.normal_(std=2.0)
    (folder / "model").mkdir(parents=True)
    plan = Plan(model=str(encoder), task=settings, method=Part(name="head"))
    (folder / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    scores = {
        "verdict": {"decision": "hold", "reasons": [], "cures": []},
        "scores": {}, "controls": {}, "chosen": {}, "seconds": 0,
    }  # fmt: skip
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    trial = SimpleNamespace(method=head, model=model.eval(), alpha=1.0)
    write_model(folder / "model", SimpleNamespace(task=task), trial, calibration)
    return task, model, open_run(folder)


def test_a_set_holds_the_labels_that_are_likely_enough(tmp_path, encoder):
    task, model, run = written(tmp_path / "run", encoder, KEPT)
    plain = run.predict(TEXTS)
    assert all("set" not in answer for answer in plain)
    answers = run.predict(TEXTS, coverage=0.9)
    shares = _shares(task, model)
    for answer, old, row in zip(answers, plain, shares, strict=True):
        expected = [LABELS[at] for at in np.argsort(-row) if row[at] >= 0.3]
        assert answer["set"] == expected
        assert {k: v for k, v in answer.items() if k != "set"} == old
    sizes = [len(answer["set"]) for answer in answers]
    assert len(set(sizes)) > 1, "the sets should differ"
    fewer = run.predict(TEXTS, coverage=0.8)
    assert sum(len(answer["set"]) for answer in fewer) <= sum(sizes)
    assert run.predict(TEXTS[0], coverage=0.9) == answers[0]


def _shares(task, model):
    from fewtune.records import Example

    rows = task.encode([Example(t, LABELS[0], f"s:{i}") for i, t in enumerate(TEXTS)])
    return task.outcomes(model, rows).probabilities


def test_a_coverage_that_the_rows_do_not_bear_is_refused(tmp_path, encoder):
    _, _, run = written(tmp_path / "run", encoder, KEPT)
    with pytest.raises(DataError, match="whole percents"):
        run.predict(TEXTS, coverage=0.99)


def test_a_run_without_a_calibration_says_so(tmp_path, encoder):
    _, _, run = written(tmp_path / "run", encoder, None)
    assert run.predict(TEXTS[0])["label"] in LABELS
    with pytest.raises(RunError, match="bounds for sets"):
        run.predict(TEXTS[0], coverage=0.9)


def test_the_command_line_tells_the_set(tmp_path, encoder, fewtune):
    _, _, run = written(tmp_path / "run", encoder, KEPT)
    told = fewtune("predict", run.path, "--text", TEXTS[0], "--coverage", "0.9")
    answer = run.predict(TEXTS[0], coverage=0.9)
    assert told.code == 0
    assert told.out.rstrip("\n").split("\t")[2] == (
        ", ".join(answer["set"]) or "none is likely enough"
    )
    data = made_data.write_csv(tmp_path / "ask.csv", [(t,) for t in TEXTS], ("text",))
    rows = fewtune("predict", run.path, "--data", data, "--coverage", "0.9")
    found = [json.loads(line) for line in rows.out.splitlines()]
    assert [row["set"] for row in found] == [a["set"] for a in run.predict(TEXTS, coverage=0.9)]
    assert fewtune("predict", run.path, "--text", "a", "--coverage", "0.999").code == 2
