"""A fit holds the base and one model beside it, sharing weights wherever nothing writes to them."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from outcomes import classified
from torch import nn
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.environment import device_name
from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.plan.plan import Plan
from fewtune.records import Example, Score
from fewtune.select import race, trials
from fewtune.select.candidates import candidates
from fewtune.select.material import Material
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train

LABELS = ("question", "statement")
TEXTS = ("Where is Cocum?", "Cocum is by the river.", "Who is there?", "It is warm.")


def material(task, **settings):
    journal = SimpleNamespace(write=lambda *a, **more: None)
    return Material(
        plan=Plan(model="none").changed(settings), task=task, data=None, train=(), validation=(),
        test=(), places=(), journal=journal, folder=None,
        accelerator=Accelerator(cpu=device_name() == "cpu"),
    )  # fmt: skip


@pytest.fixture(params=["generation", "text_classification"])
def given(request, causal_lm, encoder):
    """A task and rows of it."""
    if request.param == "generation":
        task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
        made = [Example("name: Cocum", text, text) for text in TEXTS]
    else:
        task = TextClassification(resolve(str(encoder)), TaskSettings(), labels=LABELS)
        made = [Example(text, LABELS[i % 2], text) for i, text in enumerate(TEXTS)]
    return task, task.encode(made)


@pytest.mark.parametrize("method", ["lora", "prefix", "adapter", "head"])
def test_a_tuned_model_shares_the_base_which_stays_what_it_was(given, tmp_path, method):
    task, rows = given
    made = material(task)
    before = task.outcomes(made.base(), rows).losses
    model = made.to_tune(METHODS.load(method).keeps_base)
    own = {id(p) for p in made.base().parameters()}
    run = training(task, model, rows, tmp_path, method=method, updates=3)
    shared = [p for p in model.parameters() if id(p) in own]
    assert sum(p.numel() for p in shared) > 0.5 * sum(p.numel() for p in made.base().parameters())
    assert not any(p.requires_grad for p in shared), "nothing may write to the base"
    train(run)
    assert (task.outcomes(made.base(), rows).losses == before).all()
    assert (task.outcomes(run.model, rows).losses != before).any()


@pytest.mark.parametrize("method", ["full", "partial"])
def test_a_method_that_writes_to_the_base_has_weights_of_its_own(given, method):
    made = material(given[0])
    own = {id(p) for p in made.base().parameters()}
    assert not METHODS.load(method).keeps_base
    assert not any(id(p) in own for p in made.to_tune(False).parameters())


def test_where_old_classes_are_kept_nothing_is_shared(given):
    task, _ = given
    if task.name == "text_classification":
        made = material(task, **{"task.keep_classes": True})
        base = made.once("base", task.load_model)
        own = {id(p) for p in base.parameters()}
        assert not any(id(p) in own for p in made.to_tune(True).parameters())


def test_the_base_serves_as_the_start_of_what_trains(given, tmp_path):
    """The same weights as with a copy of the start, and the base is what it was."""
    task, rows = given
    ends = []
    for base in (None, task.load_model()):
        before = {} if base is None else {n: p.cpu().clone() for n, p in base.named_parameters()}
        run = training(task, task.load_model(), rows, tmp_path / str(len(ends)), updates=4)
        run.base = base
        train(run)
        ends.append(run.weights())
        if base is not None:
            known = dict(base.named_parameters())
            lent = [n for n, v in run.start.items() if v.data_ptr() == known[n].data_ptr()]
            assert set(lent) == set(run.start), "all of it starts as the base is"
            assert all(torch.equal(before[n], p.cpu()) for n, p in base.named_parameters())
    assert all(torch.equal(ends[0][n], ends[1][n]) for n in ends[0])


def test_what_starts_otherwise_than_the_base_is_copied(given, tmp_path):
    task, rows = given
    base, model = task.load_model(), task.load_model()
    name, moved = next(iter(model.named_parameters()))
    with torch.no_grad():
        moved.add_(1.0)
    run = training(task, model, rows, tmp_path, updates=1)
    run.base = base
    train(run)
    assert torch.equal(run.start[name].cpu(), dict(base.named_parameters())[name].cpu() + 1.0)


def test_the_best_so_far_is_kept_in_one_place(tmp_path):
    """Every evaluation is better: the copy of the first is written over by the next."""
    task = TwoParameterTask()
    run = training(
        task, TwoParameters(), task.rows((1, 2, 1), (2, -1, 0)), tmp_path, updates=6, evaluations=6
    )
    places = set()
    evaluate = run.evaluate

    def watched(update):
        if run.best and run.best is not run.start:
            places.add(run.best["w"].data_ptr())
        return evaluate(update)

    run.evaluate = watched
    train(run)
    assert len(places) == 1
    assert torch.equal(run.best["w"], run.model.w)
    assert run.start["w"].tolist() == [0.0, 0.0]


def test_a_race_lets_every_model_go_once_its_figures_are_known(monkeypatch):
    alive = []

    def tried(material, candidate):
        assert not any(one() is not None for one in alive), "models lie beside each other"
        model = nn.Linear(1, 1)
        alive.append(weakref.ref(model))
        found = classified([0, 1], [0, 1])
        value = candidate.training.learning_rate
        score = Score("accuracy", value, value, value, 2, "higher", "share")
        return trials.Trial(candidate, None, model, found, score, 0.0)

    monkeypatch.setattr(race, "try_out", tried)
    base = nn.Linear(1, 1)
    plan = Plan(model="none").changed(
        {"method.name": "lora", "select.rates": [0.1, 0.05, 0.02, 0.01, 0.005]}
    )
    made = material(SimpleNamespace(name="text_classification", headline="accuracy"))
    made.once("base", lambda: base)
    own, rival = race.race(made, candidates(plan))
    assert own.training.learning_rate == plan.training.learning_rate
    assert rival.training.learning_rate == 0.1
    # Five rivals and the plan's own, of which two rivals stay for a second round with it.
    assert len(alive) == 6 + 3
