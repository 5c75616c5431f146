"""The few-shot control: training rows before each test row, nothing of them supervised."""

from __future__ import annotations

import json

import pytest

import fewtune
from fewtune.data.tokens import IGNORED
from fewtune.select.controls import _with_shots


@pytest.fixture(scope="module")
def seen(data_folder, causal_lm, tmp_path_factory):
    """The material of a fit, caught where the control is run."""
    from fewtune.select import controls

    caught = {}
    run = controls.run

    def watching(material, name):
        caught["material"] = material
        return run(material, name)

    controls.run = watching
    try:
        fitted = fewtune.fit(
            data_folder / "prompts.jsonl",
            str(causal_lm),
            settings={"training.updates": 2, "training.evaluations": 1, "select.samples": 0},
            output=tmp_path_factory.mktemp("shots") / "run",
        )
    finally:
        controls.run = run
    return caught["material"], fitted


def test_the_same_tokens_are_supervised_with_training_rows_before_them(seen):
    material, _ = seen
    for plain, shot in zip(material.test, _with_shots(material), strict=True):
        added = len(shot.ids) - len(plain.ids)
        assert shot.ids[added:] == plain.ids
        assert shot.labels == (IGNORED,) * added + plain.labels
        assert shot.bytes == plain.bytes
        assert len(shot.ids) <= material.task.max_length()
    assert any(
        len(s.ids) > len(p.ids) for p, s in zip(material.test, _with_shots(material), strict=True)
    )


def test_only_training_rows_are_shown(seen):
    material, _ = seen
    trained = {row.ids for row in material.train}
    shot, plain = _with_shots(material)[0], material.test[0]
    before = shot.ids[: len(shot.ids) - len(plain.ids)]
    while before:
        found = next(ids for ids in trained if before[: len(ids)] == ids)
        before = before[len(found) :]


def test_it_is_judged_on_the_same_rows(seen):
    _, fitted = seen
    kept = json.loads((fitted.path / "scores.json").read_text())
    assert kept["controls"]["few_shot"]["loss_per_byte"]["n"] == fitted.scores["loss_per_byte"].n
    assert "few_shot" in kept["paired"]
