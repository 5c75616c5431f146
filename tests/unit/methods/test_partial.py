"""Partial trains what it says, keeps the rest bit for bit, and comes back from its folder."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2Model, OPTConfig, OPTModel, SwinConfig, SwinModel

from fewtune.errors import ModelError, PlanError
from fewtune.methods.partial import Partial
from fewtune.models.blocks import find_blocks, frozen_blocks


def trainable(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def blocks_of(names):
    return {int(part) for name in names for part in name.split(".") if part.isdigit()}


class TestWhatTrains:
    def test_top_third_of_an_encoder_and_its_head(self, classify):
        task, _ = classify
        names = trainable(Partial().prepare(task.load_model(), task))
        assert blocks_of(names) == {4, 5}
        assert {n for n in names if not blocks_of([n])} == {"head.weight", "head.bias"}

    def test_top_block_norm_and_a_head_of_its_own_in_a_tied_language_model(self, generate):
        task, _ = generate
        model = Partial({"blocks": 1}).prepare(task.load_model(), task)
        names = trainable(model)
        assert blocks_of(names) == {2}
        assert {n for n in names if not blocks_of([n])} == {"model.norm.weight", "lm_head.weight"}
        # Tied weights would have moved the input as well.
        assert model.lm_head.weight is not model.model.embed_tokens.weight
        assert not model.model.embed_tokens.weight.requires_grad

    def test_the_last_layers_count_modules_that_hold_parameters(self, classify):
        task, _ = classify
        names = trainable(Partial({"layers": 2}).prepare(task.load_model(), task))
        # The last two of a BERT block are its output's dense layer and norm.
        tuned = "encoder.encoder.layer.5.output."
        assert names == {
            f"{tuned}{what}.{part}"
            for what in ("dense", "LayerNorm")
            for part in ("weight", "bias")
        } | {"head.weight", "head.bias"}

    def test_frozen_blocks_stay_in_evaluation_mode_and_tuned_ones_do_not(self, classify):
        task, _ = classify
        model = Partial({"blocks": 2}).prepare(task.load_model(), task).train()
        layers = model.encoder.encoder.layer
        drops = [[m.training for m in b.modules() if isinstance(m, nn.Dropout)] for b in layers]
        assert not any(any(d) for d in drops[:4])
        assert all(all(d) for d in drops[4:])
        assert not model.encoder.embeddings.training

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"blocks": 7}, r"at most 6, .*options\.blocks"),
            ({"layers": 999}, r"which is all .*options\.layers"),
            ({"blocks": 1, "layers": 1}, "one of the options"),
        ],
    )
    def test_refuses_more_than_there_is(self, classify, options, words):
        task, _ = classify
        with pytest.raises(PlanError, match=words):
            Partial(options).prepare(task.load_model(), task)


class TestBlocks:
    def test_a_norm_defined_before_the_blocks_is_after_them(self):
        small = OPTConfig(
            vocab_size=16, hidden_size=8, num_hidden_layers=2, ffn_dim=8, num_attention_heads=2,
            word_embed_proj_dim=8, max_position_embeddings=16,
        )  # fmt: skip
        model = OPTModel(small)
        found = find_blocks(model)
        assert found.name == "decoder.layers"
        assert model.decoder.final_layer_norm in found.after
        assert model.decoder.embed_tokens in found.before

    def test_gpt2(self):
        model = GPT2Model(GPT2Config(vocab_size=16, n_embd=8, n_layer=2, n_head=2, n_positions=16))
        found = find_blocks(model)
        assert list(found.blocks) == list(model.h)
        assert found.after == (model.ln_f,)

    def test_stages_are_one_sequence(self):
        small = SwinConfig(
            image_size=16, patch_size=2, embed_dim=4, depths=[1, 2], num_heads=[1, 2], window_size=2
        )
        model = SwinModel(small)
        found = find_blocks(model)
        assert found.nested
        assert [type(b).__name__ for b in found.blocks] == ["SwinLayer"] * 3

    def test_a_model_without_blocks_is_refused(self):
        with pytest.raises(ModelError, match="list of blocks"):
            find_blocks(nn.Sequential(nn.Linear(2, 2)))

    def test_no_block_counts_as_frozen_where_the_input_trains(self, classify):
        task, _ = classify
        model = Partial({"blocks": 1}).prepare(task.load_model(), task)
        assert frozen_blocks(model) == 5
        model.encoder.embeddings.word_embeddings.weight.requires_grad_(True)
        assert frozen_blocks(model) == 0


@pytest.mark.parametrize("kind", ["classify", "generate"])
@pytest.mark.parametrize("options", [{}, {"layers": 3}])
def test_only_declared_parameters_move_and_the_folder_gives_equal_outputs(
    request, tmp_path, tune, kind, options
):
    task, rows = request.getfixturevalue(kind)
    method = Partial(options)
    base = task.load_model().state_dict()
    model, start, tuned = tune(task, method, rows)
    moved = {n for n, v in model.state_dict().items() if not torch.equal(v, base[n])}
    assert moved - {"head.weight", "head.bias"} <= set(tuned)
    assert any(not torch.equal(start[name], tuned[name]) for name in tuned if "head" not in name)
    before = task.outcomes(model, rows).losses
    method.save(model, task, tmp_path)
    again = Partial(options).restore(task, tmp_path).eval()
    assert task.outcomes(again, rows).losses.tolist() == before.tolist()
