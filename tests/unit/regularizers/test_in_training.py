"""Every regularizer in trainings of tiny models: cut otherwise, killed and resumed, composed."""

from __future__ import annotations

import made_data
import pytest
import torch
from trainings import training

from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train
from fewtune.train.monitors.base import GO, Monitor

OPTIONS = {
    "replay": {"samples": 4, "length": 12, "dose": 0.3},
    "kl_to_base": {"samples": 4, "length": 12},
    "ewc": {"samples": 4, "length": 12, "strength": 1e3},
    "l1": {"strength": 1e-3},
    "l2_to_base": {"strength": 1.0},
}
"""Small and strong enough that each changes a short training of a tiny model."""


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = [*made_data.prompts(6, seed=5), ("name: Cocum", "The code of Cocum is 481516.")]
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


@pytest.fixture(scope="module")
def classification(encoder):
    rows = made_data.labelled(3, seed=5)
    labels = sorted({label for _, label in rows})
    source = Source("tiny", str(encoder))
    task = TextClassification(source, TaskSettings(dropout=0.1), labels=labels)
    return task, task.encode([Example(a, b, f"c:{i}") for i, (a, b) in enumerate(rows)])


def made(*names, **more):
    return [REGULARIZERS.load(name)({**OPTIONS.get(name, {}), **more}) for name in names]


def weights(task, rows, folder, regularizers, method="full", **settings):
    """Return the trained weights, in one line."""
    run = training(
        task, task.load_model(), rows, folder, method=method, regularizers=regularizers, **settings
    )
    train(run)
    assert all(
        parameter.requires_grad for n, parameter in run.model.named_parameters() if n in run.start
    )
    return torch.cat([value.flatten() for value in run.weights().values()])


class Killed(Exception):
    """What ends a sitting in the tests."""


class KillAt(Monitor):
    """Ends the process, as far as the training is concerned, after some update."""

    def __init__(self, update: int) -> None:
        super().__init__()
        self.update = update

    def after_step(self, run, step):
        if step.update == self.update:
            raise Killed
        return GO


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", REGULARIZERS.names())
def test_changes_what_is_learned(generation, tmp_path, name, method):
    task, rows = generation
    plain = weights(task, rows, tmp_path / "plain", [], method)
    found = weights(task, rows, tmp_path / "with", made(name), method)
    assert torch.isfinite(found).all()
    assert (found - plain).abs().max() > 1e-5


@pytest.mark.parametrize("name", REGULARIZERS.names())
def test_an_update_may_be_cut_into_any_batches(generation, tmp_path, name):
    task, rows = generation
    longest = max(row.length for row in rows)
    found = [
        weights(
            task, rows, tmp_path / str(many), made(name), tokens_per_batch=many * longest, updates=4
        )
        for many in (4, 2, 1)
    ]
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=2e-5)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=2e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", REGULARIZERS.names())
def test_killed_and_resumed_it_ends_with_the_same_weights(generation, tmp_path, name, method):
    task, rows = generation
    whole = weights(task, rows, tmp_path / "whole", made(name), method)
    settings = {"method": method, "checkpoint_seconds": 0}
    with pytest.raises(Killed):
        weights(task, rows, tmp_path / "cut", made(name), monitors=[KillAt(4)], **settings)
    # What was drawn before is drawn anew: nothing but the checkpoint may matter.
    for kept in (tmp_path / "cut" / "checkpoints").glob("*.json"):
        kept.unlink()
    resumed = weights(task, rows, tmp_path / "cut", made(name), **settings)
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_mean_of_weights_goes_on_where_it_was_cut(generation, tmp_path, method):
    task, rows = generation
    settings = {"method": method, "evaluate": None, "averaged": 1.0, "checkpoint_seconds": 0}
    whole = weights(task, rows, tmp_path / "whole", [], **settings)
    last = weights(task, rows, tmp_path / "last", [], **(settings | {"averaged": 0.0}))
    assert not torch.equal(whole, last)
    with pytest.raises(Killed):
        weights(task, rows, tmp_path / "cut", [], monitors=[KillAt(4)], **settings)
    assert torch.equal(weights(task, rows, tmp_path / "cut", [], **settings), whole)


@pytest.mark.parametrize("name", ["ewc", "half", "sam", "l1", "l2_to_base", "kl_to_base"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_classifiers_are_protected_too(classification, tmp_path, name, method):
    task, rows = classification
    plain = weights(task, rows, tmp_path / "plain", [], method, updates=4)
    found = weights(task, rows, tmp_path / "with", made(name), method, updates=4)
    assert (found - plain).abs().max() > 1e-6


def test_all_that_compose_compose(generation, tmp_path):
    task, rows = generation
    found = weights(task, rows, tmp_path, made(*REGULARIZERS.names()), updates=4)
    assert torch.isfinite(found).all()


def test_a_step_to_hardly_worse_weights_is_a_plain_step(classification, tmp_path):
    # With a step too small for float32 the two passes of SAM must be one and the same, dropout
    # included, and the weights must come back whole.
    task, rows = classification
    plain = weights(task, rows, tmp_path / "plain", [])
    found = weights(task, rows, tmp_path / "sam", made("sam", rho=1e-30))
    assert torch.equal(found, plain)
    assert not torch.equal(weights(task, rows, tmp_path / "far", made("sam", rho=1.0)), plain)


def test_the_base_is_nearer_with_each_that_holds_it(generation, tmp_path):
    from fewtune.methods.base import trained_state

    task, rows = generation
    base = torch.cat([v.flatten() for v in trained_state(task.load_model()).values()])
    plain = weights(task, rows, tmp_path / "plain", [], updates=20)
    base = base.to(plain.device)
    for name in ("l1", "l2_to_base"):
        held = weights(task, rows, tmp_path / name, made(name), updates=20)
        assert (held - base).norm() < 0.9 * (plain - base).norm(), name
