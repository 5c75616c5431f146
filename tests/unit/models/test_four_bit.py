"""A base in four bits: refused with the reason where it cannot be had, and read so where it can."""

from __future__ import annotations

import importlib.machinery

import pytest
import torch
from torch import nn

from fewtune.errors import PlanError
from fewtune.methods.base import METHODS
from fewtune.models import four_bit
from fewtune.models.load import resolve
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation

POSSIBLE = not four_bit.why_not_packed("generation")


@pytest.fixture
def generation(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")


@pytest.mark.skipif(POSSIBLE, reason="this machine can hold a base in four bits")
def test_without_cuda_or_bitsandbytes_it_is_refused_with_the_reason(generation):
    lora = METHODS.load("lora")({"four_bit": True})
    with pytest.raises(PlanError, match=r"no (CUDA device|package bitsandbytes)") as told:
        lora.prepare(generation.load_model(), generation)
    assert "method.options.four_bit" in str(told.value)
    assert "Leave four_bit out" in str(told.value)
    assert lora.unfit("generation")
    assert not METHODS.load("lora")().unfit("generation")


@pytest.mark.parametrize(
    ("cuda", "package", "reason"),
    [
        (False, True, "no CUDA device here"),
        (True, False, "no package bitsandbytes here"),
        (False, False, "no CUDA device and no package bitsandbytes here"),
        (True, True, ""),
    ],
)
def test_the_reason_names_what_is_missing(monkeypatch, cuda, package, reason):
    spec = importlib.machinery.ModuleSpec("bitsandbytes", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(four_bit, "find_spec", lambda name: spec if package else None)
    assert four_bit.why_not_packed("text_classification") == reason


def test_images_are_refused_whatever_the_machine():
    with pytest.raises(PlanError, match="a model for image classification has hardly any"):
        four_bit.refuse_packed("image_classification")


@pytest.mark.filterwarnings("ignore:inner dimension")
def test_a_run_tuned_on_a_packed_base_is_read_without_one(generation, tmp_path):
    """Its adapter is that of a LoRA in PEFT's format, whatever the base was held in."""
    plain = METHODS.load("lora")()
    model = plain.prepare(generation.load_model(), generation)
    plain.save(model, generation, tmp_path)
    again = METHODS.load("lora")({"four_bit": True}).restore(generation, tmp_path)
    assert any("lora_A" in name for name, _ in again.named_parameters())


def test_what_packing_saves_and_takes():
    """By hand: two layers of 64 × 128, each 32,768 bytes, packed 4,096 + 128 + 2 of scales."""
    linear = nn.Linear(64, 128, bias=False)
    model = nn.Sequential(nn.Embedding(50, 64), linear, nn.Linear(128, 64, bias=False))
    assert four_bit.packing(model) == (2 * (32_768 - 4_096 - 128 - 2), 2 * 64 * 128)
    model.get_output_embeddings = lambda: linear
    assert four_bit.packing(model)[0] == 32_768 - 4_096 - 128 - 2


@pytest.mark.filterwarnings("ignore:inner dimension")
@pytest.mark.skipif(not POSSIBLE, reason="needs a CUDA device and the package bitsandbytes")
def test_the_base_is_packed_and_the_adapter_trains(generation):
    model = METHODS.load("lora")({"four_bit": True}).prepare(generation.load_model(), generation)
    kinds = {type(module).__name__ for module in model.modules()}
    assert "Linear4bit" in kinds
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    ids = torch.tensor([[5, 9, 13]], device="cuda")
    assert generation.packed, "what is read to compare with is packed too"
    model(input_ids=ids).logits.sum().backward()
    assert any(p.grad is not None for p in model.parameters())
