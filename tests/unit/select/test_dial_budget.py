"""The dial of a language model: within the budget where that costs next to nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from outcomes import generated

from fewtune.measures.base import row_measure
from fewtune.plan.plan import Plan
from fewtune.select import budget, dial


def turned(monkeypatch, losses, rises):
    """Turn a dial at whose stands the validation loss and the general loss are as given."""
    stands = dict(zip((0.25, 0.5, 0.75, 1.0), zip(losses, rises, strict=True), strict=True))
    now = {}
    measure = row_measure("loss_per_byte")
    material = SimpleNamespace(
        headline=measure,
        plan=Plan(model="none"),
        validation=(),
        accelerator=SimpleNamespace(num_processes=1),
        journal=SimpleNamespace(write=lambda *a, **k: None),
        task=SimpleNamespace(
            outcomes=lambda model, rows: generated([stands[now["at"]][0] * 10] * 4, [10] * 4)
        ),
    )
    run = SimpleNamespace(
        model=None, start={}, best={}, stage="full", update=1,
        method=SimpleNamespace(solves_after=False, blend=lambda start, best, alpha: alpha),
    )  # fmt: skip

    class General:
        def __init__(self, *_):
            pass

        def losses(self, _):
            return stands[now["at"]][1]

        def rise(self, value):
            return dial.Rise(value, value > 0.05, value / 2)

    monkeypatch.setattr(dial, "General", General)
    monkeypatch.setattr(dial, "restore_weights", lambda model, alpha: now.update(at=alpha))
    return dial.turn(material, run)


@pytest.mark.parametrize(
    ("losses", "rises", "expected"),
    [
        # At 1 the budget is broken; 0.75 keeps it and costs just below one percent of the target.
        ((2.0, 1.5, 1.009, 1.0), (0.0, 0.02, 0.04, 0.09), 0.75),
        # None that is near keeps it: the one that costs least.
        ((2.0, 1.5, 1.009, 1.0), (0.0, 0.02, 0.06, 0.09), 0.75),
        # A twentieth of the target is given up to keep it, and no more.
        ((2.0, 1.3, 1.049, 1.0), (0.0, 0.02, 0.04, 0.09), 0.75),
        ((2.0, 1.3, 1.051, 1.0), (0.0, 0.02, 0.04, 0.09), 1.0),
        # What keeps the budget costs half of the target: the best stays, and the verdict tells.
        ((2.0, 1.5, 1.10, 1.0), (0.0, 0.02, 0.06, 0.09), 1.0),
        # All keep it: the best.
        ((2.0, 1.5, 1.01, 1.0), (0.0, 0.01, 0.02, 0.03), 1.0),
    ],
)
def test_the_budget_is_kept_where_it_costs_next_to_nothing(monkeypatch, losses, rises, expected):
    found = turned(monkeypatch, losses, rises)
    assert found.alpha == expected
    # What is told is what the whole tuning costs, wherever the dial stands.
    assert (found.rise.value, found.rise.error) == (rises[-1], rises[-1] / 2)
    assert found.kept_rise.value == rises[(0.25, 0.5, 0.75, 1.0).index(expected)]


def test_a_rise_and_its_standard_error_by_hand():
    # Losses of 2 and 3 where the base has 1 and 1: 2.5 times as much, 0.5 off in each passage, so
    # an error of sqrt(0.5) of 2.
    general = object.__new__(budget.General)
    general._bound, general._rows, general._base = 0.05, [None, None], np.ones(2)
    outcomes = SimpleNamespace(losses=np.array([2.0, 3.0]))
    general._task = SimpleNamespace(outcomes=lambda model, rows: outcomes)
    rise = general.rise(general.losses(None))
    assert rise.value == pytest.approx(1.5)
    assert rise.error == pytest.approx(0.5**0.5 / 2)
    assert rise.beyond
