"""What a fit wrote is read again, and does not lie beside what was measured."""

from __future__ import annotations

import gc

import pytest

import fewtune
from fewtune.verbs import judge


def large_weights() -> int:
    """Return how many values live in tensors that belong to a language model's blocks."""
    from transformers import LlamaForCausalLM

    gc.collect()
    alive = [found for found in gc.get_objects() if isinstance(found, LlamaForCausalLM)]
    return len({id(p) for model in alive for p in model.parameters()})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_no_other_model_is_there(method, data_folder, causal_lm, tmp_path, monkeypatch):
    before, beside = large_weights(), []
    read = judge.load_model

    def watched(run):
        beside.append(large_weights())
        return read(run)

    monkeypatch.setattr(judge, "load_model", watched)
    settings = {
        "method.name": method, "training.updates": 2, "training.evaluations": 1,
        "select.samples": 0, "regularizers": [],
    }  # fmt: skip
    run = fewtune.fit(
        data_folder / "prompts.jsonl", str(causal_lm), settings=settings, output=tmp_path / "run"
    )
    assert beside == [before]
    assert run.predict("name: Cocum")["input"] == "name: Cocum"
