"""Faults that the data shows before anything is trained: named with their rows, or not at all."""

from __future__ import annotations

import pytest

from fewtune.checks.base import Context
from fewtune.checks.clean import clean as cleaned
from fewtune.checks.run import run
from fewtune.diagnoses.base import DIAGNOSES, Case, diagnose, told
from fewtune.plan.plan import Plan
from fewtune.records import Dataset, Example

WORDS = "amber birch cedar delta ember fjord grove heath inlet jetty knoll larch moss nook".split()


def dataset(rows, shape="labelled_text", name="a.csv"):
    examples = tuple(Example(x, y, f"{name}:{i}") for i, (x, y) in enumerate(rows, 2))
    return Dataset(examples, shape, name)


def sentences(count, offset=0):
    """Return different sentences of the words above."""
    return [
        f"{WORDS[(i + offset) % 14]} {WORDS[i // 14 % 14]} {i + offset} please"
        for i in range(count)
    ]


def named(data, test=None):
    context = Context(data, test)
    found = diagnose(Case(context, Plan(model="m"), run(context).findings))
    return {fault.name: fault for fault in found}


def clean(count=40):
    return [(text, "yes" if i % 2 else "no") for i, text in enumerate(sentences(count))]


def test_a_clean_set_has_no_fault():
    assert (
        named(dataset(clean()), dataset([("quite another matter", "no")] * 5, name="t.csv")) == {}
    )


class TestRepeatedRow:
    def test_a_row_fifty_times_is_named_with_every_place(self):
        rows = [*clean(60), *[("the same again", "no")] * 50]
        fault = named(dataset(rows))["repeated_row"]
        assert fault.rows == tuple(f"a.csv:{line}" for line in range(62, 112))
        assert "stands 50 times, 45% of the rows" in fault.evidence
        assert not fault.holds

    def test_case_and_punctuation_make_no_other_row(self):
        rows = [*clean(60), *[("The same, again", "no")] * 6, *[("the same again!", "no")] * 6]
        assert len(named(dataset(rows))["repeated_row"].rows) == 12

    @pytest.mark.parametrize(
        ("kinds", "cure"),
        [
            (1, "Leave the copies out: fewtune check DATA --write CLEAN"),
            (4, "Leave the copies to the letter out (fewtune check DATA --write CLEAN), then keep "
             "one of the 4 that differ in case or punctuation alone, by hand"),
            (12, "Keep one of the 12 that differ in case or punctuation alone, by hand"),
        ],
    )  # fmt: skip
    def test_the_cure_leaves_one_row(self, kinds, cure):
        ways = ["the same again" + "!" * number for number in range(kinds)]
        data = dataset([*clean(60), *[(way, "no") for way in ways * (12 // kinds)]])
        assert named(data)["repeated_row"].cure == cure
        kept, _ = cleaned(data, run(Context(data)).findings)
        assert len(kept) == 60 + kinds, "what the check drops is what the cure says"

    @pytest.mark.parametrize(("copies", "others"), [(9, 60), (10, 700)])
    def test_a_few_copies_are_none(self, copies, others):
        rows = [*clean(others), *[("the same again", "no")] * copies]
        assert "repeated_row" not in named(dataset(rows))

    def test_one_text_with_two_labels_is_not_one_row(self):
        rows = [*clean(60), *[("the same again", label) for label in ("no", "yes")] * 6]
        assert "repeated_row" not in named(dataset(rows))


class TestLeakage:
    def test_copies_and_near_copies_of_training_rows_are_named(self):
        data = dataset(clean(60))
        others = [(f"{text} tomorrow then", "no") for text in sentences(18, offset=900)]
        test = dataset([*others, (data[3].input.upper(), "yes"), (data[7].input, "yes")], name="t")
        fault = named(data, test)["leakage"]
        assert fault.rows == ("t:20", "t:21")
        assert "2 test rows of 20 (10%) also train: 2 are copies" in fault.evidence
        assert fault.holds

    def test_one_row_of_many_is_none(self):
        data = dataset(clean(60))
        others = [(f"{text} tomorrow then", "no") for text in sentences(29, offset=900)]
        assert named(data, dataset([*others, (data[3].input, "yes")], name="t")) == {}

    def test_a_test_file_of_training_rows_is_called_so(self):
        data = dataset(clean(60))
        test = dataset([(e.input.upper(), e.target) for e in data[:20]], name="t")
        found = named(data, test)
        assert set(found) == {"validation_is_train"}
        assert "20 of the 20 rows of t (100%) also train" in found["validation_is_train"].evidence


class TestImbalance:
    @pytest.mark.parametrize(("rare", "is_named"), [(4, True), (5, False)])
    def test_ten_times_the_rows_is_the_bound(self, rare, is_named):
        rows = [(t, "often") for t in sentences(40)] + [(t, "rare") for t in sentences(rare, 500)]
        assert ("imbalance" in named(dataset(rows))) == is_named


JOINED = [
    "### Instruction:\n{q}\n\n### Response:\n{a}",
    "Question: {q}\nAnswer: {a}",
    "USER: {q} ASSISTANT: {a}",
    "Below is an instruction.\n\nInput: {q}\nOutput:\n{a}",
    "Q: {q}\nA: {a}",
    "{q} => {a}",
    "{q}\t{a}",
]


class TestPromptInLoss:
    @pytest.mark.parametrize("way", JOINED)
    def test_ways_of_joining_are_seen(self, way):
        texts = [way.format(q=f"What is {t}?", a=f"It is {t} indeed.") for t in sentences(12)]
        data = dataset([("", text) for text in texts], "text")
        fault = named(data)["prompt_in_loss"]
        assert len(fault.rows) == 12
        assert "prompt and completion" in fault.cure

    def test_the_share_of_the_prompt_is_told(self):
        texts = [f"{q * 6} => {q * 3}" for q in "abcdefghijkl"]
        fault = named(dataset([("", text) for text in texts], "text"))["prompt_in_loss"]
        # 6 letters and the sign of 4 characters, of 13.
        assert "77% of these is prompt" in fault.evidence

    @pytest.mark.parametrize(
        "text",
        [
            "{t} lived by the sea. One day a question came: who was it? The answer: nobody.",
            "{t}\n\nIngredients: flour and salt.\nMethod: stir until it is done.",
            "Once upon a time there was {t}. A long walk -> no, a short one.\nThe end.",
        ],
    )
    def test_plain_texts_are_no_prompts(self, text):
        texts = [text.format(t=t) for t in sentences(12)]
        texts[::2] = [t.replace("->", "and") for t in texts[::2]]
        assert "prompt_in_loss" not in named(dataset([("", t) for t in texts], "text"))


def test_every_fault_is_told_by_its_name_and_has_a_cure():
    rows = [*clean(60), *[("the same again", "no")] * 50]
    (fault,) = named(dataset(rows)).values()
    sentence, cure = told(fault)
    assert sentence.startswith("repeated row: “the same again” (a.csv:62) stands 50 times")
    assert not sentence.endswith(".") and cure == fault.cure
    assert fault.name in DIAGNOSES.names()
