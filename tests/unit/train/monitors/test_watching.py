"""Time, standing still and over-memorization: when each speaks, and with which figure."""

from __future__ import annotations

import made_data
import numpy as np
import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, begun, no_evaluation, training

from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation, Monitor, Step
from fewtune.train.monitors.early_stopping import EarlyStopping
from fewtune.train.monitors.over_memorization import OverMemorization, right_shares, with_typos
from fewtune.train.monitors.time_budget import TimeBudget
from fewtune.train.monitors.underfitting import Underfitting


@pytest.fixture
def toy(tmp_path):
    task = TwoParameterTask()
    return training(task, TwoParameters(), task.rows((1, 2, 1), (3, 0, 0)), tmp_path, updates=40)


def step(update, loss=1.0):
    return Step(update, loss, 1.0, 1e-3)


class Clock:
    """A journal whose time is set by the test."""

    seconds = 100.0

    def write(self, *arguments, **values):
        pass


def test_time_is_counted_from_the_first_update(toy):
    toy.journal = Clock()
    budget = TimeBudget({"seconds": 60})
    assert budget.after_step(toy, step(1)).action == "go"
    toy.journal.seconds = 159.0
    assert budget.after_step(toy, step(2)).action == "go"
    toy.journal.seconds = 161.0
    advice = budget.after_step(toy, step(3))
    assert advice.action == "stop"
    assert advice.figure == pytest.approx(61.0)
    assert "61 seconds" in advice.sentence
    assert "3 of 40 updates" in advice.sentence


@pytest.mark.parametrize(
    ("headline", "stops_at"),
    [(lambda loss: (loss, -1), 11), (lambda loss: (0.5, 1), 2)],
    ids=["a generator's headline is its loss", "a headline that stands still"],
)
def test_a_fall_within_the_noise_improves_where_the_loss_is_the_headline(headline, stops_at):
    """Nine falls of 0.001, of which one standard error is 0.05 and wanted; then it stands still."""
    monitor = EarlyStopping({"patience": 2, "least": 1.0})
    losses = [1.0 - 0.001 * min(number, 9) for number in range(12)]
    said = [
        monitor.after_evaluation(None, Evaluation(number, loss, 0.05, *headline(loss))).action
        for number, loss in enumerate(losses)
    ]
    assert said.index("stop") == stops_at


def test_time_goes_on_in_a_resumed_run(toy):
    toy.journal = Clock()
    first = TimeBudget({"seconds": 60})
    first.after_step(toy, step(1))
    second = TimeBudget({"seconds": 60})
    second.state = dict(first.state)
    toy.journal.seconds = 170.0
    assert second.after_step(toy, step(2)).action == "stop"


def test_what_was_learned_until_time_was_over_is_kept(tmp_path):
    class StopAt(Monitor):
        def after_step(self, run, seen):
            from fewtune.train.monitors.base import GO, Advice

            return Advice("stop", "time") if seen.update == 7 else GO

    task = TwoParameterTask()
    rows = task.rows((1, 2, 1), (3, 0, 1))
    run = training(task, TwoParameters(), rows, tmp_path, updates=40, monitors=[StopAt()])
    train(run)
    assert [e.update for e in run.evaluations] == [0, 7]
    assert run.best_evaluation.update == 7
    assert run.model.w.abs().min() > 0


def watched(toy, losses, validation, start=1.0):
    """Return what ``underfitting`` says at the last of the updates."""
    monitor = Underfitting()
    toy.evaluations = [Evaluation(0, start, 0.1, 0.5, 1)]
    for number, loss in enumerate(losses, start=1):
        monitor.after_step(toy, step(number, loss))
    found = Evaluation(len(losses), validation, 0.1, 0.5, 1)
    toy.evaluations.append(found)
    return monitor, monitor.after_evaluation(toy, found)


def test_nothing_moved(toy):
    losses = [1.0 + 0.1 * (-1) ** i for i in range(40)]
    monitor, advice = watched(toy, losses, validation=0.995)
    assert advice.action == "warn"
    for part in ("nothing moved", "0.9950", "1.0000", "0.01", "40 of 40"):
        assert part in advice.sentence
    # It is said once.
    assert monitor.after_evaluation(toy, toy.evaluations[-1]).action == "go"


@pytest.mark.parametrize(
    ("losses", "validation"),
    [
        ([1.0 - 0.02 * i for i in range(40)], 0.99),
        ([1.0] * 40, 0.8),
        ([1.0] * 40, 1.3),
        ([0.01] * 40, 1.0),
        ([1.0] * 10, 1.0),
    ],
    ids=["training fell", "validation fell", "validation rose", "solved", "too early"],
)
def test_something_moved_or_it_is_too_early_to_say(toy, losses, validation):
    assert watched(toy, losses, validation)[1].action == "go"


def test_a_rate_too_low_is_seen_in_a_real_training(tmp_path):
    def said(rate):
        task, heard = TwoParameterTask(), []
        rows = task.rows((1, 2, 1), (3, 0, 1), (1, 1, 1), (-1, -2, 0))

        class Hears(Underfitting):
            def after_evaluation(self, run, evaluation):
                advice = super().after_evaluation(run, evaluation)
                heard.append(advice.action)
                return advice

        run = training(
            task,
            model := TwoParameters(),
            rows,
            tmp_path,
            evaluate=lambda update: Evaluation(
                update, float(task.outcomes(model, rows).losses.mean()), 0.1, 0.5, 1
            ),
            monitors=[Hears()],
            learning_rate=rate,
            updates=20,
            evaluations=5,
        )
        train(run)
        return "warn" in heard

    assert said(1e-6)
    assert not said(1e-1)


@pytest.fixture(scope="module")
def classification(encoder):
    labels = ["billing", "booking", "results"]
    task = TextClassification(Source("tiny", str(encoder)), TaskSettings(), labels=labels)
    rows = made_data.labelled(8, seed=5)
    return task, task.encode([Example(a, b, f"c:{i}") for i, (a, b) in enumerate(rows)])


def over_memorized(task, rows, folder, losses=(0.4, 0.55)):
    """Return a monitor's advice where the weights now are those of the best snapshot."""
    run = begun(training(task, task.load_model(), rows, folder))
    run.validation = rows
    run.best = run.weights()
    run.evaluations = [Evaluation(i, loss, 0.1, 0.5, 1) for i, loss in enumerate(losses)]
    run.best_evaluation = run.evaluations[0]
    return run, OverMemorization({"answers": 4})


def test_a_low_loss_is_never_over_memorized(classification, tmp_path):
    run, monitor = over_memorized(*classification, tmp_path, losses=(0.5, 0.59))
    monitor._third_sign = None  # Not callable: it must not be looked at.
    assert monitor.after_evaluation(run, run.evaluations[-1]).action == "go"


def test_two_signs_are_no_alarm(classification, tmp_path):
    # Loss up and accuracy flat, but robustness is the same: the weights did not change.
    run, monitor = over_memorized(*classification, tmp_path)
    assert monitor.after_evaluation(run, run.evaluations[-1]).action == "go"


def test_three_signs_are_an_alarm_with_their_figures(classification, tmp_path, monkeypatch):
    task, rows = classification
    run, monitor = over_memorized(task, rows, tmp_path)
    clean = {row.example.input for row in rows}

    def answers(run, some):
        """All right now and then, but under typos half as often now."""
        held = all(torch.equal(run.best[n], p) for n, p in run.model.named_parameters())
        typed = any(row.example.input not in clean for row in some)
        right = np.ones(len(some))
        if typed and not held:
            right[::2] = 0
        return right

    monkeypatch.setattr("fewtune.train.monitors.over_memorization.right_shares", answers)
    with torch.no_grad():
        run.model.head.bias.add_(1.0)
    advice = monitor.after_evaluation(run, run.evaluations[-1])
    assert advice.action == "warn"
    assert advice.figure == pytest.approx(0.55 / 0.4)
    for part in ("1.38 times", "100.0%", "under typos fell from 100.0% to 50.0%"):
        assert part in advice.sentence
    assert monitor.after_evaluation(run, run.evaluations[-1]).action == "go"


def test_accuracy_that_falls_is_another_thing(classification, tmp_path):
    task, rows = classification
    run, monitor = over_memorized(task, rows, tmp_path)
    monitor._third_sign = lambda *_: " and all fell"
    assert monitor.after_evaluation(run, run.evaluations[-1]).action == "warn"
    run, monitor = over_memorized(task, rows, tmp_path)
    monitor._third_sign = lambda *_: " and all fell"
    # In the best snapshot all rows are right that bear the commonest label; now another wins.
    with torch.no_grad():
        run.best["head.bias"][0] = 5.0
        run.model.head.bias[:] = torch.tensor([-50.0, -50.0, -50.0])
    right = right_shares(run, rows)
    assert 0 < right.mean() < 1
    run.validation = [row for row in rows if row.label == 0]
    with torch.no_grad():
        run.model.head.bias[1] = 50.0
    assert monitor.after_evaluation(run, run.evaluations[-1]).action == "go"


def test_less_diverse_answers_are_the_third_sign_of_generation(causal_lm, tmp_path):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(max_new_tokens=12), "prompt")
    pairs = made_data.prompts(6, seed=5)
    rows = task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(pairs)])
    run, monitor = over_memorized(task, rows, tmp_path)
    assert monitor._third_sign(run, rows) is None
    # A model that is sure of one token repeats it.
    with torch.no_grad():
        run.model.get_input_embeddings().weight.mul_(60)
    sentence = monitor._third_sign(run, rows)
    assert "distinct word pairs" in sentence


def test_right_shares_by_hand(tmp_path):
    task = TwoParameterTask()
    rows = task.rows((1, 0, 1), (1, 0, 0), (-1, 0, 0), (0, 1, 1))
    run = training(task, TwoParameters(2.0, -1.0), rows, tmp_path)
    assert right_shares(run, rows).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_typos_keep_letters_and_repeat_themselves():
    example = Example("please cancel my appointment for tomorrow morning", "x", "a:1")
    first = with_typos(example, seed=0)
    assert first == with_typos(example, seed=0)
    assert first.input != example.input
    assert sorted(first.input) == sorted(example.input)
    assert first.target == "x"


def test_evaluations_of_the_tests_get_better():
    assert no_evaluation(2).loss < no_evaluation(1).loss
