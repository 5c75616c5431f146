"""Rate too high: a training that diverged is named, also where a fold of a cross-fit did."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fewtune.diagnoses.base import Case
from fewtune.diagnoses.rate_too_high import RateTooHigh
from fewtune.plan.plan import Plan
from fewtune.records import Event


@pytest.mark.parametrize(("stage", "named"), [("full", 1), ("full#2", 1), ("full~20", 0), ("b", 0)])
def test_a_candidate_or_a_fold_of_one_that_diverged(stage, named):
    said = Event("monitor", stage, 7, 0.0, {"monitor": "divergence", "sentence": "it rose"})
    trial = SimpleNamespace(name="full", learning_rate=0.3)
    case = Case(None, Plan(model="none"), trials=[trial], events=[said])
    found = list(RateTooHigh().examine(case))
    assert len(found) == named
    if named:
        assert found[0].evidence == f"{stage} diverged at update 7: it rose."
        assert found[0].cure == "Use a lower rate: --set training.learning_rate=0.1"
