"""Going on with a run: what is given again must be what it was begun with, or nothing is done."""

from __future__ import annotations

import json

import made_data
import pytest
import yaml

from fewtune.errors import PlanError, RunError
from fewtune.plan.plan import read
from fewtune.store.runs import RunFolder
from fewtune.verbs.prepare import prepare
from fewtune.verbs.resumed import note_inputs, refuse_other_inputs, refuse_other_settings

SETTINGS = {"training.updates": 12, "method.name": "lora", "method.options": {"rank": 4}}


@pytest.fixture
def data(data_folder):
    return data_folder / "labelled.csv"


@pytest.fixture
def begun(tmp_path, data, encoder):
    """A run folder as ``fit`` begins it, without a test file."""
    prepared = prepare(data, str(encoder), settings=SETTINGS, effort="normal", seed=3)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_text("plan.yaml", prepared.plan.to_yaml())
    note_inputs(folder, prepared)
    return folder


def again(folder, data, encoder, **given):
    refuse_other_inputs(
        folder, prepare(data, str(encoder), plan=folder.path / "plan.yaml", **given)
    )


def test_the_same_is_gone_on_with(begun, data, encoder):
    again(begun, data, encoder)


def test_a_test_file_that_comes_later_is_another_split(begun, data, encoder, data_folder):
    with pytest.raises(RunError, match=r"Expected the test rows .* Got others"):
        again(begun, data, encoder, test=data_folder / "labelled_test.csv")


def test_another_test_file_is_refused_and_the_same_rows_elsewhere_are_not(
    tmp_path, data, encoder, data_folder
):
    first = data_folder / "labelled_test.csv"
    prepared = prepare(data, str(encoder), test=first)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_text("plan.yaml", prepared.plan.to_yaml())
    note_inputs(folder, prepared)
    moved = tmp_path / "moved.csv"
    moved.write_bytes(first.read_bytes())
    again(folder, data, encoder, test=moved)
    other = made_data.write_labelled(tmp_path / "other.csv", made_data.labelled(10, seed=9))
    with pytest.raises(RunError, match="test rows"):
        again(folder, data, encoder, test=other)


def test_other_validation_rows_are_refused(begun, data, encoder):
    """As where the way of splitting was changed between two sittings."""
    kept = json.loads((begun.path / "inputs.json").read_text())
    begun.write_json("inputs.json", kept | {"validation": "0" * 16})
    with pytest.raises(RunError, match="validation rows"):
        again(begun, data, encoder)


def test_a_run_of_before_that_kept_no_parts_is_gone_on_with(begun, data, encoder, data_folder):
    kept = json.loads((begun.path / "inputs.json").read_text())
    begun.write_json("inputs.json", {name: kept[name] for name in ("data", "model")})
    again(begun, data, encoder)
    begun.write_json("inputs.json", {"model": kept["model"]})
    with pytest.raises(RunError, match="Expected the data "):
        again(begun, data, encoder)


def test_the_command_that_began_it_is_taken_again(begun):
    kept = read(begun.path / "plan.yaml")
    refuse_other_settings(kept)
    refuse_other_settings(kept, settings=SETTINGS, effort="normal", seed=3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"settings": {"training.updates": 30}}, "training.updates 30, the run has 12"),
        ({"settings": {"method.name": "full"}}, "method.name full, the run has lora"),
        ({"settings": {"select.search": 4}}, "select.search 4, the run has 0"),
        ({"effort": "quick"}, "effort quick, the run has normal"),
        ({"seed": 4}, "seed 4, the run has 3"),
    ],
)
def test_what_would_be_dropped_is_refused_by_name(begun, given, told):
    with pytest.raises(PlanError, match=told):
        refuse_other_settings(read(begun.path / "plan.yaml"), **given)


def test_a_plan_file_beside_it_has_to_be_the_same(begun, tmp_path, data, encoder):
    """What the command line gives beside a plan file is no part of it."""
    kept = read(begun.path / "plan.yaml")
    file = tmp_path / "plan.yaml"
    values = kept.model_dump(mode="json") | {"model": "elsewhere", "seed": 0, "reasons": {}}
    values["data"] |= {"test": "other.csv", "columns": {}}
    file.write_text(yaml.safe_dump(values))
    refuse_other_settings(kept, plan=file)
    refuse_other_settings(kept, plan=file, seed=3)
    values["training"]["updates"] = 40
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(PlanError, match=r"training\.updates 40, the run has 12"):
        refuse_other_settings(kept, plan=file)
    refuse_other_settings(kept, plan=file, settings={"training.updates": 12})
