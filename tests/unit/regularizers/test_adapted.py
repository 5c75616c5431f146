"""What is held with adapters is the change of the adapted weights themselves."""

from __future__ import annotations

import made_data
import pytest
import torch
from trainings import begun, training

from fewtune.methods.lora import Lora
from fewtune.models.adapters import adapted
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.regularizers.base import REGULARIZERS
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = made_data.prompts(4, seed=5)
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


def moved(task, rows, folder, regularizer, **options):
    """Return a training with LoRA whose regularizers began and whose adapters then changed."""
    run = training(task, task.load_model(), rows, folder, regularizers=[regularizer])
    run.model = Lora({"rank": 2, **options}).prepare(task.load_model(), task).to(run.device)
    begun(run)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in run.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return run


@pytest.mark.parametrize("options", [{}, {"rslora": True}, {"dora": True}])
def test_the_change_is_what_the_layer_does_beyond_its_base(generation, tmp_path, options):
    task, rows = generation
    run = moved(task, rows, tmp_path, REGULARIZERS.load("l1")(), **options)
    layers = dict(run.model.named_modules())
    found = list(adapted(run.model))
    assert len(found) == 14
    for name, weight, change in found:
        layer = layers[name.removesuffix(".weight")]
        x = torch.randn(3, weight.shape[1], device=weight.device)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), x @ (weight + change()).T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dora", [False, True])
def test_l2_of_adapters_is_that_of_the_weights_they_change(generation, tmp_path, dora):
    task, rows = generation
    l2 = REGULARIZERS.load("l2_to_base")({"strength": 2.0})
    run = moved(task, rows, tmp_path, l2, dora=dora)
    with torch.no_grad():
        expected = sum(float(change().square().sum()) for _, _, change in adapted(run.model))
    penalty = l2.penalty(run)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    assert all(p.grad is not None for n, p in run.model.named_parameters() if "lora_" in n)
    assert all(p.grad is None for n, p in run.model.named_parameters() if "lora_" not in n)


def test_fisher_of_adapted_weights_is_that_of_full_tuning(generation, tmp_path):
    task, rows = generation
    options = {"samples": 3, "length": 10}
    lora, full = REGULARIZERS.load("ewc")(options), REGULARIZERS.load("ewc")(options)
    run = moved(task, rows, tmp_path / "lora", lora)
    begun(training(task, task.load_model(), rows, tmp_path / "full", regularizers=[full]))
    assert len(lora.fisher) == 14
    for name, value in lora.fisher.items():
        torch.testing.assert_close(value, full.fisher[name], rtol=1e-4, atol=1e-9)
        assert value.max() > 0
    assert all(p.requires_grad == ("lora_" in n) for n, p in run.model.named_parameters())


def test_an_adapter_that_begins_with_a_change_is_held_there(generation, tmp_path):
    task, rows = generation
    l2 = REGULARIZERS.load("l2_to_base")({"strength": 1.0})
    run = moved(task, rows, tmp_path, l2)
    begun(run)
    assert l2.penalty(run).item() == pytest.approx(0.0, abs=1e-9)


def test_fisher_of_weights_that_are_held_in_bfloat16_is_the_same(causal_lm, tmp_path):
    """Slopes of one pass in bfloat16 are the same bits; their squares are summed in float32."""
    found = []
    for low in (False, True):
        task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
        task.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
        task.lowered = low
        rows = task.encode([Example(a, b, a) for a, b in made_data.prompts(4, seed=5)])
        ewc = REGULARIZERS.load("ewc")({"samples": 3, "length": 10})
        run = moved(task, rows, tmp_path / str(low), ewc)
        held = {weight.dtype for _, weight, _ in adapted(run.model)}
        assert held == {torch.bfloat16 if low else torch.float32}
        assert ewc.penalty(run).dtype == torch.float32
        found.append(ewc.fisher)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
