"""What a method keeps is read by the libraries that others use, and gives the same answers."""

from __future__ import annotations

import made_data
import pytest
import torch
from peft import PeftModel
from trainings import training
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from fewtune.errors import ModelError, PlanError
from fewtune.methods.base import METHODS, trained_state
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification
from fewtune.train.loop import train


@pytest.fixture
def task(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")


@pytest.fixture
def rows(task):
    made = made_data.prompts(8, seed=2)
    return task.encode([Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made)])


@pytest.fixture
def classifier(encoder):
    return TextClassification(resolve(str(encoder)), TaskSettings(), labels=["a", "b"])


@pytest.fixture
def sentences(classifier):
    texts = [text for text, _ in made_data.labelled(3)]
    return classifier.encode([Example(t, "ab"[i % 2], f"made:{i}") for i, t in enumerate(texts)])


def tuned(task, rows, folder, method, options=None):
    run = training(task, task.load_model(), rows, folder, method="full", updates=3)
    run.method = METHODS.load(method)(options)
    run.model = run.method.prepare(task.load_model(), task)
    train(run)
    kept = folder / "model"
    kept.mkdir()
    run.method.save(run.model, task, kept)
    # What is read again is on the processor; a GPU would round otherwise.
    run.model.cpu()
    return run, kept


def logits_of(model, ids):
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits


@pytest.mark.parametrize(
    "options", [{}, {"rslora": True, "rank": 4, "alpha": 8}, {"dora": True, "rank": 2}]
)
def test_an_adapter_is_read_by_peft(task, rows, tmp_path, causal_lm, options):
    run, kept = tuned(task, rows, tmp_path, "lora", options)
    ids = torch.tensor([rows[0].ids])
    base = AutoModelForCausalLM.from_pretrained(causal_lm)
    before = logits_of(base, ids)
    theirs = PeftModel.from_pretrained(base, kept)
    ours = logits_of(run.model, ids)
    assert torch.allclose(logits_of(theirs, ids), ours, atol=1e-6)
    assert not torch.allclose(before, ours, atol=1e-3), "the adapter changed nothing"


def test_an_adapter_of_a_classifier_is_read_by_peft(classifier, sentences, tmp_path, encoder):
    run, kept = tuned(classifier, sentences, tmp_path, "lora")
    base = AutoModel.from_pretrained(encoder, add_pooling_layer=False)
    theirs = PeftModel.from_pretrained(base, kept).eval()
    batch = classifier.collate(sentences[:2])
    with torch.no_grad():
        states = theirs(**batch.inputs).last_hidden_state
        ours = run.model.encoder(**batch.inputs).last_hidden_state
    assert torch.allclose(states, ours, atol=1e-6)


@pytest.mark.parametrize("method", ["full", "head"])
def test_a_whole_model_is_read_by_transformers(task, rows, tmp_path, method):
    run, kept = tuned(task, rows, tmp_path, method)
    task.save_processor(kept)
    ids = torch.tensor([rows[0].ids])
    theirs = AutoModelForCausalLM.from_pretrained(kept)
    assert torch.equal(logits_of(theirs, ids), logits_of(run.model, ids))
    tokenizer = AutoTokenizer.from_pretrained(kept)
    turns = [{"role": "user", "content": "Hello"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == "<s>Hello\n"


def test_a_tied_head_is_tuned_without_its_twin(task, rows, tmp_path):
    """The output head trains, the input embedding that shared its weights stays."""
    before = task.load_model().get_input_embeddings().weight.detach().clone()
    run, kept = tuned(task, rows, tmp_path, "head")
    theirs = AutoModelForCausalLM.from_pretrained(kept)
    assert torch.equal(theirs.get_input_embeddings().weight, before)
    assert torch.equal(
        theirs.get_output_embeddings().weight, run.model.get_output_embeddings().weight
    )
    assert not torch.equal(theirs.get_output_embeddings().weight, before)


@pytest.mark.parametrize("method", ["full", "head", "lora"])
@pytest.mark.parametrize("kind", ["generation", "classification"])
def test_what_was_saved_is_restored(
    request, task, rows, classifier, sentences, tmp_path, method, kind
):
    if kind == "classification":
        task, rows = classifier, sentences
    run, kept = tuned(task, rows, tmp_path, method)
    task.save_processor(kept)
    again = METHODS.load(method)().restore(task, kept)
    first, second = (task.outcomes(model, rows).losses for model in (run.model, again))
    assert first.tolist() == pytest.approx(second.tolist(), abs=1e-6)


def test_a_damaged_head_says_so(classifier, sentences, tmp_path):
    _, kept = tuned(classifier, sentences, tmp_path, "head")
    for damage in (b"", b"\xff" * 40):
        (kept / "head.safetensors").write_bytes(damage)
        with pytest.raises(ModelError, match="classification head"):
            METHODS.load("head")().restore(classifier, kept)
    (kept / "head.safetensors").unlink()
    with pytest.raises(ModelError, match="classification head"):
        METHODS.load("head")().restore(classifier, kept)


def test_lora_without_layers_to_adapt(task):
    with pytest.raises(ModelError, match="layers that LoRA can adapt"):
        METHODS.load("lora")({"targets": ["nothing_of_that_name"]}).prepare(task.load_model(), task)
    with pytest.raises(PlanError, match="rank=0"):
        METHODS.load("lora")({"rank": 0})


def test_the_blend_of_full_weights_by_hand():
    start = {"w": torch.tensor([1.0, 2.0])}
    end = {"w": torch.tensor([3.0, 0.0])}
    assert METHODS.load("full")().blend(start, end, 0.25)["w"].tolist() == [1.5, 1.5]
    assert METHODS.load("full")().blend(start, end, 0)["w"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_the_blend_of_lora_scales_its_change(task, rows, tmp_path, alpha):
    """The weight change of each layer is alpha times the tuned one: not its square."""
    run, _ = tuned(task, rows, tmp_path, "lora")
    end = trained_state(run.model)
    blended = run.method.blend(run.start, end, alpha)
    pairs = [name for name in end if "lora_A" in name]
    assert pairs
    for a in pairs:
        b = a.replace("lora_A", "lora_B")
        assert torch.allclose(blended[b] @ blended[a], alpha * (end[b] @ end[a]), atol=1e-7)


def test_rates_fall_with_the_root_of_the_size():
    full, lora = METHODS.load("full")(), METHODS.load("lora")()
    assert full.rates(500_000_000, "generation") == pytest.approx((6.7e-6, 2e-5, 6e-5))
    assert full.rates(5_000_000, "text_classification")[1] == pytest.approx(2e-4)
    # 2e-5 · 100^0.95 = 1.6e-3: a small language model takes eight times an encoder's rate.
    assert full.rates(5_000_000, "generation")[1] == pytest.approx(1.6e-3)
    # 2e-5 · 16^-0.25 = 1e-5
    assert full.rates(8_000_000_000, "generation")[1] == pytest.approx(1e-5)
    assert lora.rates(500_000_000, "generation")[1] == pytest.approx(2e-4)
    assert full.rates(1, "generation")[1] == 0.002
    assert lora.rates(1, "generation")[1] == 0.01
