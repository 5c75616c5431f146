"""How long the chosen candidate is trained again, and at what rates."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fewtune.plan.plan import Part, TrainingPlan
from fewtune.select.candidates import Candidate
from fewtune.select.refit import AT_LEAST, _hardly_turned, _schedule, settled
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor

HELD = (Part(name="kl_to_base"),)


class HalfWay(Monitor):
    """Stops at the fifth of ten evaluations."""

    def after_evaluation(self, run, evaluation):
        return Advice("stop", "half way", 0.0) if len(run.evaluations) == 6 else GO


@pytest.mark.parametrize(
    ("schedule", "stop", "expected"),
    [
        # Up to its fifth update of ten: 1 + 0.9 + 0.8 + 0.7 + 0.6 = 4.0. A whole schedule of N has
        # (N + 1) / 2 in all, so seven.
        ("linear", 5, 7),
        # 1.0 alone: (1 + 1) / 2.
        ("linear", 1, 1),
        # What ends at the end stays; so does what never falls.
        ("linear", 10, 10),
        ("constant", 4, 4),
    ],
)
def test_a_whole_schedule_has_as_much_rate_as_the_trial_had(schedule, stop, expected):
    training = TrainingPlan(updates=10, warmup=0.0, schedule=schedule, learning_rate=0.1)
    assert settled(training, rows=40, stop=stop) == expected


def test_one_that_was_best_in_its_warm_up_leaves_it_all_the_same():
    training = TrainingPlan(updates=10, warmup=0.9, learning_rate=0.1)
    # A tenth of the rate in all; even one update has all of it.
    assert settled(training, rows=40, stop=1) == 1


STOPPED = {
    "training.updates": 30,
    "training.evaluations": 10,
    "monitors": [{"name": f"{__name__}:HalfWay"}],
    "regularizers": [],
    "select.dial": [1.0],
}
WHOLE = {
    "training.updates": 8,
    "training.evaluations": 4,
    "training.learning_rate": 1e-3,
    "regularizers": [],
    "select.dial": [1.0],
}


def again(events):
    """Return what was said of the refit."""
    (said,) = [e["values"]["sentence"] for e in events if " again on " in str(e["values"])]
    return said


def test_the_rate_of_the_refit_falls_to_nothing(fit_prompts):
    run, events = fit_prompts(STOPPED)
    steps = [event for event in events if event["kind"] == "step"]
    rates = [e["values"]["rate"] for e in steps if e["stage"].endswith("+all")]
    # Half a schedule has as much rate as seven to eight tenths of a whole one. 32 of 40 rows
    # trained; the eight more are no reason to train longer, since it was best before its end.
    assert run.chosen["updates"] == 15
    assert 0.7 * 30 <= len(rates) <= 0.8 * 30
    # The last update of N is at 1/N of the peak, warm-up apart.
    assert rates[-1] <= 1.2 * max(rates) / (len(rates) - 1)
    assert "mean" not in again(events), "so few updates leave the base to their end"


def test_a_held_one_that_hardly_turned_worse_has_as_many_epochs_of_more_rows(fit_prompts):
    held = [{"name": "kl_to_base", "options": {"samples": 4, "passages": 2, "length": 8}}]
    _, events = fit_prompts({**STOPPED, "regularizers": held})
    steps = [e for e in events if e["kind"] == "step" and e["stage"].endswith("+all")]
    # Half a schedule has as much rate as seven to eight tenths of a whole one, as in the test
    # above; here the eight rows more are trained as often as the 32.
    assert 0.7 * 30 * 40 / 32 <= len(steps) <= 0.8 * 30 * 40 / 32
    assert "as much of each row as it had learnt where it was best, since it" in again(events)


@pytest.mark.parametrize(
    ("losses", "stop", "regularizers", "task", "expected"),
    [
        # A little less than a twentieth worse than its best, and a little more.
        ((3.0, 1.0, 1.049), 10, HELD, "generation", True),
        ((3.0, 1.0, 1.051), 10, HELD, "generation", False),
        # However much had been gained before.
        ((30.0, 1.0, 1.1), 10, HELD, "generation", False),
        # Best at its end: its successor has as many epochs anyway.
        ((3.0, 1.2, 1.0), 20, HELD, "generation", False),
        ((3.0, 1.0, 1.01), 10, (), "generation", False),
        ((3.0, 1.0, 1.01), 10, HELD, "text_classification", False),
        ((), 10, HELD, "generation", False),
    ],
)
def test_what_hardly_turned_worse(losses, stop, regularizers, task, expected):
    candidate = Candidate("full", Part(name="full"), TrainingPlan(updates=20), regularizers)
    trial = SimpleNamespace(
        candidate=candidate,
        turned=stop < 20,
        evaluations=[Evaluation(i, loss, 0.1, loss, -1) for i, loss in enumerate(losses)],
    )
    assert _hardly_turned(SimpleNamespace(task=SimpleNamespace(name=task)), trial) == expected


@pytest.mark.parametrize(
    ("planned", "stop", "regularizers", "task", "expected"),
    [
        # A tenth of a schedule is an eighth to a fifth of a whole one: too short to settle.
        (100, 10, HELD, "generation", 30),
        (100, 10, (), "generation", None),
        (100, 10, HELD, "text_classification", None),
        (100, 10, (), "image_classification", 60),
        (100, 10, HELD, "image_classification", 60),
        # Six tenths of a short plan are the least of it.
        (20, 2, HELD, "generation", 12),
        # Long enough by itself.
        (100, 50, HELD, "generation", None),
    ],
)
def test_one_that_was_best_early_is_trained_long_enough_to_settle(
    planned, stop, regularizers, task, expected
):
    training = TrainingPlan(updates=planned)
    trial = SimpleNamespace(
        candidate=Candidate("full", Part(name="full"), training, regularizers),
        updates=stop,
        turned=True,
        crossfitted=False,
        method=SimpleNamespace(compares=False),
        # Far worse at its end, so that its length stays that of its rate.
        evaluations=[Evaluation(i, loss, 0.1, loss, -1) for i, loss in enumerate((3.0, 1.0, 2.0))],
    )
    material = SimpleNamespace(task=SimpleNamespace(name=task), train=range(40))
    whole, why = _schedule(material, trial, 50, 0)
    assert whole.updates == (expected or settled(training, 40, stop))
    assert (why == AT_LEAST) == bool(expected)


def test_one_that_was_best_at_its_end_has_as_many_epochs_of_more_rows(fit_prompts):
    run, events = fit_prompts(WHOLE)
    assert run.chosen["updates"] == 8, "at so low a rate every update helps"
    # 32 rows trained, all 40 do now: 8 * 40 / 32.
    steps = [e for e in events if e["kind"] == "step" and e["stage"].endswith("+all")]
    assert len(steps) == 10
    assert "mean" not in again(events), "it was learning still"


def test_the_mean_of_the_last_weights_is_kept_after_many_updates_best_before_their_end(fit_prompts):
    # Stopped after thirty of sixty updates, so trained again for about three quarters of them.
    _, events = fit_prompts({**STOPPED, "training.updates": 60})
    updates = len([e for e in events if e["kind"] == "step" and e["stage"].endswith("+all")])
    assert 0.7 * 60 <= updates <= 0.8 * 60
    assert f"the mean of its last {round(0.7 * updates)} weights is kept" in again(events)
