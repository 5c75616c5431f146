"""Each operation on words, by hand, and what all of them keep for any text."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import Scripted, row, work

from fewtune.augmentations._rows import asked
from fewtune.augmentations._synonyms import Thesaurus, wordnet
from fewtune.augmentations._words import NEGATIONS, Pieces
from fewtune.augmentations.base import AUGMENTATIONS, NO_MORE, NOTHING, Rejected, TextChange
from fewtune.errors import ModelError, PlanError
from fewtune.records import Example

EDITS = ["random_deletion", "random_insertion", "random_swap", "typos"]


def texts(name, text, per_row=1, seed=0, tools=None, rows=None, **options):
    """Return the texts that an augmentation makes of one, or the reasons it gives."""
    example = row(text)
    member = AUGMENTATIONS.load(name)(options)
    given_work = work(rows or [example], per_row=per_row, tools=tools or Scripted())
    member.ready(given_work)
    made = list(member.variants(example, random.Random(seed), given_work))
    return [m.reason if isinstance(m, Rejected) else asked(m) for m in made]


@pytest.mark.parametrize("text", ["", "Hi", " Hi,  it's me (Bo). ", "9:30!? a_b", "…"])
def test_pieces_make_the_text_again(text):
    assert str(Pieces.of(text)) == text


@pytest.mark.parametrize(
    ("text", "at", "left"),
    [
        ("Where is my bill?", 0, "is my bill?"),
        ("Where is my bill?", 1, "Where my bill?"),
        ("Where is my bill?", 3, "Where is my?"),
        ("Hi, can you", 1, "Hi, you"),
        ("pay (all) now", 1, "pay () now"),
    ],
)
def test_remove_takes_the_space_along(text, at, left):
    pieces = Pieces.of(text)
    pieces.remove(at)
    assert str(pieces) == left


def test_insert_before_a_word_and_at_the_end():
    pieces = Pieces.of("Where is it?")
    pieces.insert(1, "on")
    pieces.insert(4, "now")
    assert str(pieces) == "Where on is it now?"


def test_casing_by_hand():
    found = texts("casing", "Can I see Dr. Bo at 9am? x-ray B12", per_row=3)
    assert set(found) == {
        "can i see dr. bo at 9am? x-ray B12",
        "CAN I SEE DR. BO AT 9am? X-RAY B12",
        "Can I see dr. Bo at 9am? X-ray B12",
    }
    assert texts("casing", "where is it", per_row=3, upper=False) == ["Where is it"]
    assert texts("casing", "1234") == ["nothing in the row to change"]


def test_casing_with_nothing_on_says_so():
    with pytest.raises(PlanError, match="lower, upper and sentence"):
        texts("casing", "a", lower=False, upper=False, sentence=False)


def test_swap_by_hand():
    # Only two words stand side by side with nothing but a space between.
    assert texts("random_swap", "pay bill") == ["bill pay"]
    assert texts("random_swap", "pay, bill") == ["nothing in the row to change"]
    assert texts("random_swap", "pay 12 bill") == ["nothing in the row to change"]
    assert set(texts("random_swap", "a b c", per_row=5)) == {
        "b a c",
        "a c b",
        "no further variation of the row",
    }


def test_deletion_by_hand():
    assert set(texts("random_deletion", "not my bill", per_row=9)) == {
        "not bill",
        "not my",
        "no further variation of the row",
    }
    assert texts("random_deletion", "my bill") == ["nothing in the row to change"]
    assert texts("random_deletion", "12 34 56") == ["nothing in the row to change"]
    # Half of ten words at most, whatever the share's rounding.
    (half,) = texts("random_deletion", "a b c d e f g h i j", share=0.5)
    assert len(half.split()) == 5


def test_insertion_takes_words_that_rows_of_the_label_share():
    rows = [row("pay the bill"), row("the bill came"), row("a refund", label="refund")]
    found = texts("random_insertion", "pay it", per_row=9, rows=rows)
    assert set(found[:-1]) == {"bill pay it", "pay bill it"}


def test_insertion_by_a_thesaurus():
    tools = Scripted(near={"bill": ["invoice"], "invoice": ["bill"]})
    assert set(texts("random_insertion", "the bill", per_row=9, tools=tools)) == {
        "invoice the bill",
        "the invoice bill",
        "no further variation of the row",
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_typo_is_one_slip_behind_the_first_letter(seed):
    (new,) = texts("typos", "is my appointment at 9:30", seed=seed)
    before, word, after = "is my ", new[6 : -len(" at 9:30")], " at 9:30"
    assert new == before + word + after
    assert word[0] == "a"
    assert word != "appointment"
    assert abs(len(word) - len("appointment")) <= 1
    changed = sum(a != b for a, b in zip(word, "appointment", strict=False))
    if len(word) == len("appointment"):
        assert changed in (1, 2)
        assert changed == 1 or sorted(word) == sorted("appointment")


def test_synonyms_by_hand():
    if wordnet() is not None:
        pytest.skip("WordNet is installed here, and answers first")
    tools = Scripted(
        near={
            "bill": ["invoice", "billing", "bills", "fee"],
            "invoice": ["bill"],
            "billing": ["bill"],
            "bills": ["bill"],
            "fee": ["price"],
        }
    )
    # Forms of the word are none, and fee does not have bill among its own nearest.
    assert Thesaurus(tools).near("bill") == ["invoice"]
    pairs = [
        "speak spoke",
        "dog pets",
        "nine seven",
        "big large",
        "pay settled",
        "found sought",
        "long short",
    ]
    mutual = {a: [b] for p in pairs for a, b in (p.split(), p.split()[::-1])}
    found = {p: Thesaurus(Scripted(near=mutual)).near(p.split()[0]) for p in pairs}
    assert [p for p in pairs if found[p]] == ["big large"]
    assert texts("synonym_replacement", "Is it? Bill me, Bill!", tools=tools) == [
        "Is it? Invoice me, Bill!"
    ]
    assert texts("synonym_replacement", "The cat", tools=tools) == ["nothing in the row to change"]


def test_synonyms_without_model_and_wordnet_say_what_to_give():
    if wordnet() is not None:
        pytest.skip("WordNet is installed here")
    with pytest.raises(ModelError, match="--model minilm"):
        texts("synonym_replacement", "the bill")


def test_wordnet_where_its_data_is():
    if wordnet() is None:
        pytest.skip("needs nltk with WordNet, which is not here")
    assert "invoice" in Thesaurus(Scripted()).near("bill")


def test_every_text_change_is_in_the_list_of_edits():
    found = [n for n in AUGMENTATIONS.names() if issubclass(AUGMENTATIONS.load(n), TextChange)]
    assert sorted([*EDITS, "synonym_replacement"]) == found


SENTENCES = st.text(
    st.sampled_from("abcXYZ 019 .,!?'-@[]é字\n") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=60,
).filter(str.strip)


@pytest.mark.parametrize("name", EDITS)
def test_names_and_what_a_written_answer_takes_up_are_let_be(name):
    assert texts(name, "2 Keller") == ["nothing in the row to change"]
    example = Example("please the cheque, Keller", "The cheque is in the post.", "p.jsonl:1")
    member = AUGMENTATIONS.load(name)()
    given_work = work([example], "prompt", per_row=9)
    member.ready(given_work)
    for made in member.variants(example, random.Random(0), given_work):
        if isinstance(made, Rejected):
            continue
        left = [w for w in asked(made).split() if w in ("cheque,", "Keller")]
        assert left == ["cheque,", "Keller"]


@pytest.mark.parametrize("name", [*EDITS, "casing"])
@settings(max_examples=40, deadline=None)
@given(text=SENTENCES, seed=st.integers(0, 5))
def test_no_edit_empties_repeats_or_touches_numbers(name, text, seed):
    found = texts(name, text, per_row=3, seed=seed)
    assert found == texts(name, text, per_row=3, seed=seed)
    made = [new for new in found if new not in (NOTHING, NO_MORE)]
    assert len(set(made)) == len(made)
    kept = [w for w in Pieces.of(text).words if w.isdigit() or w.lower() in NEGATIONS]
    for new in made:
        assert new.strip()
        assert new != text
        if name not in ("casing",):
            left = Pieces.of(new).words
            assert [w for w in left if w in kept][: len(kept)] == kept
