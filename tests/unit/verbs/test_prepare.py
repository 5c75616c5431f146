"""Preparing by a plan: what is given beside it is kept in it, or refused, and never dropped."""

from __future__ import annotations

import made_data
import pytest

from fewtune.data.load import load
from fewtune.errors import PlanError
from fewtune.verbs.prepare import prepare
from fewtune.verbs.result import INPUTS

COLUMNS = {"text": "said", "label": "topic"}


@pytest.fixture
def plan(encoder, data_folder):
    return prepare(data_folder / "labelled.csv", str(encoder)).plan


@pytest.fixture
def odd(tmp_path):
    """Rows under names of columns that the plan does not know."""
    rows = made_data.labelled(20, seed=1)
    return made_data.write_csv(tmp_path / "odd.csv", rows, ("said", "topic"))


def test_columns_beside_a_plan_are_kept_in_it_for_predict(encoder, plan, odd):
    made = prepare(odd, str(encoder), plan=plan, columns=COLUMNS)
    assert made.plan.data.columns == COLUMNS
    kept = {field: made.plan.data.columns[field] for field in INPUTS if field in COLUMNS}
    assert len(load(str(odd), columns=kept, need_target=False)) == 60


def test_a_plan_that_is_given_stays_as_it_is(encoder, plan, odd):
    before = plan.model_copy(deep=True)
    prepare(odd, str(encoder), plan=plan, columns=COLUMNS, seed=5, settings={"select.seeds": 2})
    assert plan == before


def test_another_effort_than_the_plans_is_refused(encoder, plan, data_folder, tmp_path):
    data = data_folder / "labelled.csv"
    file = tmp_path / "plan.yaml"
    file.write_text(plan.to_yaml())
    for given in (plan, file):
        with pytest.raises(PlanError, match=r"effort quick.* Got thorough \(--effort\)"):
            prepare(data, str(encoder), plan=given, effort="thorough")
        assert prepare(data, str(encoder), plan=given).plan.effort == "quick"
        assert prepare(data, str(encoder), plan=given, effort="quick").plan.effort == "quick"
    assert prepare(data, str(encoder)).plan.effort == "quick"
    assert prepare(data, str(encoder), effort="normal").plan.effort == "normal"


@pytest.mark.parametrize(
    ("key", "option"),
    [("model", "--model"), ("effort", "--effort"), ("data.test", "--test")],
)
def test_a_setting_that_would_be_kept_unread_is_refused_with_its_option(
    encoder, data_folder, key, option
):
    with pytest.raises(PlanError, match=f"Expected {option} .*Got the setting {key}"):
        prepare(data_folder / "labelled.csv", str(encoder), settings={key: "quick"})
