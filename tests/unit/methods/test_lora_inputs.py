"""LoRA's layers take inputs as they come: half the conversions, the same bits."""

from __future__ import annotations

import torch

from fewtune.methods.base import METHODS
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation


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


def test_dora_keeps_the_conversion_for_its_norms(causal_lm):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    model = METHODS.load("lora")({"dora": True}).prepare(task.load_model(), task)
    layers = [m for m in model.modules() if hasattr(m, "cast_input_dtype_enabled")]
    assert all(layer.cast_input_dtype_enabled for layer in layers)
