"""A frozen base held in bfloat16: half the memory, the same bits."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from fewtune.methods.base import METHODS
from fewtune.models.classifier import TextClassifier
from fewtune.models.load import Source, load_causal_lm, load_encoder, resolve
from fewtune.models.low import lower
from fewtune.plan.precision import lowers_base
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation


def small_llama(*, tied: bool):
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
        )
    )  # fmt: skip


def low_parts(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}


@pytest.mark.parametrize("tied", [True, False])
def test_linear_layers_alone_are_lowered(tied):
    model = lower(small_llama(tied=tied))
    low = low_parts(model)
    assert len(low) == 2 * 7 + (not tied)
    assert all("proj" in name or name == "lm_head.weight" for name in low)
    assert model.get_input_embeddings().weight.dtype == torch.float32


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_a_base_is_read_as_it_is_held(tied, stored, tmp_path):
    """As one that is lowered after it was read, whatever the file holds, its class included."""
    torch.manual_seed(0)
    small_llama(tied=tied).to(stored).save_pretrained(tmp_path)
    for read in (load_causal_lm, load_encoder):
        after = lower(read(Source("small", str(tmp_path))))
        found = read(Source("small", str(tmp_path)), low=True)
        assert type(found) is type(after)
        own, other = (dict(model.named_parameters()) for model in (found, after))
        assert own.keys() == other.keys()
        assert low_parts(found) == low_parts(after)
        assert all(torch.equal(own[name], other[name]) for name in own)
        assert low_parts(found)


def test_the_head_of_a_classifier_stays_as_it_trains():
    model = lower(TextClassifier(small_llama(tied=True).model, 3))
    assert model.head.weight.dtype == torch.float32
    assert len(low_parts(model)) == 14


def test_without_autocast_it_computes_in_the_precision_of_its_input():
    """As whole weights that were rounded once; a gradient keeps no copy of them."""
    plain = nn.Linear(16, 8)
    plain.weight.data = plain.weight.data.bfloat16().float()
    plain.bias.data = plain.bias.data.bfloat16().float()
    low = lower(nn.Sequential(nn.Linear(16, 8)))[0]
    low.load_state_dict(plain.state_dict())
    low.requires_grad_(False)
    found, kept = [], []
    for layer in (plain, low):
        given = torch.linspace(-1, 1, 48).reshape(3, 16).requires_grad_(True)
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            out = layer(given)
        out.square().sum().backward()
        found.append((out.detach(), given.grad))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))
    assert found[1][0].dtype == torch.float32
    assert [t.dtype for t in kept] == [torch.bfloat16]


@pytest.fixture
def made(causal_lm):
    """Return a task that computes in bfloat16, and rows."""

    def task(*, low: bool):
        found = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
        found.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
        found.lowered = low
        return found

    rows = [Example("name: Cocum", "Cocum is by the river.", "a"), Example("Who?", "Ada.", "b")]
    return task, rows


@pytest.mark.parametrize("method", ["lora", "adapter", "prefix"])
def test_answers_and_training_are_the_same_to_the_bit(method, made):
    """Five updates of AdamW from the same start, on the base as it is and lowered."""
    task_of, rows = made
    told, start = [], {}
    for low in (False, True):
        task = task_of(low=low)
        batch = task.collate(task.encode(rows))
        torch.manual_seed(0)
        model = METHODS.load(method)().prepare(task.load_model(), task).train()
        assert bool(low_parts(model)) is low
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        assert trained
        assert all(p.dtype == torch.float32 for p in trained.values())
        start = start or {n: p.detach().clone() for n, p in trained.items()}
        for name, parameter in trained.items():
            parameter.data.copy_(start[name])
        optimizer = torch.optim.AdamW(trained.values(), lr=0.05)
        seen = []
        for _ in range(5):
            with task.autocast():
                logits = task.logits(model, batch)
            task.losses(logits, batch).sum().backward()
            seen += [logits.detach(), *(p.grad for p in trained.values())]
            optimizer.step()
            optimizer.zero_grad()
        assert not torch.equal(seen[0], seen[-len(trained) - 1]), "it trains"
        told.append([*seen, *(p.detach() for p in trained.values())])
    assert all(torch.equal(one, two) for one, two in zip(*told, strict=True))


def test_an_adapter_read_again_on_a_lowered_base_is_the_one_that_was_kept(made, tmp_path):
    task_of, rows = made
    task, method = task_of(low=True), METHODS.load("lora")()
    model = method.prepare(task.load_model(), task)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    method.save(model, task, tmp_path)
    again = METHODS.load("lora")().restore(task, tmp_path)
    assert all(v.dtype == torch.float32 for v in load_file(next(tmp_path.glob("*.safe*"))).values())
    own, other = (dict(m.named_parameters()) for m in (model, again))
    assert all(torch.equal(own[name], other[name]) for name in own)
    batch = task.collate(task.encode(rows))
    with task.autocast():
        assert torch.equal(task.logits(model, batch), task.logits(again, batch))


def prepared(data_folder, causal_lm, **settings):
    import fewtune

    return fewtune.prepare(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        settings={"training.precision": "bf16", "method.name": "lora", **settings},
    )


@pytest.mark.parametrize(
    ("settings", "low"),
    [
        ({}, True),
        ({"training.precision": "float32"}, False),
        ({"method.name": "full"}, False),
        ({"method.options": {"dora": True}}, False),
        ({"select.rungs": ["partial"]}, False),
        ({"method.name": "head"}, False),
        ({"method.name": "prefix"}, True),
    ],
)
def test_a_base_is_lowered_where_nothing_that_is_tried_reads_or_writes_it(
    data_folder, causal_lm, settings, low
):
    plan = prepared(data_folder, causal_lm, **settings).plan
    assert lowers_base(plan, 1000, "cpu") is low


def test_a_fit_on_a_lowered_base_keeps_and_serves_what_it_measured(
    data_folder, causal_lm, tmp_path
):
    import fewtune

    settings = {
        "training.precision": "bf16", "method.name": "lora", "training.updates": 6,
        "training.evaluations": 2, "select.samples": 2,
    }  # fmt: skip
    run = fewtune.fit(
        data_folder / "prompts.jsonl", str(causal_lm), settings=settings, output=tmp_path / "run"
    )
    assert run.chosen["method"] == "lora"
    assert not any("read again" in reason for reason in run.verdict.reasons), run.verdict
    task, model = run._model
    assert task.lowered
    assert low_parts(model)
    answer = run.predict("name: Cocum")
    assert set(answer) == {"input", "text", "ended"}
    measured = fewtune.measure(run.path, data_folder / "prompts.jsonl")
    assert measured.scores["loss_per_byte"].n == measured.base["loss_per_byte"].n > 5
    kept = json.loads((run.path / "scores.json").read_text())
    assert kept["scores"]["loss_per_byte"]["value"] > 0
    served = fewtune.Served({"one": run.path, "two": run.path})
    assert [served[name].predict("name: Cocum") for name in served] == [answer] * 2
    one, two = (dict(served[name]._model[1].named_parameters()) for name in served)
    shared = {name for name in one if one[name] is two[name]}
    assert {name for name in one if one[name].dtype == torch.bfloat16} <= shared


@pytest.mark.parametrize(
    ("kind", "more", "low"),
    [
        ("qwen2", {"num_key_value_heads": 2}, 21),
        ("gemma2", {"num_key_value_heads": 2, "head_dim": 8}, 14),
        ("mixtral", {"num_key_value_heads": 2, "num_local_experts": 4}, 9),
        # One layer of each mixer is called only; of the three others the mixer reads the weights.
        ("mamba", {}, 2),
        # Its embedding and its mixers' own kinds of layers are no plain linear ones.
        ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, 0),
    ],
)
def test_other_architectures_answer_the_same_bits(kind, more, low):
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    usual = {
        "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**usual, **more)).eval()
    lowered = lower(copy.deepcopy(model))
    assert len(low_parts(lowered)) == low
    ids = torch.arange(3, 27).reshape(2, 12)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(input_ids=ids).logits, lowered(input_ids=ids).logits)
    with torch.no_grad():
        assert lowered(input_ids=ids).logits.dtype == torch.float32
