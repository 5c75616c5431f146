"""States at supervised places, read by the head, are the model's own logits; answers end."""

from __future__ import annotations

import made_data
import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
)

from fewtune.models.load import resolve
from fewtune.models.tiny import word_tokenizer
from fewtune.records import Example, Message
from fewtune.tasks.base import TaskSettings, inference
from fewtune.tasks.generation import Generation

ROWS = [Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made_data.prompts(6, seed=7))]


def llama(folder, causal_lm):
    return causal_lm


def saved(model_class, config_class):
    def make(folder, causal_lm):
        tokenizer = word_tokenizer(made_data.every_text())
        torch.manual_seed(0)
        common = {
            "vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        }  # fmt: skip
        model = model_class(config_class(**common))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


def gpt2(**common):
    return GPT2Config(n_positions=128, n_embd=16, n_layer=2, n_head=2, **common)


SIZES = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 128,
}  # fmt: skip


def gemma2(**common):
    """Return a configuration whose cap bends even the small logits of random weights."""
    return Gemma2Config(
        head_dim=8, final_logit_softcapping=0.05, attn_logit_softcapping=5.0, **SIZES, **common
    )


def granite(**common):
    return GraniteConfig(logits_scaling=7.0, **SIZES, **common)


MODELS = {
    "llama": llama,
    "gpt2": saved(GPT2LMHeadModel, gpt2),
    "gemma2": saved(Gemma2ForCausalLM, gemma2),
    "granite": saved(GraniteForCausalLM, granite),
}


@pytest.fixture(params=MODELS)
def task(request, tmp_path, causal_lm):
    folder = MODELS[request.param](tmp_path, causal_lm)
    return Generation(resolve(str(folder)), TaskSettings(), "prompt")


@pytest.fixture
def small(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")


def own_logits(model, row):
    """Return the model's own logits at the row's supervised places, computed alone, unpadded."""
    with torch.no_grad():
        whole = model(input_ids=torch.tensor([row.ids])).logits[0]
    places = [place - 1 for place, label in enumerate(row.labels) if label != -100]
    return whole[places]


@pytest.mark.parametrize("direct", [None, False])
def test_logits_of_units_are_the_models_own(task, direct):
    """The short way (head on chosen states) and the long way (whole logits) both."""
    model = task.load_model()
    if direct is None:
        assert task._direct, "this architecture should be read directly"
    else:
        task._direct = direct
    rows = task.encode(ROWS)
    batch = task.collate(rows)
    with inference(model):
        found = task.logits(model, batch)
    for place, row in enumerate(rows):
        mine = found[batch.owners == place]
        assert torch.allclose(mine, own_logits(model, row), atol=1e-5)
        assert batch.targets[batch.owners == place].tolist() == [t for t in row.labels if t != -100]


def test_a_head_that_does_more_is_found_out(small):
    """A model whose logits are bent after the head is read the long way, and rightly."""
    model = small.load_model()
    plain = model.forward

    def bent(**inputs):
        out = plain(**inputs)
        out.logits = out.logits * 2 + 1
        return out

    model.forward = bent
    small._direct = small._reads_directly(model)
    assert not small._direct
    rows = small.encode(ROWS[:2])
    batch = small.collate(rows)
    with inference(model):
        found = small.logits(model, batch)
    assert torch.allclose(found[batch.owners == 0], own_logits(model, rows[0]), atol=1e-5)


def test_outcomes_are_sums_over_the_tokens_of_each_row(small):
    model = small.load_model()
    rows = small.encode(ROWS)
    found = small.outcomes(model, rows)
    for place, row in enumerate(rows):
        labels = torch.tensor([label for label in row.labels if label != -100])
        nll = -own_logits(model, row).log_softmax(dim=1)[range(len(labels)), labels].sum()
        assert found.losses[place] == pytest.approx(float(nll), rel=1e-5)
        assert found.units[place] == len(labels)
        assert found.bytes[place] == len(ROWS[place].target.encode())


def test_measuring_leaves_mode_and_random_state(small):
    model = small.load_model()
    model.train()
    model.lm_head.eval()
    rows = small.encode(ROWS)
    before = torch.get_rng_state()
    small.outcomes(model, rows)
    small.generate(model, ROWS[:2], temperature=1.0, seed=9)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert not model.lm_head.training
    assert model.model.training


def test_an_answer_is_what_the_model_goes_on_with(small):
    """Greedy, compared with a loop over the model's own logits, row by row and unpadded."""
    small.settings = TaskSettings(max_new_tokens=6)
    model = small.load_model()
    together = small.generate(model, ROWS)
    for example, (text, ended) in zip(ROWS, together, strict=True):
        ids = small._prompt_ids(example)
        new = []
        while len(new) < 6 and not (new and new[-1] in small.end_ids):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids + new])).logits
            new.append(int(logits[0, -1].argmax()))
        assert ended == (new[-1] in small.end_ids)
        assert text == small.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_samples_are_repeatable_and_differ_by_seed(small):
    small.settings = TaskSettings(max_new_tokens=8)
    model = small.load_model()
    first = small.generate(model, ROWS[:3], temperature=1.0, seed=1)
    assert small.generate(model, ROWS[:3], temperature=1.0, seed=1) == first
    assert small.generate(model, ROWS[:3], temperature=1.0, seed=2) != first


def test_the_longest_answer_is_twice_the_longest_trained_one(small):
    rows = small.encode(ROWS)
    longest = max(sum(label != -100 for label in row.labels) for row in rows)
    assert small.max_new_tokens == max(32, 2 * longest)
    small.settings = TaskSettings(max_new_tokens=5)
    assert small.max_new_tokens == 5


def test_of_a_chat_the_longest_turn_counts_and_not_all_of_them_together(causal_lm):
    """All turns together once gave answers a room that none needs and every one paid for."""
    said = "on the shelf by the door of the room"
    turns = [Message("user", "where?"), Message("assistant", said)] * 2
    made = Example("", None, "chat:1", messages=tuple(turns))
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "chat")
    (row,) = task.encode([made])
    (alone,) = task.encode([Example("", None, "chat:2", messages=tuple(turns[:2]))])
    one = sum(label != -100 for label in alone.labels)
    assert sum(label != -100 for label in row.labels) == 2 * one
    assert task.max_new_tokens == 2 * one > 32


def test_no_prompt_of_the_rows_is_cut_for_a_longer_answer(causal_lm):
    """The longest row fills the context: its prompt stays whole, and so does its answer."""
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    made = Example(
        "where is the key and the coat and the hat and the bag " * 3, "by the door", "a:1"
    )
    (row,) = task.encode([made])
    task.settings = TaskSettings(max_length=len(row.ids))
    answer = sum(label != -100 for label in row.labels)
    assert task.max_new_tokens == answer < 32
    assert task._prompt_ids(made) == list(row.ids[: len(row.ids) - answer])
