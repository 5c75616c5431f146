"""A prefix is peft's to rounding, moves alone, survives padding and generation, and comes back."""

from __future__ import annotations

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from fewtune.errors import ModelError
from fewtune.methods.prefix import Prefix
from fewtune.models.adapters import disabled
from fewtune.models.prefix import add_prefix, flat, prefixes, unflat
from fewtune.records import Example

FOUR = {"tokens": 4}


def shaken(model, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for prefix in prefixes(model):
            prefix.key.add_(torch.randn_like(prefix.key))
            prefix.value.add_(torch.randn_like(prefix.value))
    return model.eval()


class TestAgainstPeft:
    def test_its_own_forward_gives_the_same_logits(self, generate, language_folder, tmp_path):
        task, _ = generate
        method = Prefix(FOUR)
        ours = shaken(method.prepare(task.load_model(), task))
        method.save(ours, task, tmp_path)
        base = AutoModelForCausalLM.from_pretrained(language_folder)
        theirs = PeftModel.from_pretrained(base, tmp_path).eval()
        ids = torch.tensor([[5, 9, 13, 2, 40], [7, 7, 30, 31, 8]])
        with torch.no_grad():
            expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            torch.testing.assert_close(ours(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-4)

    def test_learned_positions_count_the_prefix_too(self, tmp_path):
        torch.manual_seed(0)
        small = GPT2Config(vocab_size=16, n_embd=8, n_layer=2, n_head=2, n_positions=12)
        GPT2LMHeadModel(small).save_pretrained(tmp_path / "base")
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
        found = add_prefix(ours, [1, 2, 3])
        from fewtune.models.adapters import save_prefix

        shaken(ours)
        (tmp_path / "prefix").mkdir()
        save_prefix(found, tmp_path / "prefix", "base", "CAUSAL_LM")
        base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        theirs = PeftModel.from_pretrained(base, tmp_path / "prefix").eval()
        ids = torch.tensor([[5, 9, 13, 2]])
        with torch.no_grad():
            expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            torch.testing.assert_close(ours(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-4)
            with pytest.raises(ModelError, match="at most 9 tokens beside a prefix of 3"):
                ours(input_ids=torch.tensor([[1] * 10]))


def test_the_start_is_the_base_with_these_tokens_in_front(generate):
    task, _ = generate
    base = task.load_model()
    ids = torch.tensor([[5, 9, 13, 2]])
    with torch.no_grad():
        expected = base(input_ids=torch.cat([torch.tensor([[11, 12, 3]]), ids], dim=1)).logits
        model = task.load_model()
        add_prefix(model, [11, 12, 3])
        found = model(input_ids=ids).logits
    torch.testing.assert_close(found, expected[:, 3:], atol=1e-5, rtol=1e-4)


def test_generation_with_a_cache_and_left_padding_equals_whole_forwards(generate):
    task, _ = generate
    model = shaken(Prefix(FOUR).prepare(task.load_model(), task))
    examples = [Example("the cat", None, "a"), Example("a dog ran far away today", None, "b")]
    together = task.generate(model, examples)
    alone = [task.generate(model, [example])[0] for example in examples]
    assert together == alone
    ids = task._prompt_ids(examples[0])
    for _ in range(task.max_new_tokens):
        with torch.no_grad():
            best = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if best in task.end_ids:
            break
        ids.append(best)
    prompt = len(task._prompt_ids(examples[0]))
    assert task._answer(ids[prompt:], task.end_ids)[0] == alone[0][0]


@pytest.mark.parametrize("kind", ["classify", "generate"])
class TestTuning:
    def test_padding_changes_nothing(self, request, kind):
        task, rows = request.getfixturevalue(kind)
        model = shaken(Prefix(FOUR).prepare(task.load_model(), task))
        if hasattr(model, "head"):
            torch.nn.init.normal_(model.head.weight)
        together = task.outcomes(model, rows).losses
        alone = [task.outcomes(model, [row]).losses[0] for row in rows]
        assert together == pytest.approx(alone, rel=1e-4)

    def test_only_prefix_and_head_move_and_the_folder_gives_equal_outputs(
        self, request, tmp_path, tune, kind
    ):
        task, rows = request.getfixturevalue(kind)
        base = task.load_model().state_dict()
        model, start, tuned = tune(task, Prefix(FOUR), rows)
        assert all(".prefix." in name or name.startswith("head.") for name in tuned)
        assert all(not torch.equal(start[n], tuned[n]) for n in tuned if n.endswith("prefix.value"))
        kept = {n: v for n, v in model.state_dict().items() if n in base and "head" not in n}
        assert all(torch.equal(value, base[name]) for name, value in kept.items())
        losses = task.outcomes(model, rows).losses
        Prefix(FOUR).save(model, task, tmp_path)
        again = Prefix(FOUR).restore(task, tmp_path).eval()
        assert task.outcomes(again, rows).losses == pytest.approx(losses, rel=1e-6)

    def test_a_disabled_prefix_is_the_base(self, request, kind):
        task, rows = request.getfixturevalue(kind)
        batch = task.collate(rows)
        with torch.no_grad():
            base = task.hidden(task.load_model(), batch)
            model = shaken(Prefix(FOUR).prepare(task.load_model(), task))
            assert not torch.allclose(task.hidden(model, batch), base, atol=1e-3)
            with disabled(model):
                torch.testing.assert_close(task.hidden(model, batch), base)


def test_a_text_to_start_from_is_repeated_to_length(generate):
    task, _ = generate
    ids = task.tokenizer("cat", add_special_tokens=False)["input_ids"]
    wanted = (ids * 5)[:5]
    model = Prefix({"tokens": 5, "text": "cat"}).prepare(task.load_model(), task)
    other = task.load_model()
    add_prefix(other, wanted)
    assert torch.equal(flat(prefixes(model)), flat(prefixes(other)))


def test_a_prefix_of_another_length_is_refused(generate, tmp_path):
    task, _ = generate
    model = Prefix(FOUR).prepare(task.load_model(), task)
    Prefix(FOUR).save(model, task, tmp_path)
    with pytest.raises(ModelError, match="a prefix of shape"):
        Prefix({"tokens": 5}).restore(task, tmp_path)


def test_flat_and_back(generate):
    task, _ = generate
    model = shaken(Prefix(FOUR).prepare(task.load_model(), task))
    values = flat(prefixes(model))
    other = Prefix(FOUR).prepare(task.load_model(), task)
    unflat(prefixes(other), values, "here")
    for one, two in zip(prefixes(model), prefixes(other), strict=True):
        assert torch.equal(one.key, two.key) and torch.equal(one.value, two.value)
