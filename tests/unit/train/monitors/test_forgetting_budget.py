"""The forgetting budget: its figures by hand, and what the loop keeps because of it."""

from __future__ import annotations

import math

import made_data
import numpy as np
import pytest
import torch
from trainings import TwoParameters, TwoParameterTask, begun, training

from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.loop import train
from fewtune.train.monitors._probes import Probes, forgotten, general_rows
from fewtune.train.monitors.base import Evaluation
from fewtune.train.monitors.forgetting_budget import ForgettingBudget


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = made_data.prompts(6, seed=5)
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


def evaluation(update=10, **figures):
    more = {f"forgetting_{name}": value for name, value in figures.items()}
    return Evaluation(update, 1.0, 0.1, 0.5, 1, more=more)


def test_the_divergence_by_hand(tmp_path):
    # From 1/2 everywhere to log odds of -0.6 and 0.6 (see the regularizer's test).
    task, model = TwoParameterTask(), TwoParameters()
    run = begun(training(task, model, task.rows((1, 2, 1), (3, 0, 0)), tmp_path))
    with torch.no_grad():
        model.w.copy_(torch.tensor([0.2, -0.4]))
    q = 1 / (1 + math.exp(0.6))
    found = ForgettingBudget().figures(run)
    expected = -math.log(2) - (math.log(q) + math.log(1 - q)) / 2
    assert found["forgetting_kl"] == pytest.approx(expected, rel=1e-5)
    assert found["forgetting_kl_error"] == pytest.approx(0, abs=1e-6)
    assert model.w.tolist() == pytest.approx([0.2, -0.4])


def test_validation_rows_are_the_prompts_where_there_are_any(tmp_path):
    task, model = TwoParameterTask(), TwoParameters()
    run = begun(training(task, model, task.rows((1, 2, 1)), tmp_path))
    run.validation = task.rows((0, 0, 1))
    with torch.no_grad():
        model.w.fill_(5.0)
    # At the point (0, 0) nothing ever changes.
    assert ForgettingBudget().figures(run)["forgetting_kl"] == pytest.approx(0.0, abs=1e-7)


def test_forgotten_by_hand():
    before = np.array([True] * 6 + [False] * 4)
    after = np.array([True] * 3 + [False] * 3 + [True] + [False] * 3)
    # 3 of 10 were lost; 0.4 · 0.6 / (4 - 1) = 0.08 by chance with four options.
    assert forgotten(before, after, np.full(10, 1 / 3)) == pytest.approx(0.22)
    # With two options chance explains 0.24.
    assert forgotten(before, after, np.ones(10)) == pytest.approx(0.06)
    assert forgotten(before, before, np.ones(10)) == 0.0


def test_two_that_guess_have_forgotten_nothing():
    draw = np.random.default_rng(0)
    before, after = draw.random((2, 20_000)) < 0.5
    assert (before & ~after).mean() == pytest.approx(0.25, abs=0.01)
    assert forgotten(before, after, np.ones(20_000)) < 0.01


def test_probes_come_in_whole_groups(generation):
    task, _ = generation
    probes = Probes(task, 40)
    groups = {item.options for item in probes.items}
    for options in groups:
        assert len([i for i in probes.items if i.options == options]) == len(options)
    assert 30 <= len(probes.items) <= 50
    # The supervised part of each row is its option.
    row = probes._rows[0]
    text = task.tokenizer.decode([y for y in row.labels if y >= 0])
    assert text == probes.items[0].options[0]


def test_a_model_that_knows_the_answers_is_right(generation):
    # Losses as a knowing model would give: 1 nat less for the right option, whatever its frequency.
    task, _ = generation
    probes = Probes(task, 40)

    class Known:
        def outcomes(self, model, rows):
            losses = [
                10.0 * option - (option == item.answer)
                for item in probes.items
                for option in range(len(item.options))
            ]
            return type("Found", (), {"losses": np.asarray(losses)})()

    assert probes.right(Known(), None).all()


def test_figures_of_the_start_are_zero_and_touch_nothing(generation, tmp_path):
    task, rows = generation
    budget = ForgettingBudget({"probes": 20, "paragraphs": 3})
    run = begun(training(task, task.load_model(), rows, tmp_path, monitors=[budget]))
    run.model.train()
    state, weights = torch.get_rng_state(), run.weights()
    found = budget.figures(run)
    assert found["forgetting_flips"] == 0.0
    assert found["forgetting_general"] == pytest.approx(0.0, abs=1e-6)
    assert found["forgetting_kl"] == pytest.approx(0.0, abs=1e-6)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in run.model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in run.weights().items())


def test_the_rise_of_general_text_by_hand(generation, tmp_path):
    task, rows = generation
    budget = ForgettingBudget({"probes": 0, "paragraphs": 4})
    run = begun(training(task, task.load_model(), rows, tmp_path, monitors=[budget]))
    texts = general_rows(task, 4, choosing=True)
    before = task.outcomes(run.model, texts).losses.sum()
    with torch.no_grad():
        run.model.get_input_embeddings().weight.add_(0.05)
    after = task.outcomes(run.model, texts).losses.sum()
    found = budget.figures(run)
    assert found["forgetting_general"] == pytest.approx(after / before - 1, rel=1e-6)
    assert "forgetting_flips" not in found


@pytest.mark.parametrize(
    ("figures", "allowed"),
    [
        ({"flips": 0.019}, True),
        ({"flips": 0.05}, False),
        ({"flips": 0.05, "flips_error": 0.04}, True),
        ({"general": 0.02}, False),
        ({"general": 0.005, "flips": 0.0, "kl": 9.0}, True),
        ({}, True),
    ],
)
def test_what_is_within_the_budget(figures, allowed):
    assert ForgettingBudget().allows(None, evaluation(**figures)) == allowed


def test_a_bound_of_zero_is_none():
    assert ForgettingBudget({"flips": 0}).allows(None, evaluation(flips=0.9))
    assert not ForgettingBudget({"kl": 1.0}).allows(None, evaluation(kl=1.1))


def test_it_bears_one_and_rolls_back_at_the_second():
    run = type("Run", (), {"best_evaluation": evaluation(update=30)})()
    budget = ForgettingBudget()
    assert budget.after_evaluation(run, evaluation(flips=0.05)).action == "warn"
    assert budget.after_evaluation(run, evaluation(flips=0.01)).action == "go"
    assert budget.after_evaluation(run, evaluation(flips=0.05)).action == "warn"
    advice = budget.after_evaluation(run, evaluation(update=50, flips=0.061))
    assert advice.action == "roll back"
    assert advice.figure == 0.061
    for part in ("update 50", "0.061", "0.02", "update 30"):
        assert part in advice.sentence


def test_the_loop_keeps_the_best_within_the_budget(tmp_path):
    # Each update carries the weights further from the start; the headline says: ever better.
    task = TwoParameterTask()
    rows = task.rows((1, 2, 1), (3, 0, 1), (2, 1, 1), (1, 1, 1))

    def tuned(bound):
        budget = ForgettingBudget({"kl": bound, "patience": 2})
        run = training(
            task,
            TwoParameters(),
            rows,
            tmp_path,
            monitors=[budget],
            learning_rate=0.05,
            updates=20,
            evaluations=20,
            schedule="constant",
        )
        train(run)
        return run

    free, bounded = tuned(0), tuned(0.05)
    assert free.best_evaluation.update == 20
    kept = bounded.best_evaluation.update
    figures = [e.more["forgetting_kl"] for e in bounded.evaluations]
    assert figures[0] == pytest.approx(0.0, abs=1e-7)
    assert figures == sorted(figures)
    errors = [e.more["forgetting_kl_error"] for e in bounded.evaluations]
    within = [f - s <= 0.05 for f, s in zip(figures, errors, strict=True)]
    assert kept == max(u for u, fits in enumerate(within) if fits)
    assert 0 < kept < 18
    # Two evaluations were borne, and the weights are those of the one kept.
    assert bounded.evaluations[-1].update == kept + 2
    assert bounded.model.w.tolist() == bounded.best["w"].tolist()
    assert bounded.model.w.norm() < free.model.w.norm()


def test_where_nothing_is_allowed_the_start_is_kept(tmp_path):
    task = TwoParameterTask()
    run = training(
        task,
        TwoParameters(),
        task.rows((1, 2, 1), (3, 0, 1)),
        tmp_path,
        monitors=[ForgettingBudget({"kl": 1e-9, "patience": 1})],
        updates=10,
        evaluations=10,
        learning_rate=0.1,
    )
    train(run)
    assert run.best_evaluation.update == 0
    assert run.model.w.tolist() == [0.0, 0.0]
