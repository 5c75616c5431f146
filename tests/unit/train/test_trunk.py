"""Cached and uncached training end with the same weights; what cannot be cached is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import GPT2Config, GPT2LMHeadModel

from fewtune.environment import seed_everything
from fewtune.methods.base import trained_state
from fewtune.methods.full import Full
from fewtune.methods.head import Head
from fewtune.methods.lora import Lora
from fewtune.methods.partial import Partial
from fewtune.methods.prefix import Prefix
from fewtune.models import tiny
from fewtune.models.blocks import find_blocks, frozen_blocks
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.image_classification import ImageClassification
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.journal import Journal
from fewtune.train.trunk import Store, Trunk, cached_trunk

TEXTS = ["the cat sat", "a dog ran far away", "birds fly", "fish swim in the deep sea", "cats nap"]
LABELS = ["land", "land", "air", "sea", "land"]


def rows_of(inputs):
    return [Example(t, y, f"t:{i}") for i, (t, y) in enumerate(zip(inputs, LABELS, strict=True))]


def source(folder):
    return Source(str(folder), str(folder))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tiny.save_encoder(tmp_path_factory.mktemp("text"), TEXTS, layers=4)
    return lambda **s: TextClassification(
        source(folder), TaskSettings(**s), labels=sorted(set(LABELS))
    )


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tiny.save_causal_lm(tmp_path_factory.mktemp("llama"), TEXTS, layers=3)
    return lambda **s: Generation(source(folder), TaskSettings(**s), "prompt")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = tiny.word_tokenizer(TEXTS)
    torch.manual_seed(0)
    small = GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=3, n_head=2, n_positions=128,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(small).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return lambda **s: Generation(source(folder), TaskSettings(**s), "prompt")


def _images(folder):
    def task(**settings):
        made = ImageClassification(
            source(folder), TaskSettings(**settings), labels=sorted(set(LABELS))
        )
        return made

    return task


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return _images(tiny.save_mobilenet(tmp_path_factory.mktemp("mobilenet")))


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return _images(tiny.save_image_transformer(tmp_path_factory.mktemp("vit")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(len(LABELS)):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(len(LABELS))]


def prepared(make, method, inputs, **settings):
    task = make(**settings)
    rows = task.encode(rows_of(inputs))
    seed_everything(0)
    model = task.load_model()
    if hasattr(model, "head"):
        torch.nn.init.normal_(model.head.weight)
    return task, rows, method.prepare(model, task)


def trained(task, rows, model, epochs=3):
    """Train in batches of two with dropout, as the loop does; return weights and losses."""
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for epoch in range(epochs):
        for start in range(0, len(rows), 2):
            seed_everything(epoch * 100 + start)
            batch = task.training_batch(rows[start : start + 2], "s")
            optimizer.zero_grad()
            task.losses(task.logits(model, batch), batch).mean().backward()
            optimizer.step()
    return trained_state(model), task.outcomes(model, rows).losses


CASES = [
    ("text", Partial({"blocks": 1})),
    ("text", Partial({"layers": 3})),
    ("text", Lora({"rank": 2, "top": 2, "dropout": 0.1})),
    ("llama", Partial({"blocks": 1})),
    ("llama", Head()),
    ("llama", Lora({"rank": 2, "top": 1})),
    ("gpt2", Partial({"blocks": 2})),
    ("mobilenet", Partial({"blocks": 4})),
    ("vit", Partial({"blocks": 1})),
]


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_cached_and_uncached_training_are_equal(request, tmp_path, pictures, kind, method):
    make = request.getfixturevalue(kind)
    inputs = pictures if kind in ("mobilenet", "vit") else TEXTS
    plain, losses = trained(*prepared(make, method, inputs))
    task, rows, model = prepared(make, method, inputs)
    lower = find_blocks(model).blocks[: frozen_blocks(model)]
    with cached_trunk(model, task, rows, Journal(None), "s", tmp_path) as trunk:
        assert trunk is not None and trunk.count == len(lower) > 0
        worked = []
        for block in lower:
            inner = next(m for m in block.modules() if not list(m.children()))
            inner.register_forward_hook(lambda *given: worked.append(given))
        cached, again = trained(task, rows, model)
        # Equal because it was computed once, not because it was computed again.
        assert not worked
    for name, value in plain.items():
        torch.testing.assert_close(cached[name], value, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(again, losses, rtol=1e-4, atol=1e-6)
    # Afterwards the whole model is computed again.
    task.outcomes(model, rows)
    assert worked


def test_rows_that_are_not_known_are_computed_whole(text, tmp_path):
    task, rows, model = prepared(text, Partial({"blocks": 1}), TEXTS)
    before = task.outcomes(model, rows).losses
    with cached_trunk(model, task, rows[:3], Journal(None), "s", tmp_path):
        np.testing.assert_allclose(task.outcomes(model, rows).losses, before, rtol=1e-5)


def test_another_model_is_not_served(text, tmp_path):
    task, rows, model = prepared(text, Partial({"blocks": 1}), TEXTS)
    other = task.load_model()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    torch.nn.init.normal_(other.head.weight)
    before = task.outcomes(other, rows).losses
    with cached_trunk(model, task, rows, Journal(None), "s", tmp_path):
        assert task.outcomes(other, rows).losses.tolist() == before.tolist()


def test_states_are_a_function_of_the_rows_alone(text, tmp_path):
    """A resumed run computes them anew and must get the same bits."""
    kept = []
    for _ in range(2):
        task, rows, model = prepared(text, Partial({"blocks": 1}), TEXTS)
        trunk = Trunk(model, task, Store(tmp_path))
        trunk.fill(rows)
        kept.append([trunk.store.get(row.ids) for row in rows])
    assert all(torch.equal(one, two) for one, two in zip(*kept, strict=True))


@pytest.mark.parametrize(
    ("kind", "method", "settings", "why"),
    [
        ("text", Full(), {}, "the lowest block trains"),
        ("text", Prefix({"tokens": 2}), {}, "the lowest block trains"),
        ("text", Lora({"rank": 2}), {}, "the lowest block trains"),
        ("mobilenet", Partial({"blocks": 2}), {"rotation": 10}, "varied while training"),
    ],
)
def test_what_cannot_be_cached_is_computed_and_said(
    request, tmp_path, pictures, kind, method, settings, why
):
    make = request.getfixturevalue(kind)
    inputs = pictures if kind == "mobilenet" else TEXTS
    task, rows, model = prepared(make, method, inputs, **settings)
    journal = Journal(tmp_path / "journal.jsonl")
    with cached_trunk(model, task, rows, journal, "stage", tmp_path) as trunk:
        assert trunk is None
    journal.close()
    event = json.loads((tmp_path / "journal.jsonl").read_text())
    assert event["kind"] == "trunk" and why in event["values"]["sentence"]


def test_an_architecture_that_hands_more_than_states_upwards_is_not_cached(text, tmp_path):
    task, rows, model = prepared(text, Partial({"blocks": 1}), TEXTS)
    blocks = find_blocks(model).blocks
    first, last = blocks[0], blocks[-1]
    remembered = {}
    first.register_forward_hook(lambda module, given, out: remembered.update(out=out))
    last.register_forward_hook(lambda module, given, out: out + remembered["out"])
    # The last block reads what the first one made, which is no longer made.
    with cached_trunk(model, task, rows, Journal(None), "s", tmp_path) as trunk:
        assert trunk is None


class TestStore:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_memory_then_file_then_nothing(self, tmp_path, dtype):
        torch.manual_seed(0)
        values = [torch.randn(2, 5).to(dtype) for _ in range(4)]
        size = values[0].nbytes
        store = Store(tmp_path / "states", memory=size, disk=2 * size)
        for number, value in enumerate(values):
            store.put(number, value)
            if number == 1:
                assert torch.equal(store.get(1), values[1])
        assert [number in store for number in range(4)] == [True, True, True, False]
        assert all(torch.equal(store.get(number), values[number]) for number in range(3))
        # The file has no name: nothing is left behind, whatever ends the process.
        assert list((tmp_path / "states").iterdir()) == []
        store.close()

    def test_what_inference_made_can_train(self, tmp_path):
        store = Store(tmp_path)
        with torch.inference_mode():
            store.put("a", torch.ones(2))
        weight = torch.ones(2, requires_grad=True)
        (store.get("a") * weight).sum().backward()
        assert weight.grad.tolist() == [1.0, 1.0]
