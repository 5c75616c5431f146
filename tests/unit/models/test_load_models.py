"""Models by name: what is taken, what is refused, and what names exactly one model."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from fewtune.errors import ModelError
from fewtune.models import load
from fewtune.models import source as where
from fewtune.models.empty import empty_model
from fewtune.models.load import fingerprint, model_kind, parameter_count, resolve


def copy(model, to):
    shutil.copytree(model, to)
    return to


def test_parameters_are_counted_without_loading(encoder, causal_lm):
    whole = load.load_encoder(resolve(str(encoder)))
    assert parameter_count(resolve(str(encoder))) == sum(p.numel() for p in whole.parameters())
    whole = load.load_causal_lm(resolve(str(causal_lm)))
    assert parameter_count(resolve(str(causal_lm))) == sum(p.numel() for p in whole.parameters())


def test_a_fingerprint_names_one_model(encoder, tmp_path):
    source = resolve(str(encoder))
    again = copy(encoder, tmp_path / "copy")
    assert fingerprint(resolve(str(again))) == fingerprint(source)
    state = load_file(again / "model.safetensors")
    state["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(state, again / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(resolve(str(again))) != fingerprint(source)


@pytest.mark.parametrize("place", [0, 9, -1])
def test_a_change_of_any_tensor_changes_the_fingerprint(encoder, tmp_path, place):
    """Also of the last layers alone, which is what a tuning of few layers leaves."""
    again = copy(encoder, tmp_path / "copy")
    state = load_file(again / "model.safetensors")
    state[sorted(state)[place]] += 1e-4
    save_file(state, again / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(resolve(str(again))) != fingerprint(resolve(str(encoder)))


def test_kinds_by_architecture():
    def kind(model_type, architecture):
        return model_kind(AutoConfig.for_model(model_type, architectures=[architecture]))

    assert kind("gpt2", "GPT2LMHeadModel") == "causal"
    assert kind("llama", "LlamaForCausalLM") == "causal"
    assert kind("bert", "BertModel") == "text"
    assert kind("bert", "BertForMaskedLM") == "text"
    assert kind("vit", "ViTForImageClassification") == "image"
    assert kind("mobilenet_v2", "MobileNetV2Model") == "image"


def test_a_language_model_can_encode_and_an_encoder_cannot_generate(encoder, causal_lm):
    assert load.load_encoder(resolve(str(causal_lm))).config.model_type == "llama"
    with pytest.raises(ModelError, match="a text encoder"):
        load.load_causal_lm(resolve(str(encoder)))


def test_weights_are_float32_and_in_evaluation_mode(causal_lm, tmp_path):
    half = copy(causal_lm, tmp_path / "half")
    state = {k: v.half() for k, v in load_file(half / "model.safetensors").items()}
    save_file(state, half / "model.safetensors", metadata={"format": "pt"})
    model = load.load_causal_lm(resolve(str(half)))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


def test_a_tokenizer_without_padding_gets_one(causal_lm, tmp_path):
    import json

    bare = copy(causal_lm, tmp_path / "bare")
    settings = json.loads((bare / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (bare / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load.load_tokenizer(resolve(str(bare)))
    assert tokenizer.pad_token == "</s>"
    assert tokenizer.padding_side == "right"


def test_a_run_folder_is_no_base(tmp_path, encoder):
    (tmp_path / "plan.yaml").write_text("")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="a run folder"):
        resolve(str(tmp_path))


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="Got a file"):
        resolve(str(tmp_path / "m.safetensors"))


@pytest.mark.parametrize("name", ["", "nothing", "./a/b", "a/b/c", "../x/y"])
def test_names_that_are_neither_folder_nor_hub_id(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        resolve(name)


def test_minilm_is_the_published_one_or_refused(monkeypatch):
    try:
        source = resolve("minilm")
    except ModelError:
        pytest.skip("the extra `offline`, which carries all-MiniLM-L6-v2, is not installed")
    assert 22_000_000 < parameter_count(source) < 23_000_000
    monkeypatch.setattr(where, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="sha256 0000"):
        resolve("minilm")


@pytest.mark.parametrize("kind", ["xlm-roberta", "camembert", "mpnet", "bert", "distilbert"])
@pytest.mark.parametrize("pooler", [True, False])
def test_an_encoder_is_read_with_or_without_weights_of_a_pooler(tmp_path, kind, pooler):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(kind, vocab_size=40, **small, intermediate_size=16)
    if kind == "distilbert":
        made = AutoModel.from_config(config)
    else:
        made = AutoModel.from_config(config, add_pooling_layer=pooler)
    made.save_pretrained(tmp_path)
    read = load.load_encoder(resolve(str(tmp_path)))
    whole = dict(made.named_parameters())
    for name, value in read.named_parameters():
        assert torch.equal(value, whole[name])
    assert "pooler.dense.weight" not in dict(read.named_parameters())
    shape = empty_model(read.config, "text_classification", 2).encoder
    assert [n for n, _ in shape.named_parameters()] == [n for n, _ in read.named_parameters()]
