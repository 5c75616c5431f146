"""Which rewritings still give the answer: one of each rule that passes and one that does not."""

from __future__ import annotations

import pytest
from stand_ins import Scripted, row, work

from fewtune.augmentations._replies import differences, tidy
from fewtune.augmentations.base import AUGMENTATIONS, Rejected
from fewtune.records import Example


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (" Where is it? \n", "Where is it?"),
        ("Here is the rewritten message:\n\nWhere is it?", "Where is it?"),
        ("Rewritten message: “Where is it?”", "Where is it?"),
        ("Paraphrased text: Where is it?", "Where is it?"),
        ('"One" and "two"', '"One" and "two"'),
        ("Here is the card: take it", "take it"),
        ("Sure, we are open.", "Sure, we are open."),
    ],
)
def test_tidy(reply, text):
    assert tidy(reply) == text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("It costs 1,200 euros a year.", "A year is 1200 euros.", ""),
        ("It costs 1,200 euros a year.", "A year is 1300 euros.", "numbers changed"),
        ("It costs a lot every year.", "It costs 5 euros every year.", "numbers changed"),
        ("We open at 9:30 in the morning.", "From 9:30 on each morning.", ""),
        ("Yes, you can come today.", "Yes, today is fine.", ""),
        ("Yes, you can come today.", "Today is fine.", "yes or no turned round"),
        ("Yes, you can come today.", "No problem, come today.", "yes or no turned round"),
        ("We are not open on weekends.", "We aren’t open on weekends.", ""),
        ("We are not open on weekends.", "We are open on weekends.", "negation added or lost"),
        ("Please ask for Dr Kim there.", "Dr Kim is the one to ask for.", ""),
        ("Please ask for Dr Kim there.", "Please ask the doctor there.", "names changed"),
        ("Please ask the doctor there.", "Please ask Bob over there.", "names changed"),
        ("Please ask the doctor there.", "Please ask the Lisbon doctor.", ""),
        ("See www.a.org/x for more details.", "More is on www.a.org/x for you", ""),
        ("See www.a.org/x for more details.", "More is on www.a.org/y for you", "links changed"),
        ("refund", "The class is Refund.", ""),
        ("refund", "The class is refunds.", "the answer is not in it"),
        ("Two and two, so #### four", "Twice two. #### four.", ""),
        ("Two and two, so #### four", "Twice two. #### five", "another final answer"),
    ],
)
def test_differences(old, new, reason):
    assert differences(old, new, known="Where is the Lisbon office?") == reason


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("", "empty"),
        ("Bring your card,  please, to us.", "the same as before"),
        ("Bring it. " * 40, "says more than the given answer"),
        ("Please bring us your card.", None),
    ],
)
def test_own_style_keeps_and_rejects(reply, outcome):
    example = Example("What?", "Bring your card, please, to us.", "p.jsonl:1")
    member = AUGMENTATIONS.load("own_style")()
    tools = Scripted(replies=[reply])
    (made,) = member.variants(example, _draw(), work([example], "prompt", tools=tools))
    if outcome is None:
        assert made.target == reply
        assert made.input == "What?"
    else:
        assert made == Rejected(outcome)
    (message,), _, count, temperature, _ = tools.asked[0]
    assert "What?" in message.content and "Bring your card" in message.content
    assert (count, temperature) == (1, 0.3)


def test_paraphrase_keeps_numbers_and_asks_for_as_many_as_wanted():
    tools = Scripted(replies=['"I ordered 2 cards."', "I ordered two cards."])
    member = AUGMENTATIONS.load("paraphrase")({"model": "writer", "temperature": 0.5})
    example = row("My order was for 2 cards")
    made = list(member.variants(example, _draw(), work([example], per_row=2, tools=tools)))
    assert made[0].input == "I ordered 2 cards."
    assert made[1] == Rejected("numbers changed")
    assert tools.asked[0][1:4] == ("writer", 2, 0.5)


def test_synthetic_examples_show_rows_of_the_label_only():
    rows = [row(f"bill {n}", "bill_question", f"f:{n}") for n in range(9)]
    rows += [row("secret", "other", "f:20")]
    tools = Scripted(replies=["- Why is my bill so high?\n- And another"])
    member = AUGMENTATIONS.load("synthetic_examples")({"shown": 3})
    (made,) = member.variants(rows[0], _draw(), work(rows, tools=tools))
    assert (made.input, made.target) == ("Why is my bill so high?", "bill_question")
    prompt = tools.asked[0][0][0].content
    assert "“bill question”" in prompt
    assert prompt.count("\n- ") == 3
    assert "- bill 0" in prompt
    assert "secret" not in prompt


def _draw():
    import random

    return random.Random(0)
