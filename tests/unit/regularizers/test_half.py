"""Half fine-tuning: which half trains, and that the other half rests."""

from __future__ import annotations

import made_data
import pytest
import torch
from trainings import begun, training

from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.regularizers.half import Half
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = made_data.prompts(8, seed=5)
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


def names_that_train(run):
    return {n for n, p in run.model.named_parameters() if p.requires_grad}


def drawn(task, rows, folder, method="full", epochs=1, seed=0):
    """Return the names that train in each epoch."""
    half = Half()
    run = training(task, task.load_model(), rows, folder, method=method, seed=seed)
    run.regularizers = [half]
    begun(run)
    found = []
    for epoch in range(epochs):
        run.update = epoch * run.counts.updates_per_epoch
        half.round(run)
        found.append(names_that_train(run))
    half.finish(run)
    assert names_that_train(run) == set(run.start)
    return found


def test_half_of_each_kind_in_each_block(generation, tmp_path):
    for names in drawn(*generation, tmp_path, epochs=6):
        for block in (0, 1):
            trained = {n.split(".")[-2] for n in names if f".layers.{block}." in n}
            assert len(trained & set(ATTENTION)) == 2
            assert len(trained & set(FEED_FORWARD)) in (1, 2)
            assert len(trained & {"input_layernorm", "post_attention_layernorm"}) == 1


def test_epochs_and_seeds_differ_and_repeat(generation, tmp_path):
    first = drawn(*generation, tmp_path, epochs=4)
    assert len({frozenset(names) for names in first}) > 1
    assert first == drawn(*generation, tmp_path, epochs=4)
    assert first != drawn(*generation, tmp_path, epochs=4, seed=1)
    # Over many epochs everything has its turn.
    assert len(set().union(*drawn(*generation, tmp_path, epochs=30))) == len(
        dict(generation[0].load_model().named_parameters())
    )


def test_both_factors_of_an_adapter_go_together(generation, tmp_path):
    (names,) = drawn(*generation, tmp_path, method="lora")
    layers = {n.split(".lora_")[0] for n in names}
    assert names == {f"{layer}.lora_{factor}.default.weight" for layer in layers for factor in "AB"}
    assert len([layer for layer in layers if layer.endswith(ATTENTION)]) == 4


def test_what_rests_keeps_its_value_even_with_momentum_and_decay(generation, tmp_path):
    task, rows = generation
    settings = {"weight_decay": 0.1, "batch_size": 4, "updates": 4}
    half = Half()
    seen = []

    class Watch(Half):
        def round(self, run):
            super().round(run)
            seen.append((names_that_train(run), run.weights()))

    run = training(task, task.load_model(), rows, tmp_path, regularizers=[Watch()], **settings)
    train(run)
    assert half.name == "half"
    (first, start), (second, between) = seen
    after = run.weights()
    for name in start:
        assert torch.equal(start[name], between[name]) == (name not in first), name
        assert torch.equal(between[name], after[name]) == (name not in second), name


def test_the_head_of_a_classifier_always_trains(encoder, tmp_path):
    labels = ["billing", "booking", "results"]
    task = TextClassification(Source("tiny", str(encoder)), TaskSettings(), labels=labels)
    rows = made_data.labelled(2, seed=5)
    encoded = task.encode([Example(a, b, f"c:{i}") for i, (a, b) in enumerate(rows)])
    for names in drawn(task, encoded, tmp_path, epochs=5):
        assert {"head.weight", "head.bias"} <= names
        # A weight goes with its bias.
        query = [n for n in names if n.startswith("encoder.encoder.layer.0.attention.self.query")]
        assert len(query) in (0, 2)
