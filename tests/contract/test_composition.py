"""Every method with every regularizer and monitor on every task: it trains, or is refused by name.

The lists below are what is refused and nothing else: a pair that someone forbids or allows without
a thought for it fails here.
"""

from __future__ import annotations

import copy

import made_data
import numpy as np
import pytest
import torch
from PIL import Image
from trainings import training

from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.models import tiny
from fewtune.models.load import Source
from fewtune.plan.plan import Part, Plan
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.select.unfit import refuse_unfit
from fewtune.tasks.base import TASKS, TaskSettings
from fewtune.train.loop import train
from fewtune.train.monitors.base import MONITORS, Evaluation

SMALL = {
    "replay": {"samples": 2, "length": 10},
    "kl_to_base": {"samples": 2, "length": 10},
    "ewc": {"samples": 2, "length": 10},
    "forgetting_budget": {"probes": 0, "paragraphs": 1},
    "lora": {"rank": 2},
    "prefix": {"tokens": 2},
    "adapter": {"size": 2},
}
"""Options that make a member quick."""

METHOD_NEEDS = {
    "prefix": {"generation", "text_classification"},
    "contrastive": {"text_classification"},
}
"""Tasks of the methods that are not for all."""

OF_TOKENS = {"token_mask", "token_weight", "secret_mask"}
REFUSED = {
    "head": {"half"},
    "prefix": {"ewc", "half", "l1", "l2_to_base"},
    "contrastive": {"kl_to_base", "ewc", "replay"},
}
"""Regularizers that a method cannot have, whatever the task."""


def is_refused(method, kind, regularizer):
    """Return whether a combination makes no sense, by the lists above."""
    # A classifier writes no rows of its own to replay, and its rows have one unit each.
    of_classes = kind != "generation" and regularizer in {"replay", *OF_TOKENS}
    return of_classes or regularizer in REFUSED.get(method, ())


@pytest.fixture(scope="module")
def made(causal_lm, encoder, tmp_path_factory):
    """A task of each kind with a few rows."""
    folder = tmp_path_factory.mktemp("images")
    pictures = []
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
        pictures.append(Example(str(folder / f"{number}.png"), "ab"[number % 2], f"i:{number}"))
    vit = tiny.save_image_transformer(folder / "vit")
    prompts = [Example(a, b, f"p:{i}") for i, (a, b) in enumerate(made_data.prompts(4))]
    texts = [Example(t, "ab"[i % 2], f"t:{i}") for i, (t, _) in enumerate(made_data.labelled(2))]
    found = {}
    for kind, where, shape, labels, examples in (
        ("generation", causal_lm, "prompt", (), prompts),
        ("text_classification", encoder, "labelled_text", "ab", texts[:4]),
        ("image_classification", vit, "labelled_image", "ab", pictures),
    ):
        source = Source(str(where), str(where))
        task = TASKS.load(kind)(source, TaskSettings(), shape, labels)
        task.bring = once()
        found[kind] = task, task.encode(examples)
    return found


def once():
    """Return what gives copies of a base that is read once: reading takes longer than training."""
    kept = []

    def bring(read):
        kept.extend([] if kept else [read()])
        return copy.deepcopy(kept[0])

    return bring


def planned(method, kind, *regularizers):
    plan = Plan(model="toy", method=Part(name=method, options=SMALL.get(method, {})))
    plan.task.name = kind
    plan.regularizers = [Part(name=name) for name in regularizers]
    return plan


def trained(made, method, kind, folder, regularizers=(), monitors=()):
    """Return a finished training of two updates, and its weights before."""
    task, rows = made[kind]
    model = task.load_model()

    def evaluate(update):
        outcomes = task.outcomes(model, rows)
        return Evaluation(update, float(outcomes.losses.mean()), 0.1, float(update), 1)

    run = training(
        task,
        model,
        rows,
        folder,
        updates=2,
        evaluations=2,
        learning_rate=1e-3,
        evaluate=evaluate,
        regularizers=[REGULARIZERS.load(n)(SMALL.get(n)) for n in regularizers],
        monitors=[MONITORS.load(n)(SMALL.get(n)) for n in monitors],
    )
    run.method = METHODS.load(method)(SMALL.get(method))
    run.model = run.method.prepare(model, task)
    run.validation = rows
    if hasattr(run.model, "head"):
        torch.nn.init.normal_(run.model.head.weight)
    train(run)
    return run


KINDS = ("generation", "text_classification", "image_classification")
SENSIBLE = [
    (method, kind)
    for method in METHODS.names()
    for kind in KINDS
    if kind in METHOD_NEEDS.get(method, KINDS)
]


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("kind", KINDS)
def test_a_method_is_for_a_task_or_refused_with_both_names(method, kind):
    if (method, kind) in SENSIBLE:
        refuse_unfit(planned(method, kind))
        return
    with pytest.raises(PlanError, match=method) as told:
        refuse_unfit(planned(method, kind))
    assert kind in str(told.value)


def test_rungs_beside_a_base_in_four_bits_leave_its_weights_alone(monkeypatch):
    monkeypatch.setattr("fewtune.methods.lora.why_not_packed", lambda task: "")
    plan = planned("lora", "text_classification").changed({"select.rungs": ["head"]})
    packed = plan.changed({"method.options": {"four_bit": True}})
    refuse_unfit(packed)
    for rung in ("contrastive", "partial", "full"):
        refuse_unfit(plan.changed({"select.rungs": ["head", rung]}))
        with pytest.raises(PlanError, match=rf"four bits alone. Got {rung} \(select.rungs\)"):
            refuse_unfit(packed.changed({"select.rungs": ["head", rung]}))


def test_a_rung_is_refused_a_regularizer_that_would_do_nothing_to_it():
    """A solver fits the head, so nothing is asked of it; contrastive has no answers to hold."""
    plan = planned("lora", "text_classification", "kl_to_base")
    refuse_unfit(plan.changed({"select.rungs": ["head"]}))
    with pytest.raises(PlanError, match=r"the rung contrastive\. Got kl_to_base: .*rungs=\[head\]"):
        refuse_unfit(plan.changed({"select.rungs": ["head", "contrastive"]}))


@pytest.mark.parametrize(("method", "kind"), SENSIBLE)
def test_every_regularizer_composes_or_is_refused_by_name(made, tmp_path, method, kind):
    for name in REGULARIZERS.names():
        plan = planned(method, kind, name)
        if is_refused(method, kind, name):
            with pytest.raises(PlanError, match=name) as told:
                refuse_unfit(plan)
            assert len(told.value.got) > len(name) + 15, "no reason is given"
            continue
        refuse_unfit(plan)
        run = trained(made, method, kind, tmp_path / name, [name])
        now = run.weights()
        assert all(bool(value.isfinite().all()) for value in now.values()), name
        assert any(not torch.equal(now[n], run.start[n]) for n in now), f"{name} stopped all"
        assert all(p.requires_grad for n, p in run.model.named_parameters() if n in run.start)


@pytest.mark.parametrize(("method", "kind"), SENSIBLE)
def test_every_monitor_watches_every_method_and_all_at_once(made, tmp_path, method, kind):
    """What they measure changes nothing of what is learnt."""
    alone = trained(made, method, kind, tmp_path / "alone")
    watched = trained(made, method, kind, tmp_path / "watched", monitors=MONITORS.names())
    assert watched.update == 2
    for name, value in alone.weights().items():
        assert torch.equal(value, watched.weights()[name]), name


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"select.folds": 1}, "two folds or more"),
        (
            {"select.guards": ["secret_mask"]},
            r"regularizers for text_classification.*select\.guards",
        ),
        ({"select.guards": ["replai"]}, "replay"),
        ({"select.rates": [-1.0]}, r"select\.rates\.0=-1\.0"),
        ({"select.rates": [1.5]}, r"select\.rates\.0=1\.5"),
        ({"select.dial": [0.5, 1.2]}, r"select\.dial\.1=1\.2"),
    ],
)
def test_what_is_tried_has_to_go_with_the_plan_and_within_its_ranges(settings, says):
    with pytest.raises(PlanError, match=says):
        refuse_unfit(planned("full", "text_classification").changed(settings))
