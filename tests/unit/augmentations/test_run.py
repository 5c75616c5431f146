"""What stays, what goes and why, counted by hand; and that order changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import Scripted, row

from fewtune.augmentations._filters import _bound
from fewtune.augmentations.run import Tally, augment, build
from fewtune.errors import DataError, PlanError
from fewtune.records import Example, Message

ROWS = [
    row("Where is my bill for the long visit?", "bill", "f.csv:2"),
    row("Please send me a copy of the records", "records", "f.csv:3", group="g"),
    row("I need a new date for the appointment", "date", "f.csv:4"),
]


def run(parts, rows=ROWS, shape="labelled_text", **more):
    return augment(rows, build(parts), shape=shape, **more)


def translated(news, rows=ROWS, **more):
    """Return what becomes of translations, one for each row, in the order of the rows."""
    table = {r.input: new for r, new in zip(rows, news, strict=True)}
    parts = [("back_translation", {"there": "there", "back": "back"})]
    tools = more.pop("tools", None) or Scripted()
    tools.words = {"back": table}
    return run(parts, rows, tools=tools, **more)


def test_a_new_row_has_label_parent_group_and_source():
    made = run([("casing", {"upper": False, "sentence": False})])
    assert made.examples == (
        Example(
            ROWS[0].input.lower(), "bill", "f.csv:2+casing#1", group="f.csv:2", parent="f.csv:2"
        ),
        Example(ROWS[1].input.lower(), "records", "f.csv:3+casing#1", group="g", parent="f.csv:3"),
        Example(
            ROWS[2].input.lower(), "date", "f.csv:4+casing#1", group="f.csv:4", parent="f.csv:4"
        ),
    )
    assert made.tallies == {"casing": Tally(3, 3, {})}
    assert made.dropped == {}
    assert made.bound is None
    joined = made.joined(ROWS)
    assert [r.source for r in joined][:3] == ["f.csv:2", "f.csv:2+casing#1", "f.csv:3"]
    assert joined[0].group == joined[1].group == "f.csv:2"


def test_each_planted_fault_is_counted_under_its_reason():
    rows = [
        row(f"{who} about {what}", label, f"f.csv:{n}")
        for n, (who, what, label) in enumerate(
            [
                ("I would like to ask", "an invoice", "one"),
                ("Could somebody tell me more", "a broken window", "two"),
                ("My neighbour is furious", "those loud parties", "three"),
                ("There seems nothing on your site", "summer holidays", "four"),
                ("Give me news", "that delivery of 12 chairs", "five"),
                ("Nobody at the office knows", "our contract", "six"),
                ("We are quite happy", "this new garden", "seven"),
                ("He wrote a long letter", "his pension", "eight"),
            ],
            start=2,
        )
    ]
    test = [
        row("is anybody there who repairs bicycles", "two", "t.csv:2"),
        row("A dog has bitten the postman on Main Street", "three", "t.csv:3"),
    ]
    made = translated(
        [
            "  ",  # empty
            "is anybody there  who repairs bicycles",  # a test row, but for a space
            "a dog has bitten the postmann on Main street",  # near to a test row
            "I would like to ask about an invoice",  # another row, of another label
            "News on the delivery of 13 chairs, please",  # another number
            "nobody at the office knows about our contract!",  # its own row
            "We like our flowers and trees",  # fine
            "my neighbor is furious about those loud parties",  # near a row of another label
        ],
        rows,
        avoid=test,
    )
    assert made.dropped == {
        "empty": 1,
        "copy of a test row": 1,
        "near copy of a test row": 1,
        "copy of a row with another label": 1,
        "numbers changed": 1,
        "near copy of its own row": 1,
        "near copy of a row with another label": 1,
    }
    assert [e.input for e in made.examples] == ["We like our flowers and trees"]
    assert made.tallies["back_translation"].made == 8
    assert made.tallies["back_translation"].kept == 1


def test_copies_among_new_rows_and_of_rows_of_the_label():
    rows = [row(f"{w} is here", "x", f"f.csv:{n}") for n, w in enumerate(["tea", "rum", "ale"], 2)]
    made = translated(["Someone brought drinks", "Someone brought drinks", "tea is here"], rows)
    assert made.dropped == {"copy of another row": 2}
    assert len(made.examples) == 1
    near = translated(
        ["Someone has brought drinks today", "someone has brought drinks, today!", "Beer"], rows
    )
    assert near.dropped == {"near copy of another new row": 1}


def test_variations_of_one_row_may_be_near_each_other_but_not_equal():
    made = run([("typos", {}), ("casing", {})], per_row=3)
    assert made.tallies["casing"].made + made.tallies["typos"].made == 15
    assert all(t.made == t.kept + sum(t.dropped.values()) for t in made.tallies.values())
    assert len({e.input for e in made.examples}) == len(made.examples) >= 12
    again = run([("casing", {}), ("casing", {})])
    assert again.tallies["casing"].dropped == {"copy of another row": 3}


def test_a_changed_meaning_and_another_labels_neighbourhood_are_dropped():
    rows = [
        row("red", "warm", "f.csv:2"),
        row("orange", "warm", "f.csv:3"),
        row("blue", "cold", "f.csv:4"),
        row("cyan", "cold", "f.csv:5"),
    ]
    states = {
        "red": [1, 0, 0],
        "orange": [0.8, 0.6, 0],
        "blue": [0, 0.6, 0.8],
        "cyan": [0, 0, 1],
        "crimson": [1, 0.1, 0],
        "amber": [0, 0, 1.0],
        "azure": [0.9, 0.5, 0.9],
        "teal": [0.1, 0, 1],
    }
    # Amber is like cyan. Each row's nearest of its label has cosine 0.8, so that is the bound.
    made = translated(["crimson", "amber", "azure", "teal"], rows, tools=Scripted(states=states))
    assert made.bound == pytest.approx(0.8)
    assert [e.input for e in made.examples] == ["crimson", "teal"]
    # Azure against blue: (0.3 + 0.72) / 1.367 = 0.746, below the bound.
    assert made.dropped == {"meaning changed": 2}
    # Now azure is near enough to blue (0.883), and yet nearer to orange (0.915).
    states |= {"azure": [0.7, 0.6, 0.4], "blue": [0.4, 0.5, 0.768], "amber": [0.8, 0.6, 0.1]}
    nearer = translated(["crimson", "amber", "azure", "teal"], rows, tools=Scripted(states=states))
    assert nearer.dropped == {"nearer to rows of another label": 1}


def test_the_bound_is_a_percentile_of_nearest_neighbours_of_the_label():
    import numpy as np

    states = np.array([[1, 0], [0.6, 0.8], [0, 1.0], [1, 0]])
    labels = ["a", "a", "a", "b"]
    # Of a: 0.6 (to the second), 0.8 (to the third), 0.8; b is alone.
    assert _bound(states, list("pqrs"), labels, 50) == pytest.approx(0.8)
    assert _bound(states, list("pqrs"), labels, 0) == pytest.approx(0.6)
    # The second standing there twice is no neighbour of itself.
    doubled = states[[0, 1, 1, 2, 3]]
    assert _bound(doubled, list("pqqrs"), ["a", *labels], 0) == pytest.approx(0.6)
    assert _bound(states[:1], ["p"], ["a"], 5) is None


def test_label_names_give_one_row_a_label_and_none_for_empty_names():
    rows = [
        row("one", "card_arrival", "f.csv:2"),
        row("two", "card_arrival", "f.csv:3"),
        row("three", "class_3", "f.csv:4"),
    ]
    made = run([("label_names", {"template": "about {name}"})], rows, per_row=5)
    assert [(e.input, e.target) for e in made.examples] == [("about card arrival", "card_arrival")]
    assert made.examples[0].parent in ("f.csv:2", "f.csv:3")
    assert made.dropped == {"the label's name says nothing": 1}


def test_a_labels_name_is_true_wherever_its_state_lies():
    rows = [row("red", "warm_tone", "f.csv:2"), row("blue", "cold_tone", "f.csv:3")]
    states = {"red": [1, 0], "blue": [0, 1], "warm tone": [0, 1], "cold tone": [0, 1]}
    made = run([("label_names", {})], rows, tools=Scripted(states=states))
    assert len(made.examples) == 2


def test_a_chat_is_varied_in_its_last_question_only():
    turns = (
        Message("system", "Be kind."),
        Message("user", "HELLO THERE"),
        Message("assistant", "Hi!"),
        Message("user", "WHERE IS IT?"),
        Message("assistant", "HERE."),
    )
    before = "system: Be kind.\nuser: HELLO THERE\nassistant: Hi!\nuser: "
    chat = Example(before + "WHERE IS IT?", "HERE.", "c.jsonl:1", messages=turns)
    options = {"upper": False, "sentence": False}
    (new,) = run([("casing", options)], [chat], "chat").examples
    assert new.input == before + "where is it?"
    assert new.target == "HERE."
    assert [m.content for m in new.messages] == [
        "Be kind.",
        "HELLO THERE",
        "Hi!",
        "where is it?",
        "HERE.",
    ]


def test_own_style_takes_the_place_of_its_row():
    rows = [Example("When?", "We open at 9 on every day.", "p.jsonl:1", group="When?")]
    tools = Scripted(replies=["Every day from 9 on."])
    made = run([("own_style", {})], rows, "prompt", tools=tools)
    (new,) = made.joined(rows)
    assert (new.target, new.parent, new.group) == ("Every day from 9 on.", "p.jsonl:1", "When?")
    lost = run([("own_style", {})], rows, "prompt", tools=Scripted(replies=["From 8 on."]))
    assert lost.joined(rows) == tuple(rows)
    assert lost.dropped == {"numbers changed": 1}


def test_faults_of_the_caller_are_said():
    with pytest.raises(PlanError, match="1 variation"):
        run([("typos", {})], per_row=0)
    with pytest.raises(DataError, match=r"f\.csv:9"):
        run([("typos", {})], [row("a", None, "f.csv:9")])
    with pytest.raises(PlanError, match="for augmentation own_style"):
        run([("own_style", {})])
    with pytest.raises(PlanError, match="share"):
        build([("typos", {"share": 2})])
    with pytest.raises(PlanError, match="typos"):
        build([("typo", {})])


def test_rows_that_are_variations_are_not_varied_again():
    rows = [*ROWS, row("a row made before", "bill", "f.csv:5", parent="f.csv:2")]
    made = run([("typos", {})], rows)
    assert {e.parent for e in made.examples} == {r.source for r in ROWS}


def told(made):
    return sorted((e.input, e.target) for e in made.examples)


CONTENT = st.lists(
    st.tuples(st.text("abc de", min_size=1, max_size=30).filter(str.strip), st.sampled_from("xy")),
    min_size=1,
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(content=CONTENT, data=st.data())
def test_order_changes_nothing_and_nothing_is_silent(content, data):
    rows = [row(text, label, f"f.csv:{n}") for n, (text, label) in enumerate(content, 2)]
    parts = [("typos", {}), ("random_swap", {}), ("random_insertion", {}), ("casing", {})]
    made = run(parts, rows, per_row=2)
    shuffled = data.draw(st.permutations(rows))
    again = run(parts, shuffled, per_row=2)
    assert {e.source: e for e in made.examples} == {e.source: e for e in again.examples}
    # As another file in that order would have it: other lines, the same content.
    moved = [replace(r, source=f"g.csv:{n}") for n, r in enumerate(shuffled, 2)]
    elsewhere = run(parts, moved, per_row=2)
    assert told(elsewhere) == told(made)
    parents = {r.source: r for r in rows}
    for example in made.examples:
        assert example.target == parents[example.parent].target
        assert example.group
    for tally in made.tallies.values():
        assert tally.made == tally.kept + sum(tally.dropped.values())
    other = run(parts, rows, per_row=2, seed=1)
    assert other.tallies.keys() == made.tallies.keys()
