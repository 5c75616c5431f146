"""LoRA's layers take inputs as they come: half the conversions, the same bits."""

from __future__ import annotations

import pytest
import torch

from fewtune.methods.base import METHODS
from fewtune.models import adapters
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification


def test_inputs_are_not_converted_and_nothing_changes(causal_lm):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    task.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    batch = task.collate(task.encode([Example("name: Cocum", "Cocum is by the river.", "made:1")]))
    model = METHODS.load("lora")().prepare(task.load_model(), task).train()
    layers = [m for m in model.modules() if hasattr(m, "cast_input_dtype_enabled")]
    assert len(layers) == 14
    assert not any(layer.cast_input_dtype_enabled for layer in layers)
    found = []
    for converts in (False, True):
        for layer in layers:
            layer.cast_input_dtype_enabled = converts
        with task.autocast():
            logits = task.logits(model, batch)
        task.losses(logits, batch).sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def plain_forward(model):
    """Give every low-rank layer PEFT's own pass back."""
    for layer in model.modules():
        layer.__dict__.pop("forward", None)


@pytest.mark.parametrize("kind", ["generation", "classification"])
def test_the_shorter_pass_is_pefts(kind, causal_lm, encoder):
    """Logits and every slope as PEFT computes them; also where a part rests, or all is frozen."""
    if kind == "generation":
        task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
        batch = task.collate(task.encode([Example("name: Cocum", "By the river.", "made:1")]))
    else:
        labels = ["question", "statement"]
        task = TextClassification(resolve(str(encoder)), TaskSettings(), labels=labels)
        texts = ["Where is Cocum?", "Cocum is by the river."]
        rows = [Example(t, k, t) for t, k in zip(texts, labels, strict=True)]
        batch = task.collate(task.encode(rows))
    model = METHODS.load("lora")().prepare(task.load_model(), task).eval()
    hastened = [m for m in model.modules() if "forward" in m.__dict__]
    assert len(hastened) == 14 if kind == "generation" else len(hastened) > 5
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or name.startswith("head."):
            torch.nn.init.normal_(parameter, std=0.3)
    found = []
    for _ in range(2):
        logits = task.logits(model, batch)
        task.losses(logits, batch).sum().backward()
        found.append([logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
        model.zero_grad(set_to_none=True)
        plain_forward(model)
    assert len(found[0]) == len(found[1]) > 14
    for ours, pefts in zip(*found, strict=True):
        assert torch.allclose(ours, pefts, rtol=1e-4, atol=1e-6 * float(pefts.abs().max() + 1))


def test_a_layer_that_is_off_or_merged_or_drops_is_left_to_peft(causal_lm):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    batch = task.collate(task.encode([Example("name: Cocum", "By the river.", "made:1")]))
    base = task.logits(task.load_model().eval(), batch)
    model = METHODS.load("lora")().prepare(task.load_model(), task).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    assert not torch.allclose(task.logits(model, batch), base)
    with adapters.disabled(model):
        assert torch.equal(task.logits(model, batch), base)
    tuned = task.logits(model, batch)
    for layer in model.modules():
        if hasattr(layer, "merge") and hasattr(layer, "lora_A"):
            layer.merge()
    assert torch.allclose(task.logits(model, batch), tuned, atol=1e-4)
    drops = METHODS.load("lora")({"dropout": 0.5}).prepare(task.load_model(), task).train()
    for name, parameter in drops.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    assert not torch.equal(task.logits(drops, batch), task.logits(drops, batch))


def test_dora_keeps_the_conversion_for_its_norms(causal_lm):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    model = METHODS.load("lora")({"dora": True}).prepare(task.load_model(), task)
    layers = [m for m in model.modules() if hasattr(m, "cast_input_dtype_enabled")]
    assert all(layer.cast_input_dtype_enabled for layer in layers)
