"""Bottleneck adapters start as the base, sit where they should, and come back from their folder."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2Model, ViTConfig, ViTModel

from fewtune.errors import ModelError
from fewtune.methods.adapter import Adapter
from fewtune.models import tiny
from fewtune.models.adapters import disabled
from fewtune.models.bottleneck import Bottleneck, add_bottlenecks


def places(model):
    return [n for n, m in model.named_modules() if isinstance(m, Bottleneck)]


class TestPlaces:
    def test_of_a_bert_block(self, classify):
        task, _ = classify
        model = Adapter().prepare(task.load_model(), task)
        first = "encoder.encoder.layer.0."
        assert places(model)[:2] == [
            f"{first}attention.output.dense.bottleneck",
            f"{first}output.dense.bottleneck",
        ]
        assert len(places(model)) == 12

    def test_of_a_llama_block(self, generate):
        task, _ = generate
        model = Adapter().prepare(task.load_model(), task)
        first = "model.layers.0."
        assert places(model)[:2] == [
            f"{first}self_attn.o_proj.bottleneck",
            f"{first}mlp.down_proj.bottleneck",
        ]

    def test_of_gpt2_whose_layers_are_no_linear_ones(self):
        model = GPT2Model(GPT2Config(vocab_size=16, n_embd=8, n_layer=1, n_head=2, n_positions=16))
        add_bottlenecks(model, 2, 8)
        assert places(model) == ["h.0.attn.c_proj.bottleneck", "h.0.mlp.c_proj.bottleneck"]

    def test_of_a_vit(self):
        small = ViTConfig(
            hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
            image_size=8, patch_size=4,
        )  # fmt: skip
        model = ViTModel(small, add_pooling_layer=False)
        assert add_bottlenecks(model, 2, 8) == 4

    @pytest.mark.parametrize("width", [0, 1280])
    def test_a_convolutional_model_is_refused(self, tmp_path, width):
        """Its configuration names no width, which is told as 0."""
        from transformers import AutoModelForImageClassification

        folder = tiny.save_mobilenet(tmp_path)
        model = AutoModelForImageClassification.from_pretrained(folder)
        with pytest.raises(ModelError, match="a transformer"):
            add_bottlenecks(model, 2, width)


def test_what_an_adapter_computes():
    layer = Bottleneck(2, 1)
    with torch.no_grad():
        layer.down.weight.copy_(torch.tensor([[1.0, 1.0]]))
        layer.down.bias.fill_(0.0)
        layer.up.weight.copy_(torch.tensor([[2.0], [0.0]]))
        layer.up.bias.copy_(torch.tensor([0.0, 0.5]))
    # gelu(3) = 3 Φ(3) = 3 × 0.9986501 = 2.9959503
    found = layer(torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[1.0 + 2 * 2.9959503, 2.5]]))


@pytest.mark.parametrize("kind", ["classify", "generate"])
class TestTuning:
    def test_the_start_is_the_base_and_so_is_a_disabled_adapter(self, request, tune, kind):
        task, rows = request.getfixturevalue(kind)
        batch = task.collate(rows)
        tuned, _, _ = tune(task, Adapter({"size": 4}), rows)
        with torch.no_grad():
            base = task.hidden(task.load_model(), batch)
            model = Adapter({"size": 4}).prepare(task.load_model(), task)
            assert torch.equal(task.hidden(model, batch), base)
            model = tuned
            assert not torch.allclose(task.hidden(model, batch), base)
            with disabled(model):
                assert torch.equal(task.hidden(model, batch), base)
            assert not torch.allclose(task.hidden(model, batch), base)

    def test_only_adapters_and_head_move_and_the_folder_gives_equal_outputs(
        self, request, tmp_path, tune, kind
    ):
        task, rows = request.getfixturevalue(kind)
        method = Adapter({"size": 4})
        base = task.load_model().state_dict()
        model, _, tuned = tune(task, method, rows)
        assert all(".bottleneck." in name or name.startswith("head.") for name in tuned)
        kept = {n: v for n, v in model.state_dict().items() if n in base and "head" not in n}
        assert all(torch.equal(value, base[name]) for name, value in kept.items())
        losses = task.outcomes(model, rows).losses
        method.save(model, task, tmp_path)
        again = Adapter({"size": 4}).restore(task, tmp_path).eval()
        assert task.outcomes(again, rows).losses == pytest.approx(losses, rel=1e-6)

    def test_the_dial_scales_the_change_once(self, request, tune, kind):
        task, rows = request.getfixturevalue(kind)
        _, start, tuned = tune(task, Adapter({"size": 4}), rows)
        blended = Adapter().blend(start, tuned, 0.25)
        for name, value in blended.items():
            if ".up." in name:
                torch.testing.assert_close(value, 0.25 * tuned[name])
            elif ".down." in name:
                assert torch.equal(value, tuned[name])


def test_a_folder_of_another_size_is_refused(classify, tmp_path, tune):
    task, rows = classify
    model, _, _ = tune(task, Adapter({"size": 4}), rows, steps=1)
    Adapter({"size": 4}).save(model, task, tmp_path)
    with pytest.raises(ModelError, match="name or shape"):
        Adapter({"size": 3}).restore(task, tmp_path)
