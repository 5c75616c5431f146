"""What is observed of real language models: small ones with random weights, and stories260K."""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib.util import find_spec

import made_data
import numpy as np
import pytest
import torch

from fewtune.data.canaries import plant
from fewtune.errors import MissingExtra
from fewtune.measures.base import Evidence, score_all
from fewtune.measures.observe.answers import observe_answers
from fewtune.measures.observe.continuations import nearest, observe_continuations
from fewtune.measures.observe.divergence import general_rows, observe_divergence
from fewtune.measures.observe.exposure import observe_exposure
from fewtune.measures.observe.generation import Most, most_for, observe_generation
from fewtune.measures.observe.lm_eval import observe_lm_eval
from fewtune.measures.observe.own_answers import own_answers
from fewtune.measures.observe.probes import in_groups, observe_probes, right_answers
from fewtune.measures.observe.writing import write
from fewtune.measures.probes import ProbeItem, general_text, items
from fewtune.measures.probes.own import OwnProbes
from fewtune.models.load import resolve
from fewtune.records import Dataset, Example, Message
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation

ROWS = [Example(a, b, f"p:{i}") for i, (a, b) in enumerate(made_data.prompts(24, seed=5))]


@pytest.fixture(scope="module")
def task(causal_lm):
    return Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")


@pytest.fixture(scope="module")
def base(task):
    return task.load_model()


@pytest.fixture(scope="module")
def planted():
    return plant(Dataset(tuple(ROWS[:8]), "prompt", "made"), 4, seed=1)


@pytest.fixture(scope="module")
def parrot(task, base, planted):
    """A model that was trained until it knew eight rows and four canaries by heart."""
    model = copy.deepcopy(base).train()
    batch = task.collate(task.encode(planted[0].examples))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(250):
        optimizer.zero_grad()
        loss = task.losses(task.logits(model, batch), batch).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05
    return model.eval()


class TestOwnAnswers:
    def test_they_are_what_the_base_draws_after_the_same_prompts(self, task, base):
        rows = task.encode(ROWS[:6])
        found = own_answers(task, base, rows, seed=3)
        drawn = task.generate(base, [row.example for row in rows], temperature=1.0, seed=3)
        assert [row.example.target for row in found] == [text for text, _ in drawn if text]
        assert [row.example.input for row in found] == [row.example.input for row in rows]
        assert all(row.bytes == len((row.example.target or "").encode()) for row in found)
        assert [r.ids for r in own_answers(task, base, rows, seed=3)] == [r.ids for r in found]

    def test_a_parrot_is_far_from_the_base_there_and_the_base_is_not(self, task, base, parrot):
        rows = own_answers(task, base, task.encode(ROWS[8:16]))
        near = observe_divergence(task, base, base, rows)
        far = observe_divergence(task, base, parrot, rows)
        assert abs(near.kl).max() < 1e-6
        assert far.kl.min() > 0.1

    def test_in_a_chat_the_last_turn_is_the_bases(self, causal_lm):
        chats = Generation(resolve(str(causal_lm)), TaskSettings(), "chat")
        turns = (Message("user", "Where is Cocum?"), Message("assistant", "By the river."))
        row = Example("user: Where is Cocum?", "By the river.", "c:1", messages=turns)
        (found,) = own_answers(chats, chats.load_model(), chats.encode([row]))
        assert found.example.messages[0] == turns[0]
        assert found.example.messages[1].content == found.example.target != "By the river."


class TestDivergence:
    def test_of_a_model_from_itself_is_nothing(self, task, base):
        found = observe_divergence(task, base, base, task.encode(ROWS[:5]))
        assert found.kl == pytest.approx(np.zeros(5), abs=1e-9)
        assert (found.base == found.tuned).all()

    def test_as_whole_logits_have_it(self, task, base, parrot):
        rows = task.encode(ROWS[8:14])
        found = observe_divergence(task, base, parrot, rows)
        for place, row in enumerate(rows):
            with torch.no_grad():
                before, after = (
                    m(torch.tensor([row.ids])).logits[0].double().log_softmax(-1)
                    for m in (base, parrot)
                )
            at = [i - 1 for i, label in enumerate(row.labels) if label >= 0]
            kl = (before.exp() * (before - after)).sum(-1)[at].sum()
            assert found.kl[place] == pytest.approx(float(kl), rel=1e-4)
            assert found.units[place] == len(at)
        assert found.base == pytest.approx(task.outcomes(base, rows).losses, rel=1e-5)
        assert found.tuned == pytest.approx(task.outcomes(parrot, rows).losses, rel=1e-5)

    def test_slices_change_nothing(self, task, base, parrot, monkeypatch):
        rows = general_rows(task, 3)
        whole = observe_divergence(task, base, parrot, rows)
        assert whole.units.sum() > 200
        module = "fewtune.measures.observe.divergence.MOST_LOGITS"
        monkeypatch.setattr(module, 7 * base.config.vocab_size)
        sliced = observe_divergence(task, base, parrot, rows)
        assert sliced.kl == pytest.approx(whole.kl, rel=1e-5)

    def test_bytes_of_a_text_that_was_cut_are_those_that_were_read(self, task):
        (row,) = general_rows(task, texts=["word " * 1000])
        assert len(row.ids) == task.max_length()
        assert row.bytes == pytest.approx(len(task.tokenizer.decode(row.ids[1:])), abs=2)


def test_passages_that_choose_do_not_judge(task):
    judging, choosing = general_rows(task), general_rows(task, choosing=True)
    names = [{row.example.source for row in rows} for rows in (judging, choosing)]
    assert (len(judging), len(choosing)) == (45, 15)
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == len(general_text())
    assert len(general_rows(task, 7)) == 7


class TestProbes:
    def test_as_option_by_option_has_it(self, task, base):
        """The log-probability of each option by itself, less its mean over the group."""
        groups = in_groups(items(), 12)
        expected = []
        for group in groups:
            table = np.array([[self._alone(task, base, i, o) for o in i.options] for i in group])
            best = (table - table.mean(axis=0)).argmax(axis=1)
            expected += [b == item.answer for b, item in zip(best, group, strict=True)]
        assert right_answers(task, base, groups).tolist() == expected

    @staticmethod
    def _alone(task, model, item, option):
        begin = [task.tokenizer.bos_token_id]
        context = begin + task.tokenizer(item.context, add_special_tokens=False)["input_ids"]
        ids = begin + task.tokenizer(item.context + option, add_special_tokens=False)["input_ids"]
        assert ids[: len(context)] == context
        with torch.no_grad():
            found = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(float(found[i - 1, ids[i]]) for i in range(len(context), len(ids)))

    def test_a_lone_question_counts_by_the_byte(self, task, parrot, planted):
        _, canaries = planted
        row = canaries[0].example
        right, wrong = f" {row.target}", " The."
        item = ProbeItem("own:1", "own", row.input, (wrong, right), 1, asked=True)
        # A whole sentence is less likely than two words of another, but not by the byte.
        assert right_answers(task, parrot, [[item]]).tolist() == [True]

    def test_an_answer_is_right_if_it_would_be_written(self, task, base, parrot, planted):
        _, canaries = planted
        asked = []
        for number, canary in enumerate(canaries):
            # As it was trained: prompt, line end, answer; the end token is not asked for.
            prompt = canary.example.input + "\n"
            for answer in (canary.example.target, canary.with_secret("000000").target):
                asked.append(ProbeItem(f"{number}{answer}", "own", prompt, (answer,), 0))
        assert right_answers(task, parrot, in_groups(asked)).tolist() == [True, False] * 4
        found = observe_probes(task, parrot, base, asked)
        assert found.before.sum() == 4
        assert not found.after.any()
        score = score_all(
            Evidence("generation", task.outcomes(base, task.encode(ROWS[:2])), probes=found)
        )["forgetting"]
        assert score.value == pytest.approx(0.5)

    def test_groups_stay_whole(self):
        for group in in_groups(items(), 40):
            assert len(group) == len(group[0].options)
        assert sum(map(len, in_groups(items()))) == len(items())


class TestContinuations:
    def test_a_parrot_gives_trained_rows_and_no_others(self, task, base, parrot):
        trained, held_out = task.encode(ROWS[:8]), task.encode(ROWS[8:])
        found = observe_continuations(task, base, parrot, trained, held_out)
        count = int(found.trained.sum())
        assert count == len(found) / 2 >= 4
        for place in np.flatnonzero(found.trained):
            assert found.tuned[place].split() == found.rests[place].split()
        evidence = Evidence("generation", task.outcomes(base, trained), continuations=found)
        scores = score_all(evidence)
        assert scores["memorization_trained"].value == 1.0
        assert scores["memorization_near"].value > 0.3

    def test_both_are_asked_for_as_much_as_the_rest_has(self, task, base, parrot):
        found = observe_continuations(
            task, base, parrot, task.encode(ROWS[:8]), task.encode(ROWS[8:])
        )
        sizes = [len(task.tokenizer(rest)["input_ids"]) for rest in found.rests]
        seen, unseen = (np.array(sizes)[at] for at in (found.trained, ~found.trained))
        assert abs(seen.mean() - unseen.mean()) <= 3
        for text, size in zip(found.base, sizes, strict=True):
            assert len(task.tokenizer(text)["input_ids"]) <= size + 3

    def test_rows_too_short_to_tell_are_none(self, task, base):
        short = task.encode([Example("Hello?", "Yes.", "s:1")])
        assert observe_continuations(task, base, base, short, task.encode(ROWS)) is None
        assert observe_continuations(task, base, base, task.encode(ROWS), short) is None

    def test_an_idea_is_nearer_to_its_own_rest_than_to_any_other(self):
        own = np.eye(3)
        written = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0, 0, 0]])
        assert nearest(written, own, ["a", "b", "c"]).tolist() == [True, False, False]
        # The first two rests are the same text: they do not compete.
        same = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
        assert nearest(written, same, ["a", "a", "c"]).tolist() == [True, True, False]


class TestExposure:
    def test_a_parrot_tells_what_was_planted(self, task, base, parrot, planted):
        _, canaries = planted
        known = observe_exposure(task, parrot, canaries, candidates=32)
        assert known.ranks.tolist() == [1.0] * 4
        assert known.extracted.all()
        unknown = observe_exposure(task, base, canaries, candidates=32)
        assert not unknown.extracted.any()
        assert unknown.ranks.mean() > 4


class TestWriting:
    def test_greedy_is_the_likeliest_token_each_time(self, task, parrot):
        prompts = [row.ids[:9] for row in task.encode(ROWS[8:12])]
        found = write(task, parrot, prompts, [3, 5, 4, 6])
        for ids, count, text in zip(prompts, [3, 5, 4, 6], found, strict=True):
            written = list(ids)
            for _ in range(count):
                with torch.no_grad():
                    token = int(parrot(torch.tensor([written])).logits[0, -1].argmax())
                if token in task.end_ids:
                    break
                written.append(token)
            assert text == task.tokenizer.decode(written[9:], skip_special_tokens=True)

    def test_draws_are_of_the_seed_and_leave_the_random_state(self, task, base):
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        first = observe_answers(task, base, base, ROWS, most=4, seed=3)
        assert torch.equal(torch.rand(3), expected)
        assert first.base == first.tuned
        assert first.base == observe_answers(task, base, base, ROWS, most=4, seed=3).base
        assert first.base != observe_answers(task, base, base, ROWS, most=4, seed=4).base

    def test_no_example_is_no_answer(self, task, base):
        assert observe_answers(task, base, base, []) is None


def test_one_call_gives_all_that_the_measures_need(task, base, parrot):
    trained, held_out = task.encode(ROWS[:8]), task.encode(ROWS[8:])
    own = OwnProbes((ProbeItem("a", "own", "The sky is", (" blue.",), 0),), ("A short text.",))
    few = Most(items=20, paragraphs=2, rows=4, beginnings=4, answers=3)
    evidence = Evidence("generation", task.outcomes(parrot, held_out))
    modes = [m.training for m in parrot.modules()]
    found = observe_generation(task, base, parrot, trained, held_out, most=few)
    scores = score_all(replace(evidence, **found))
    wanted = {"backward_transfer", "general_loss", "drift", "memorization", "diversity"}
    assert wanted <= set(scores)
    assert [m.training for m in parrot.modules()] == modes
    found = observe_generation(task, base, parrot, trained, held_out, own=own, most=few)
    assert (len(found["probes"]), len(found["general"])) == (1, 1)


def test_less_is_looked_at_of_a_large_model_on_a_processor():
    assert most_for(5_700_000) == most_for(500_000_000, accelerated=True)
    assert most_for(500_000_000).items == 200


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm-evaluation-harness is installed")
def test_the_harness_that_is_not_there_is_named(task, base):
    with pytest.raises(MissingExtra, match=r"fewtune\[lm-eval\]"):
        observe_lm_eval(task, base, base, ["hellaswag"])


def test_a_real_model_knows_grammar_and_loses_it_with_noise(shared):
    """stories260K is right in most pairs of grammar; with its weights disturbed it is not."""
    task = Generation(resolve(str(shared / "models" / "stories260K")), TaskSettings(), "prompt")
    base, broken = task.load_model(), task.load_model()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in broken.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * weight.std())
    found = observe_probes(task, base, broken, items("grammar"))
    assert found.before.mean() > 0.65
    evidence = Evidence("generation", task.outcomes(base, task.encode(ROWS[:2])), probes=found)
    score = score_all(evidence)["forgetting_net"]
    assert score.low > 0.1
