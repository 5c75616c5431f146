"""The memory of a fit: what is counted exactly, what is found by running code without values."""

from __future__ import annotations

import json
import mmap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoConfig

from fewtune.errors import ModelError, PlanError
from fewtune.models.shape import known_shape, llama_of
from fewtune.plan import nearest
from fewtune.plan.ledger import Kernels, Ledger
from fewtune.plan.memory import Estimate, estimate, size
from fewtune.plan.nearest import refuse_unfitting
from fewtune.plan.passes import passes
from fewtune.plan.plan import Part, Plan, TrainingPlan
from fewtune.plan.work import Size, Work, work_of
from fewtune.records import Example
from fewtune.tasks.base import Row
from fewtune.verbs.memory import memory

BATCH = Work("generation", 0, Size(2, 8, 10), Size(4, 8, 20), Size(2, 12, 2), known=64)


def counted(model: nn.Module, method: str, work: Work, *, bf16: bool = False):
    return passes(AutoConfig.from_pretrained(model), method, {}, work, bf16=bf16, flash=False)


def test_a_ledger_counts_what_is_alive_and_the_most_that_was():
    with Ledger() as ledger:
        first = torch.zeros(1000)
        second = first * 2
        assert ledger.live == 8000
        del second
        assert ledger.live == 4000
        assert first.view(10, 100).shape == (10, 100)
        assert ledger.live == 4000, "a view holds nothing of its own"
    assert ledger.peak == 8000


def test_what_a_linear_layer_keeps_for_its_gradient():
    """By hand: 32 × 16 inputs and 32 × 64 outputs, their gradient, and the weight's."""
    with torch.device("meta"):
        layer = nn.Linear(16, 64, bias=False)
    known = list(layer.parameters())
    for bf16, bytes_each in ((False, 4), (True, 2)):
        with torch.device("meta"), Ledger(known) as ledger, Kernels(bf16, flash=False):
            given = torch.zeros(32, 16, requires_grad=True)
            out = layer(given)
            cast = (16 * 64 + 32 * 16) * 2 if bf16 else 0
            assert ledger.live == 32 * 16 * 4 + 32 * 64 * bytes_each + cast
            assert out.dtype == (torch.bfloat16 if bf16 else torch.float32)


def test_attention_in_one_kernel_holds_no_matrix_of_all_pairs():
    query = torch.zeros(1, 2, 256, 8, device="meta", requires_grad=True)
    peaks = {}
    for dropout in (0.0, 0.1):
        with torch.device("meta"), Ledger([query]) as ledger, Kernels(False, flash=False):
            nn.functional.scaled_dot_product_attention(query, query, query, dropout_p=dropout)
        peaks[dropout] = ledger.peak
    matrix = 2 * 256 * 256 * 4
    assert peaks[0.0] < matrix < peaks[0.1]


def test_a_gpu_has_no_such_kernel_for_float32_with_shared_keys():
    query = torch.zeros(1, 4, 256, 8, device="meta")
    shared = torch.zeros(1, 2, 256, 8, device="meta")
    matrix = 4 * 256 * 256 * 4
    for bf16, on_gpu, held in ((False, True, True), (True, True, False), (False, False, False)):
        with torch.device("meta"), Ledger([query]) as ledger, Kernels(bf16, flash=on_gpu):
            nn.functional.scaled_dot_product_attention(query, shared, shared, enable_gqa=True)
        assert (ledger.peak > matrix) is held, (bf16, on_gpu)


def test_a_base_in_four_bits_is_an_eighth_as_large(causal_lm):
    """By hand: layers of width 16 with middle 32, 4 heads of 4, 2 for keys, two layers of them."""
    config = AutoConfig.from_pretrained(causal_lm)
    plain, packed = (
        passes(config, "lora", {"four_bit": wanted}, BATCH, bf16=True, flash=True)
        for wanted in (False, True)
    )
    count = 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 32)
    saved = round(count * (4 - 0.5 - 1 / 64 - 4 / 16_384))
    assert plain.base - packed.base == plain.model - packed.model == saved
    assert packed.trainable == plain.trainable
    # A pass of the plain base keeps its layers in bfloat16 too, all where a gradient goes through
    # (the lowest keys, queries and values have none below); one of the packed one at a time.
    assert count < plain.update - packed.update < 2 * count


def test_linear_layers_of_a_frozen_base_are_half_as_large(causal_lm):
    """By hand, as above, with the output layer where it has weights of its own; no copy is kept."""
    config = AutoConfig.from_pretrained(causal_lm)
    whole, low = (
        passes(config, "lora", {}, BATCH, bf16=True, low=low, flash=True) for low in (False, True)
    )
    count = 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 32)
    count += 0 if config.tie_word_embeddings else config.vocab_size * 16
    assert whole.base - low.base == whole.model - low.model == 2 * count
    assert whole.trainable == low.trainable
    # What autocast makes of whole weights is kept for the pass backward, beside them.
    assert 0 < whole.update - low.update <= 2 * count


def test_what_is_tried_decides_how_the_base_is_held(causal_lm, data_folder):
    """A fit's estimate falls with the base where nothing that it tries trains the base itself."""
    import fewtune
    from fewtune.verbs.foreseen import foresee_plan

    def base(*rungs):
        settings = {"training.precision": "bf16", "method.name": "lora", "select.rungs": [*rungs]}
        rows = data_folder / "prompts.jsonl"
        found = foresee_plan(fewtune.prepare(rows, str(causal_lm), settings=settings))
        return found.parts["base"]

    assert base() < base("partial")


def test_weights_are_counted_as_they_are(causal_lm):
    from safetensors.torch import load_file

    stored = sum(v.numel() for v in load_file(causal_lm / "model.safetensors").values())
    found = counted(causal_lm, "full", BATCH)
    buffers = found.base - 4 * stored
    assert 0 <= buffers < 1000, "only the rotary frequencies are no weights"
    assert found.trainable == 4 * stored
    assert found.model == found.base == found.kept


def test_lora_trains_and_keeps_its_factors_alone(causal_lm):
    """By hand: 2 layers of width 16, 4 heads of 4, 2 for keys, middle 32; rank 16 each."""
    found = counted(causal_lm, "lora", BATCH)
    outs_and_ins = [(16, 16), (8, 16), (8, 16), (16, 16), (32, 16), (32, 16), (16, 32)]
    assert found.trainable == 4 * 2 * sum(16 * (a + b) for a, b in outs_and_ins)
    assert found.kept == found.trainable
    assert found.model == found.base + found.trainable


@pytest.mark.parametrize(("method", "whole"), [("contrastive", True), ("head", False)])
def test_what_changes_the_base_is_kept_whole(encoder, method, whole):
    work = Work("text_classification", 3, Size(4, 8, 4), Size(4, 8, 4), known=64)
    found = counted(encoder, method, work)
    assert found.kept == (found.model if whole else found.trainable)
    assert found.trainable < found.model


def test_activations_grow_with_rows_and_shrink_with_what_is_frozen(causal_lm):
    def update(method: str, rows: int, **more: bool) -> int:
        work = Work("generation", 0, Size(rows, 64, rows * 64), Size(1, 8, 8))
        return counted(causal_lm, method, work, **more).update

    assert 1.9 < update("full", 16) / update("full", 8) < 2.1
    assert update("head", 8) < update("partial", 8) < update("full", 8)
    assert update("full", 64, bf16=True) < update("full", 64)


@pytest.mark.parametrize("method", ["full", "partial", "head", "lora", "prefix", "adapter"])
@pytest.mark.parametrize("task", ["generation", "text_classification"])
def test_every_method_can_be_tried_without_values(causal_lm, encoder, method, task):
    model = causal_lm if task == "generation" else encoder
    work = Work(task, 3, Size(2, 8, 4), Size(4, 8, 8), known=100)
    found = counted(model, method, work)
    assert 0 < found.trainable <= found.model
    assert found.update > 0
    assert (found.trunk > 0) == (method in ("partial", "head"))


def test_the_configuration_given_stays_as_it_was(causal_lm):
    config = AutoConfig.from_pretrained(causal_lm)
    passes(config, "head", {}, BATCH, bf16=False, flash=False)
    assert config.tie_word_embeddings is True


def rows(*lengths: int) -> list[Row]:
    return [
        Row(Example("", "", f"made:{i}"), (1,) * n, labels=(-100, *[1] * (n - 1)))
        for i, n in enumerate(lengths)
    ]


def test_the_work_of_a_fit_is_that_of_its_longest_rows():
    training = TrainingPlan(batch_size=3, tokens_per_batch=40)
    found = work_of(
        "generation", 0, rows(5, 20, 7, 18, 3), rows(30, 4), training,
        budget=60, samples=1, new_tokens=10,
    )  # fmt: skip
    # An update of 20, 18 and 7 tokens: 20 + 18 fill 40; three rows would be 60.
    assert found.update == Size(2, 20, 36)
    assert found.answers == Size(1, 40, 1)
    # Of 30, 20, 18 …: 30 + 20 fill 60; 18, 7, 5 are 54, and 4 is one too many at 18 wide.
    assert found.measured == Size(2, 30, 48)
    assert found.known == 53


@pytest.fixture
def plan(causal_lm) -> Plan:
    return Plan(
        model=str(causal_lm),
        task={"name": "generation"},
        method=Part(name="full"),
        training=TrainingPlan(tokens_per_batch=1024, batch_size=16),
    )


def foreseen(plan: Plan, work: Work, device: str = "cuda") -> Estimate:
    """On a GPU: there are no libraries, and drawing a report takes nothing beside a tiny model."""
    config = AutoConfig.from_pretrained(plan.model)
    return estimate(config, plan, work, parameters=10_000, device=device)


BIG = Work("generation", 0, Size(16, 64, 1024), Size(1, 64, 64))


@pytest.mark.parametrize(("passages", "rows", "width"), [(0, 96, 64), (120, 216, 128)])
def test_the_answers_that_a_base_is_held_to_are_kept_of_samples_and_passages(
    plan, passages, rows, width
):
    """Samples are as long as the longest row, passages about 128 tokens; an answer is a vocabulary.

    So many rows of so many tokens, of 4 bytes for each word that the model knows.
    """
    words = AutoConfig.from_pretrained(plan.model).vocab_size
    held = Part(name="kl_to_base", options={"passages": passages})
    found = foreseen(plan.model_copy(update={"regularizers": [held]}), BIG)
    assert found.parts["guards"] == rows * width * words * 4


def test_an_estimate_adds_up_what_is_held_at_once(plan):
    found = foreseen(plan, BIG)
    weights = found.parts["base"]
    assert found.parts["gradients"] == pytest.approx(weights, rel=0.05)
    assert found.parts["optimizer"] == 2 * found.parts["gradients"]
    assert found.total == sum(found.parts.values())
    assert found.parts["snapshots"] == found.trainable, "the base serves as the start"
    more = plan.model_copy(update={"regularizers": [Part(name="ewc")]})
    assert foreseen(more, BIG).total == found.total + found.trainable


def refused(plan: Plan, free: int) -> str:
    config = AutoConfig.from_pretrained(plan.model)
    found = foreseen(plan, BIG)
    with pytest.raises(PlanError) as caught:
        refuse_unfitting(config, plan, BIG, found, parameters=10_000, device="cuda", free=free)
    return str(caught.value)


def test_what_does_not_fit_is_refused_with_the_nearest_that_does(plan):
    found = foreseen(plan, BIG)
    config = AutoConfig.from_pretrained(plan.model)
    for free in (None, found.total):
        refuse_unfitting(config, plan, BIG, found, parameters=1, device="cuda", free=free)
    said = refused(plan, found.total - 1)
    assert "--set training.tokens_per_batch=512" in said
    assert f"that fits in the {size(found.total - 1)} that the GPU has free" in said
    assert "choose a smaller model" in refused(plan, 1000)


def test_where_a_base_can_be_packed_that_is_nearer_than_to_train_less_of_it(plan, monkeypatch):
    work = replace(BIG, update=Size(1, 8, 8), measured=Size(1, 8, 8), answers=None)
    found = {}
    for why in ("", "no CUDA device here"):
        monkeypatch.setattr(nearest, "why_not_packed", lambda task, why=why: why)
        found[why] = list(nearest._nearer(plan, work))
    packed = [changes for changes in found[""] if changes.get("method.options.four_bit")]
    assert packed and [c for c in found[""] if c not in packed] == found["no CUDA device here"]
    names = [changes.get("method.name") for changes in found[""]]
    assert names.index("lora") < found[""].index(packed[0]) < names.index("partial")
    assert plan.changed(packed[0]).method == Part(name="lora", options={"four_bit": True})


def test_on_a_processor_the_libraries_and_the_report_count(plan):
    found = foreseen(plan, BIG, "cpu")
    assert found.parts["libraries"] > 4e8
    assert found.moment.startswith("reporting"), "a tiny model holds most when the report is drawn"
    assert foreseen(plan, BIG).moment.startswith("training")


@pytest.mark.parametrize("method", ["lora", "prefix", "adapter"])
def test_what_leaves_the_base_alone_holds_its_weights_once(plan, method):
    other = plan.model_copy(update={"method": Part(name=method)})
    found, whole = foreseen(other, BIG), foreseen(plan, BIG)
    assert found.parts["weights"] == found.trainable
    assert whole.parts["weights"] == whole.parts["base"]


def test_the_plan_that_is_named_does_fit(plan):
    small = foreseen(plan, BIG.narrowed(TrainingPlan(tokens_per_batch=64))).total
    said = refused(plan, small + 10)
    key, value = said.rpartition("--set ")[2].rstrip(".").split("=")
    changed = plan.changed({key: int(value)})
    assert foreseen(changed, BIG.narrowed(changed.training)).total <= small + 10


def test_seven_billion_parameters():
    """4 and 2 bytes a value; LoRA of rank 16 on 7 layers of each of 32 blocks of LLaMA-7B."""
    about, parameters, needs = memory("7B", methods=("full", "lora"), length=64)
    assert "32 layers of width 4096" in about
    assert parameters == pytest.approx(6_738_415_616, rel=1e-6)
    found = {need.method: need for need in needs}
    assert found["full"].gradients == 4 * 6_738_415_616
    assert found["full"].optimizer == 8 * 6_738_415_616
    each = 16 * (4 * (4096 + 4096) + 3 * (4096 + 11_008))
    assert found["lora"].kept == 4 * 32 * each
    assert [need.total for need in needs] == sorted((n.total for n in needs), reverse=True)


@pytest.mark.parametrize("name", ["7B", "1.1b", "350M", "0.5 B"])
def test_a_bare_count_is_a_llama_of_about_that_size(name):
    config, _ = known_shape(name)
    wanted = float(name.rstrip("bBM ")) * (1e6 if "M" in name else 1e9)
    width, layers, middle = (
        config.hidden_size, config.num_hidden_layers, config.intermediate_size,
    )  # fmt: skip
    there = layers * (4 * width**2 + 3 * width * middle) + 2 * config.vocab_size * width
    assert there == pytest.approx(wanted, rel=0.2)
    assert llama_of(wanted).hidden_size == width


def test_a_configuration_without_weights_is_enough(causal_lm, tmp_path):
    (tmp_path / "config.json").write_text((causal_lm / "config.json").read_text())
    _, parameters, needs = memory(str(tmp_path), length=8)
    assert parameters > 0
    assert {need.method for need in needs} >= {"full", "lora", "head"}
    with pytest.raises(ModelError):
        memory(str(tmp_path / "nothing"))


def test_methods_are_asked_for_by_name(causal_lm, fewtune):
    _, _, needs = memory(str(causal_lm), methods=("lora",), length=8)
    assert [need.method for need in needs] == ["lora"]
    (alone,) = [need for need in memory(str(causal_lm), length=8)[2] if need.method == "lora"]
    assert needs == [alone]
    for wrong in ("contrastive", "no_such"):
        done = fewtune("memory", causal_lm, "--method", wrong)
        assert done.code == 2, done.out
        assert "Traceback" not in done.err
        assert wrong in done.err


def test_the_verb_prints_figures_and_json(fewtune, causal_lm):
    done = fewtune("memory", causal_lm, "--length", 8)
    assert done.code == 0, done.err
    assert done.out.count("\n") > 7
    answer = json.loads(fewtune("memory", causal_lm, "--length", 8, "--json").out)
    assert answer["weights"]["float32"] == 2 * answer["weights"]["bfloat16"]
    lora = next(m for m in answer["methods"] if m["method"] == "lora")
    parts = ("weights", "gradients", "optimizer", "activations")
    assert lora["total"] == sum(lora[part] for part in parts)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells what is resident")
def test_resident_memory_grows_by_what_is_taken():
    from fewtune.environment import free_memory, resident_memory

    before = resident_memory()
    # Mapped by itself: what the allocator keeps of earlier tests would serve anything else.
    with mmap.mmap(-1, 50_000_000) as block:
        for _ in range(50):
            block.write(b"x" * 1_000_000)
        taken = resident_memory() - before
    assert taken == pytest.approx(50_000_000, rel=0.1)
    assert 50_000_000 < (free_memory("cpu") or 0) < 10**13
