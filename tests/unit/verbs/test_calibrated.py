"""A finished classifier is divided by the temperature of rows that it did not know."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import made_data
import numpy as np
import pytest
import torch
from outcomes import classified, generated

from fewtune.measures.calibration import calibrate, tempered
from fewtune.methods.head import features, install
from fewtune.methods.probe import States, fit
from fewtune.models.load import resolve
from fewtune.plan.plan import Plan
from fewtune.records import Example
from fewtune.select.controls import from_shares
from fewtune.tasks.base import TASKS, TaskSettings
from fewtune.train.journal import Journal
from fewtune.verbs.calibrated import calibrated

LABELS = ("billing", "booking", "results")


@pytest.fixture(scope="module")
def solved(encoder):
    """A head fitted out of fold on 60 rows, 30 test rows, and the material they came from."""
    task = TASKS.load("text_classification")(
        resolve(str(encoder)), TaskSettings(), "labelled_text", LABELS
    )
    every = [Example(t, y, f"c:{i}") for i, (t, y) in enumerate(made_data.labelled(30, seed=4))]
    rows = task.encode(every)
    known, test = rows[:60], rows[60:]
    model = task.load_model()
    states = features(model, task, rows)
    truth = np.asarray([row.label for row in rows])
    head = fit(
        States(states[:60], truth[:60], np.ones(60), 3),
        [tuple(range(at, 60, 4)) for at in range(4)],
    )
    install(model, head)
    material = SimpleNamespace(
        task=task, known=known, journal=Journal(None), plan=Plan(model="none")
    )
    return material, model, head, task.outcomes(model, test), test


def test_a_solved_head(solved):
    material, model, head, test, rows = solved
    trial = SimpleNamespace(model=model, head=head, validation=None)
    found = calibrated(material, trial, test)
    unknown = from_shares(material, material.known, head.out_of_fold)
    expected = calibrate(unknown)
    assert found.calibration == expected
    assert expected.temperature != pytest.approx(1.0, abs=0.02)
    # The model itself gives these probabilities from now on, and so does its solved head.
    again = material.task.outcomes(model, rows)
    assert again.probabilities == pytest.approx(found.test.probabilities, abs=1e-5)
    assert again.losses == pytest.approx(found.test.losses, abs=1e-4)
    assert (found.test.predicted == test.predicted).all()
    assert trial.head.weight == pytest.approx(head.weight / expected.temperature)
    assert found.unknown.losses.mean() < unknown.losses.mean()
    assert calibrate(found.unknown).temperature == pytest.approx(1.0, abs=1e-3)


def test_a_trained_candidate_is_calibrated_on_what_it_was_judged_by():
    head = torch.nn.Linear(2, 3)
    before = head.weight.detach().clone()
    unseen = classified([0, 1, 2, 0], [0, 1, 2, 1], sure=0.99)
    trial = SimpleNamespace(model=SimpleNamespace(head=head), head=None, validation=unseen)
    material = SimpleNamespace(journal=Journal(None), plan=Plan(model="none"))
    found = calibrated(material, trial, unseen)
    assert found.calibration.temperature > 1
    assert head.weight.detach().numpy() == pytest.approx(
        before.numpy() / found.calibration.temperature
    )
    assert found.unknown.losses == pytest.approx(
        tempered(unseen, found.calibration.temperature).losses
    )


def test_without_usable_folds_the_validation_rows_serve(solved):
    material, _, head, test, _ = solved
    lacking = replace(head, out_of_fold=np.full_like(head.out_of_fold, np.nan))
    model = SimpleNamespace(head=torch.nn.Linear(2, 3))
    trial = SimpleNamespace(model=model, head=lacking, validation=test)
    assert calibrated(material, trial, test).calibration == calibrate(test)


def test_a_language_model_is_left_alone():
    test = generated([1.0, 2.0], [2, 3])
    found = calibrated(SimpleNamespace(), SimpleNamespace(model=object(), head=None), test)
    assert (found.calibration, found.unknown) == (None, None)
    assert found.test is test
