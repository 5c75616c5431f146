"""The head of a language model is its own, bias and all, while all below it stays the base's."""

from __future__ import annotations

import made_data
import pytest
import torch
from trainings import training
from transformers import (
    CodeGenConfig,
    CodeGenForCausalLM,
    GPTJConfig,
    GPTJForCausalLM,
    PhiConfig,
    PhiForCausalLM,
)

from fewtune.errors import PlanError
from fewtune.methods.base import METHODS, own_head
from fewtune.methods.head import Head
from fewtune.models.load import resolve
from fewtune.models.tiny import word_tokenizer
from fewtune.models.twin import lent, twin
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.train.loop import train

ROWS = [Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made_data.prompts(6, seed=7))]
OLD = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 128, "rotary_dim": 4}
WITH_BIAS = {
    "phi": lambda **common: PhiForCausalLM(
        PhiConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=128, **common,
        )
    ),
    "gptj": lambda **common: GPTJForCausalLM(GPTJConfig(**OLD, **common)),
    "codegen": lambda **common: CodeGenForCausalLM(
        CodeGenConfig(**{**OLD, "n_head": 4}, n_ctx=128, **common)
    ),
}  # fmt: skip


@pytest.fixture(params=WITH_BIAS)
def task(request, tmp_path):
    """A task on a language model whose head has a bias."""
    tokenizer = word_tokenizer(made_data.every_text())
    torch.manual_seed(0)
    numbers = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    model = WITH_BIAS[request.param](vocab_size=len(tokenizer), **numbers)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return Generation(resolve(str(tmp_path / "model")), TaskSettings(), "prompt")


def test_a_heads_bias_is_trained_in_the_twin_and_not_in_the_base(task, tmp_path):
    rows = task.encode(ROWS)
    base = task.load_model()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    run = training(task, twin(base), rows, tmp_path, method="head", updates=3)
    run.base = base
    assert set(run.method.prepare(run.model, task).get_output_embeddings().state_dict()) == {
        "weight", "bias",
    }  # fmt: skip
    assert lent(run.model, base) == []
    train(run)
    assert {"lm_head.weight", "lm_head.bias"} == set(run.start)
    moved = {n for n, v in run.model.state_dict().items() if not torch.equal(v.cpu(), before[n])}
    assert moved == {"lm_head.weight", "lm_head.bias"}
    assert all(torch.equal(value.cpu(), before[n]) for n, value in base.state_dict().items())


def test_the_head_of_a_folder_gives_equal_outputs(task, tmp_path):
    rows = task.encode(ROWS)
    run = train(training(task, task.load_model(), rows, tmp_path, method="head", updates=3))
    losses = task.outcomes(run.model.cpu(), rows).losses
    run.method.save(run.model, task, tmp_path / "kept")
    again = Head().restore(task, tmp_path / "kept")
    assert task.outcomes(again, rows).losses == pytest.approx(losses, rel=1e-6)


class Careless(Head):
    """Says that it keeps the base, and trains the head that both share."""

    def prepare(self, model, task):
        model.requires_grad_(False)
        model.get_output_embeddings().requires_grad_(True)
        return model


def test_a_method_that_would_train_the_base_itself_is_refused(task, tmp_path):
    base = task.load_model()
    before = base.lm_head.bias.clone()
    run = training(task, twin(base), task.encode(ROWS), tmp_path, updates=3)
    run.base, run.method = base, Careless()
    run.model = run.method.prepare(run.model, task)
    with pytest.raises(PlanError, match=r"2 of the base itself, e\.g\. lm_head\.weight"):
        train(run)
    assert torch.equal(base.lm_head.bias, before)
    # A view of it is the base's memory as well.
    view = torch.nn.Parameter(base.lm_head.bias.detach())
    own_head(run.model).bias = view
    assert lent(run.model, base) == ["lm_head.bias"]
    # On weights that are its own it may train what it likes.
    run.model = run.method.prepare(task.load_model(), task)
    assert train(run).update == 3


def test_partial_tunes_a_bias_too(task):
    model = METHODS.load("partial")({"blocks": 1}).prepare(task.load_model(), task)
    assert model.lm_head.bias.requires_grad
