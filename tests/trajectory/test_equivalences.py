"""What must not change the weights that a training ends with, and what must."""

from __future__ import annotations

import math
from dataclasses import replace

import made_data
import pytest
import torch
from torch.nn.functional import cross_entropy
from trainings import TwoParameters, TwoParameterTask, no_evaluation, training

from fewtune.data.batches import Order, chunks
from fewtune.errors import PlanError, TrainingStopped
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.regularizers.base import Regularizer
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train
from fewtune.train.monitors.base import Evaluation
from fewtune.train.monitors.early_stopping import EarlyStopping
from fewtune.train.monitors.nonfinite import Nonfinite
from fewtune.train.optimizer import rate_at


@pytest.fixture
def generation(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(dropout=0.0), "prompt")


@pytest.fixture
def answers(generation):
    """Rows of different lengths and weights."""
    rows = generation.encode(
        [
            Example(a, b * (1 + place % 3), f"made:{place}", weight=1.0 + place % 2)
            for place, (a, b) in enumerate(made_data.prompts(8, seed=4))
        ]
    )
    assert len({row.length for row in rows}) > 3
    return rows


def parameters(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def ends_with(task, rows, folder, **settings):
    """Train a fresh model and return its weights."""
    run = training(task, task.load_model(), rows, folder, **settings)
    train(run)
    return parameters(run.model)


def largest_difference(first, second):
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_cutting_an_update_differently_changes_nothing(generation, answers, tmp_path):
    """1×8, 2×4, 4×2 and 8×1 rows: the loss is normalised over the whole update, not per batch."""
    lengths = [row.length for row in answers]
    widest = max(lengths)
    cuts = {budget: len(list(chunks(range(8), lengths, budget))) for budget in
            (8 * widest, 4 * widest, 2 * widest, 1)}  # fmt: skip
    assert len(set(cuts.values())) == 4, f"the budgets cut alike: {cuts}"
    assert cuts[1] == 8
    ends = [
        ends_with(
            generation, answers, tmp_path, batch_size=8, updates=4, learning_rate=1e-3,
            tokens_per_batch=budget,
        )
        for budget in cuts
    ]  # fmt: skip
    moved = largest_difference(parameters(generation.load_model()), ends[0])
    assert moved > 1e-3
    for other in ends[1:]:
        assert largest_difference(ends[0], other) < 1e-6


def test_the_loss_is_the_mean_over_supervised_tokens(generation, answers, tmp_path):
    """Recomputed row by row from the model's own logits, weights of rows included."""
    model = generation.load_model()
    total = weight = 0.0
    with torch.no_grad():
        for row in answers:
            logits = model(input_ids=torch.tensor([row.ids])).logits[0, :-1]
            labels = torch.tensor(row.labels[1:])
            nll = cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
            total += row.example.weight * float(nll)
            weight += row.example.weight * int((labels != -100).sum())
    heard = []
    run = training(generation, model, answers, tmp_path, batch_size=8, updates=1)
    run.journal.listeners.append(heard.append)
    train(run)
    (step,) = [event for event in heard if event.kind == "step"]
    assert step.values["loss"] == pytest.approx(total / weight, rel=1e-5)


@pytest.fixture
def classification(encoder):
    settings = TaskSettings(dropout=0.2)
    return TextClassification(
        resolve(str(encoder)), settings, labels=["billing", "booking", "results"]
    )


@pytest.fixture
def sentences(classification):
    return classification.encode(
        [Example(t, label, f"made:{i}") for i, (t, label) in enumerate(made_data.labelled(4))]
    )


def test_evaluations_in_between_change_nothing(classification, sentences, tmp_path):
    """Dropout is on, and the evaluation draws random numbers and leaves evaluation mode behind."""

    def run(evaluations):
        model = classification.load_model()
        seen = []

        def evaluate(update):
            seen.append(update)
            classification.outcomes(model, sentences)
            torch.rand(7)
            return no_evaluation(update)

        made = training(
            classification, model, sentences, tmp_path, evaluate=evaluate, updates=6,
            evaluations=evaluations,
        )  # fmt: skip
        train(made)
        return seen, parameters(made.model)

    few, once = run(1)
    many, often = run(6)
    assert few == [0, 6]
    assert many == [0, 1, 2, 3, 4, 5, 6]
    assert all(torch.equal(once[name], often[name]) for name in once)


def test_dropout_is_on_while_training_and_the_seed_decides_it(classification, sentences, tmp_path):
    same = [ends_with(classification, sentences, tmp_path, seed=1) for _ in range(2)]
    other = ends_with(classification, sentences, tmp_path, seed=2)
    assert largest_difference(*same) == 0
    assert largest_difference(same[0], other) > 0
    classification.settings = TaskSettings(dropout=0.0)
    without = ends_with(classification, sentences, tmp_path, seed=1)
    assert largest_difference(same[0], without) > 0


@pytest.mark.parametrize("method", ["head", "lora"])
def test_what_is_frozen_has_no_gradient_and_stays(classification, sentences, tmp_path, method):
    run = training(
        classification, classification.load_model(), sentences, tmp_path, method=method, updates=3
    )
    before = parameters(run.model)
    train(run)
    moving = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    for name, parameter in run.model.named_parameters():
        assert (id(parameter) in moving) == parameter.requires_grad, name
        if parameter.requires_grad:
            assert not torch.equal(parameter, before[name]), name
        else:
            assert parameter.grad is None, name
            assert torch.equal(parameter, before[name]), name
    trained = {name for name, p in run.model.named_parameters() if p.requires_grad}
    if method == "head":
        assert trained == {"head.weight", "head.bias"}
    else:
        assert any("lora_A" in name for name in trained)
        assert all("lora_" in name or name.startswith("head.") for name in trained)


# The two-parameter problem: everything is known, so the whole loop can be written out again.

POINTS = [(1, 2, 1), (2, -1, 0), (-1, 1, 1), (3, 1, 1), (-2, -2, 0)]


def reference(rows, updates, plan, counts, size, seed):
    """Return w and the losses of AdamW written out: no loop of ours, no optimizer of torch's."""
    w = torch.tensor([0.3, -0.2], dtype=torch.float64)
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    order = Order([row.length for row in rows], size, seed)
    losses = []
    for update in range(updates):
        group = [rows[i] for i in order.rows(update)]
        gradient, loss, weight = torch.zeros_like(w), 0.0, 0.0
        for row in group:
            x = torch.tensor(row.ids, dtype=torch.float64)
            p = 1 / (1 + math.exp(-float(w @ x)))
            share = row.example.weight
            gradient += share * (p - row.label) * x
            loss += share * -math.log(p if row.label else 1 - p)
            weight += share
        gradient, loss = gradient / weight, loss / weight
        losses.append(loss)
        norm = float(gradient.norm())
        if plan.clip and norm > plan.clip:
            gradient = gradient * plan.clip / norm
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        at = update + 1
        rate = rate_at(update, plan, counts)
        w = w - rate * (m / (1 - 0.9**at)) / ((v / (1 - 0.999**at)).sqrt() + 1e-8)
    return w, losses


@pytest.mark.parametrize("settings", [{}, {"clip": 0.05}, {"warmup": 0.3, "schedule": "cosine"}])
def test_every_update_is_the_one_worked_out_by_hand(tmp_path, settings):
    """Five rows in updates of two: the last update of an epoch has one row and counts too."""
    task = TwoParameterTask()
    rows = task.rows(*POINTS)
    rows[1] = replace(rows[1], example=replace(rows[1].example, weight=3.0))
    heard = []
    run = training(
        task, TwoParameters(0.3, -0.2), rows, tmp_path, batch_size=2, updates=9,
        learning_rate=0.1, seed=5, **settings,
    )  # fmt: skip
    run.journal.listeners.append(heard.append)
    assert run.counts.updates_per_epoch == 3
    train(run)
    w, losses = reference(rows, 9, run.plan, run.counts, 2, seed=5)
    told = [event.values for event in heard if event.kind == "step"]
    assert [values["loss"] for values in told] == pytest.approx(losses, rel=1e-5)
    assert run.model.w.tolist() == pytest.approx(w.tolist(), rel=1e-4)
    tokens = [values["tokens"] for values in told]
    assert sum(tokens[:3]) == sum(tokens[3:6]) == 2 * len(rows)
    assert sorted(tokens[:3]) == [2, 4, 4]


def test_the_learning_rate_of_each_update():
    """Ten updates, three of warm-up: 1/4, 2/4, 3/4 of the peak, then down from it."""
    from fewtune.plan.counts import counts
    from fewtune.plan.plan import TrainingPlan

    plan = TrainingPlan(learning_rate=1.0, updates=10, warmup=0.3, evaluations=1)
    rates = [rate_at(update, plan, counts(plan, 8)) for update in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, *(1 - k / 7 for k in range(7))])
    plan.schedule = "cosine"
    rates = [rate_at(update, plan, counts(plan, 8)) for update in range(10)]
    falling = [0.5 * (1 + math.cos(math.pi * k / 7)) for k in range(7)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, *falling])
    plan.schedule = "constant"
    assert rate_at(9, plan, counts(plan, 8)) == 1.0


def test_weight_decay_acts_on_matrices_only(generation, answers, tmp_path):
    """Decay alone, with gradients that are clipped to nothing: matrices shrink, norms stay."""
    run = training(
        generation, generation.load_model(), answers, tmp_path, updates=1, learning_rate=0.1,
        weight_decay=0.5,
    )  # fmt: skip
    before = parameters(run.model)
    train(run)
    plain = training(
        generation, generation.load_model(), answers, tmp_path, updates=1, learning_rate=0.1
    )
    train(plain)
    other = parameters(plain.model)
    for name, value in run.model.named_parameters():
        expected = other[name] - (0.1 * 0.5 * before[name] if value.ndim >= 2 else 0)
        assert torch.allclose(value, expected, atol=1e-6), name


# What is kept, and when it ends


def scripted(figures, seen=None, model=None, few=False):
    """Return an evaluation that answers from a list: (loss, headline) after 0, 1, 2… updates."""

    def evaluate(update):
        loss, headline = figures[update]
        if seen is not None:
            seen.append(parameters(model))
        return Evaluation(update, loss, 0.01, headline, 1, few=few)

    return evaluate


def test_the_best_weights_are_in_the_model_afterwards(tmp_path):
    task = TwoParameterTask()
    rows = task.rows(*POINTS)
    model, seen = TwoParameters(), []
    figures = [(0.7, 0.5), (0.6, 0.7), (0.5, 0.8), (0.55, 0.6), (0.5, 0.7)]
    run = training(
        task, model, rows, tmp_path, updates=4, evaluations=4,
        evaluate=scripted(figures, seen, model),
    )  # fmt: skip
    train(run)
    assert torch.equal(model.w, seen[2]["w"])
    assert not torch.equal(model.w, seen[4]["w"])
    assert run.best_evaluation.update == 2
    assert not model.training


@pytest.mark.parametrize(("share", "first"), [(0.5, 4), (0.34, 5), (1.0, 1), (0.0, 6)])
def test_where_nothing_is_evaluated_the_mean_of_the_last_weights_is_kept(tmp_path, share, first):
    """Of six updates the last half are the fourth to the sixth; none: the sixth alone."""
    task = TwoParameterTask()
    rows = task.rows(*POINTS)
    run = training(
        task, TwoParameters(0.3, -0.2), rows, tmp_path, batch_size=2, updates=6, learning_rate=0.1,
        evaluate=None, averaged=share,
    )  # fmt: skip
    train(run)
    after = [reference(rows, n, run.plan, run.counts, 2, seed=0)[0] for n in range(first, 7)]
    assert run.model.w.tolist() == pytest.approx((sum(after) / len(after)).tolist(), rel=1e-4)


def test_validation_rows_choose_whatever_is_averaged(tmp_path):
    task = TwoParameterTask()
    runs = [
        training(task, TwoParameters(), task.rows(*POINTS), tmp_path / str(share), averaged=share)
        for share in (0.0, 1.0)
    ]
    for run in runs:
        train(run)
    assert torch.equal(runs[0].model.w, runs[1].model.w)


def test_a_better_headline_counts_only_while_the_loss_is_near_its_minimum(tmp_path):
    """0.9 at loss 0.62 is over 1.2 × 0.5: over-memorised; 0.85 at 0.58 is within."""
    task = TwoParameterTask()
    figures = [(0.7, 0.5), (0.5, 0.8), (0.58, 0.85), (0.62, 0.9), (0.58, 0.7)]
    run = training(
        task, TwoParameters(), task.rows(*POINTS), tmp_path, updates=4, evaluations=4,
        evaluate=scripted(figures),
    )  # fmt: skip
    train(run)
    assert run.best_evaluation.update == 2


@pytest.mark.parametrize(("few", "kept"), [(True, 2), (False, 0)])
def test_where_few_rows_judge_classes_their_loss_chooses(tmp_path, few, kept):
    """All are right before training, and one is wrong at a quarter of the loss after it."""
    figures = [(1.4, 1.0), (0.7, 0.71), (0.35, 0.86), (0.44, 0.86), (0.35, 0.71)]
    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows(*POINTS), tmp_path, updates=4, evaluations=4,
        evaluate=scripted(figures, few=few),
    )  # fmt: skip
    train(run)
    assert run.best_evaluation.update == kept


def test_nothing_is_kept_where_nothing_was_better_than_the_base(tmp_path):
    task = TwoParameterTask()
    model = TwoParameters(0.3, -0.2)
    figures = [(0.5, 0.9), (0.6, 0.7), (0.7, 0.6)]
    run = training(
        task, model, task.rows(*POINTS), tmp_path, updates=2, evaluations=2,
        evaluate=scripted(figures),
    )  # fmt: skip
    train(run)
    assert model.w.tolist() == pytest.approx([0.3, -0.2])
    assert run.best_evaluation.update == 0


def test_a_monitor_ends_training_early(tmp_path):
    task = TwoParameterTask()
    figures = [(0.7, 0.5), (0.5, 0.8)] + [(0.6, 0.7)] * 8
    run = training(
        task, TwoParameters(), task.rows(*POINTS), tmp_path, updates=9, evaluations=9,
        evaluate=scripted(figures), monitors=[EarlyStopping({"patience": 3})],
    )  # fmt: skip
    train(run)
    assert run.update == 4
    assert run.best_evaluation.update == 1


def test_a_loss_that_is_no_number_stops_at_that_update(tmp_path):
    from poison import Poison

    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows(*POINTS), tmp_path, updates=9,
        regularizers=[Poison({"update": 4})], monitors=[Nonfinite()],
    )  # fmt: skip
    with pytest.raises(TrainingStopped, match="the loss is nan at update 4") as stopped:
        train(run)
    assert stopped.value.exit_code == 1
    assert run.update == 4


def test_two_owners_of_the_update_are_refused_by_name(tmp_path):
    class Owner(Regularizer):
        owns_update = True

    class First(Owner):
        name = "first"

    class Second(Owner):
        name = "second"

    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows(*POINTS), tmp_path, regularizers=[First(), Second()]
    )
    with pytest.raises(PlanError, match="first and second"):
        train(run)


def test_the_owner_does_the_step_and_sees_one_dropout_twice(classification, sentences, tmp_path):
    class Twice(Regularizer):
        """Does two passes and one step of plain gradient descent."""

        owns_update = True

        def update(self, run, backward):
            first = backward()
            run.optimizer.zero_grad()
            second = backward()
            self.seen = [*getattr(self, "seen", []), (first, second)]
            with torch.no_grad():
                for parameter in run.model.parameters():
                    parameter -= 0.1 * parameter.grad
            return first

    owner = Twice()
    run = training(
        classification, classification.load_model(), sentences, tmp_path,
        regularizers=[owner], updates=3,
    )  # fmt: skip
    train(run)
    assert len(owner.seen) == 3
    assert all(first == second for first, second in owner.seen)
    assert len(set(owner.seen)) == 3
