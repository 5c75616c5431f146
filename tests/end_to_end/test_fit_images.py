"""A folder of images by class is fitted, reported and predicted from, as a user would."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import fewtune
from fewtune.cli.main import app
from fewtune.errors import PlanError
from fewtune.models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise in three tones, twelve pictures of each."""
    root = tmp_path_factory.mktemp("tones")
    for tone, label in enumerate(("dark", "grey", "light")):
        (root / label).mkdir()
        for number in range(12):
            draw = np.random.default_rng(100 * tone + number)
            noise = draw.integers(0, 20, (36, 40, 3)) + 115 * tone
            Image.fromarray(noise.astype(np.uint8)).save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny.save_mobilenet(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def run(folder, model, tmp_path_factory):
    changes = {"training.updates": 12, "training.evaluations": 3}
    output = tmp_path_factory.mktemp("runs") / "run"
    return fewtune.fit(folder, model, settings=changes, output=output)


def test_the_plan_is_one_for_images(run):
    plan = run.plan
    assert (plan.task.name, plan.method.name) == ("image_classification", "partial")
    assert (plan.select.rungs, plan.controls) == ([], ["majority", "frozen"])
    assert set(run.controls) == {"majority", "frozen"}


def test_the_frozen_blocks_were_computed_once(run):
    events = [json.loads(line) for line in (run.path / "journal.jsonl").read_text().splitlines()]
    (trunk,) = [e["values"] for e in events if e["kind"] == "trunk"]
    assert trunk["blocks"] == 11 and trunk["rows"] > 20


def test_tones_are_told_apart_and_the_report_shows_it(run):
    assert run.scores["accuracy"].value > 0.7
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Image classification" in page


def test_predict_answers_a_folder_an_image_and_no_text(run, folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for label in ("dark", "light"):
        (flat / f"{label}.png").write_bytes((folder / label / "3.png").read_bytes())
    answers = fewtune.open(run.path).predict_file(flat)
    assert [a["label"] for a in answers] == ["dark", "light"]
    assert run.predict(str(flat / "light.png"))["label"] == "light"
    cli = CliRunner()
    one = cli.invoke(app, ["predict", str(run.path), "--data", str(flat / "dark.png")])
    assert json.loads(one.stdout)["label"] == "dark"
    with pytest.raises(Exception, match="--data"):
        cli.invoke(app, ["predict", str(run.path), "--text", "hello"], catch_exceptions=False)


def test_controls_and_methods_for_text_are_refused(folder, model, tmp_path):
    for change in ({"controls": ["tfidf"]}, {"method.name": "prefix"}):
        with pytest.raises(PlanError, match="image_classification"):
            fewtune.fit(folder, model, settings=change, output=tmp_path / "none")


def test_images_that_were_trained_on_are_known_again_in_another_folder(run, folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    found = fewtune.measure(run.path, moved)
    known = len(run.known_rows)
    assert 20 < known < 36
    assert found.notes[0].startswith(f"{known} of 36 rows were trained on")
    # A file whose pixels changed is another row.
    Image.new("RGB", (40, 36), (9, 9, 9)).save(moved / "dark" / "0.png")
    Image.new("RGB", (40, 36), (9, 9, 9)).save(moved / "dark" / "1.png")
    again = fewtune.measure(run.path, moved)
    assert int(again.notes[0].split()[0]) < known


def test_the_same_folder_elsewhere_is_fitted_alike_and_compared_row_by_row(
    run, folder, model, tmp_path
):
    moved = shutil.copytree(folder, tmp_path / "moved")
    changes = {"training.updates": 12, "training.evaluations": 3}
    again = fewtune.fit(moved, model, settings=changes, output=tmp_path / "again")
    (difference,) = fewtune.compare([run.path, again.path]).paired.values()
    assert difference.n == run.scores["accuracy"].n
    assert difference.value == 0.0
    losses = [
        [json.loads(line)["loss"] for line in (path / "predictions.jsonl").read_text().splitlines()]
        for path in (run.path, again.path)
    ]
    assert sorted(losses[0]) == sorted(losses[1])


def test_a_model_of_images_is_held_whole(folder, tmp_path):
    """Its passes may be in bfloat16; its memory is told, and its base read, in float32."""
    from fewtune.plan.precision import lowers_base
    from fewtune.verbs.foreseen import task_of

    made = fewtune.prepare(
        folder,
        str(tiny.save_image_transformer(tmp_path)),
        settings={"method.name": "lora", "training.precision": "bf16", "select.rungs": []},
    )
    assert not lowers_base(made.plan, made.parameters, "cpu")
    assert not task_of(made).lowered
