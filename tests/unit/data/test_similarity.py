"""What counts as a near-duplicate, and that all of them are found."""

from __future__ import annotations

import csv
import random
import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewtune.data.alignment import compare_words
from fewtune.data.similarity import (
    near_duplicate_clusters,
    near_duplicate_pairs,
    near_matches,
    normalise,
)
from fewtune.data.words import split_words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Where's  my CARD?! ", "wheres my card"),
        ("wo ist das Café_am-Eck…", "wo ist das cafe am eck"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("3-2", "3-2"),
        ("3 + 2 = 5", "3 + 2 = 5"),
        ("it costs 1,000.50.", "it costs 1,000.50"),
        ("C++ or C#", "c++ or c#"),
        ("???", "???"),
        ("नमस्ते", "नमस्ते"),
        ("", ""),
    ],
)
def test_normalise(text: str, folded: str) -> None:
    assert normalise(text) == folded


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_normalise_twice_is_normalise_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


NEAR = [
    ("cancel my appointment", "cancel my appointments pls"),
    ("I lost my card, what do I do?", "What do I do?? I LOST my card"),
    ("My card payment isn't working", "my card payment is not working!"),
    ("Please help me set up a new PIN", "help me set up a new pin"),
    ("How do I activate my card?", "How do I actviate my card"),
    ("How do I activate my card?", "How doI activate my card"),
    ("Can I top up with a cheque", "can i topup with a cheque"),
    ("I need to verify my identity", "I need to verify my identify"),
    ("Is there an age limit?", "Is there any age limit"),
    ("how long does a transfer take take", "How long does a transfer take?"),
    (
        "私のカードはどこにありますか教えてください",
        "私のカードはどこにありますか教えて下さい。".replace("下", "くだ"),
    ),
]

FAR = [
    ("I lost my card", "I lost my phone"),
    ("I lost my card", "I found my card"),
    ("How do I activate my card?", "How do I cancel my card?"),
    ("transfer from the UK", "transfer from the US"),
    ("Is my card frozen", "My card is broken"),
    ("The price will increase soon", "The price will decrease soon"),
    ("order 12345 has not come", "order 12346 has not come"),
    ("3-2", "3+2"),
    ("I can verify my identity", "I can not verify my identity"),
    ("yes", "no"),
    ("", " "),
]


@pytest.mark.parametrize(("one", "two"), NEAR)
def test_near(one: str, two: str) -> None:
    assert near_duplicate_clusters([one, "something else entirely", two]) == [(0, 2)]
    ((query, row, similarity),) = near_matches([two], [one])
    assert (query, row) == (0, 0)
    assert 0.9 <= similarity <= 1


@pytest.mark.parametrize(("one", "two"), FAR)
def test_far(one: str, two: str) -> None:
    assert near_duplicate_clusters([one, two]) == []
    assert near_matches([one], [two]) == []


def test_clusters_hold_every_copy_in_order() -> None:
    texts = ["A b c d e.", "x y z", "a B c d e", "e d c b a", "X! y z", "", "", "other words here"]
    assert near_duplicate_clusters(texts) == [(0, 2, 3), (1, 4)]


def test_pairs_link_what_clusters_hold() -> None:
    texts = ["one two three four", "one two three four", "four one two three", "ONE two three four"]
    assert [pair[:2] for pair in near_duplicate_pairs(texts)] == [(0, 1), (0, 2), (1, 3)]


@given(st.lists(st.text("ab iuk'-.1?ñ私\n", max_size=14), max_size=12))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_any_texts_can_be_compared_and_copies_are_always_together(texts: list[str]) -> None:
    cluster_of = {row: rows for rows in near_duplicate_clusters(texts) for row in rows}
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        first = seen.setdefault(normalise(text), row)
        if first != row and text.strip():
            assert first in cluster_of[row]


def test_matches_are_exact_first_and_say_how_alike() -> None:
    corpus = ["Where is my new card now", "where is my card", "Where is my card?"]
    matches = near_matches(["where is my card", "nothing alike"], corpus)
    assert matches[:2] == [(0, 1, 1.0), (0, 2, 1.0)]
    assert all(query == 0 for query, _, _ in matches)
    reordered = near_matches(["my card where is"], corpus[1:2])
    assert reordered[0][2] < 1


def test_compared_by_hand() -> None:
    # "my" and "card" pair up; "lost" (4 letters and a space) against "stolen" (6 and one) does not.
    difference = compare_words(["lost", "my", "card"], ["stolen", "my", "card"])
    assert (difference.only_left, difference.only_right) == (("lost",), ("stolen",))
    assert difference.similarity == pytest.approx(1 - (5 + 7) / (5 + 3 + 5 + 7 + 3 + 5))
    assert difference.replaces_content


def test_a_typo_costs_half_a_letter() -> None:
    difference = compare_words(["activate", "it"], ["actviate", "it"])
    assert difference.similarity == pytest.approx(1 - 0.5 / (9 + 3 + 9 + 3))


def test_split_words_has_no_fillers_contractions_or_doubles() -> None:
    assert split_words("please dont send send the card thanks") == [
        "do", "not", "send", "the", "card",
    ]  # fmt: skip
    assert split_words("thanks") == ["thanks"]
    assert split_words("日本") == ["日", "本"]


def test_a_shared_template_does_not_join_rows() -> None:
    template = (
        "You are a helpful assistant of a clinic. Answer in one sentence and never give medical "
        "advice; refer people to a doctor if they ask for it. Question: what do I bring to "
    )
    things = [a + b for a in "bcdfghlm" for b in ("alen", "orim", "upet", "iva", "eston")]
    texts = [template + thing for thing in things]
    assert near_duplicate_clusters(texts) == []
    again = [*texts, template.upper() + things[3] + "!"]
    assert near_duplicate_clusters(again) == [(3, len(texts))]


def test_long_texts_are_found_among_long_texts() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(2000)]
    texts = [" ".join(rng.choices(words, k=rng.randint(40, 200))) for _ in range(300)]
    changed = texts[7].split()
    changed[3], changed[9] = changed[9], changed[3]
    changed[20] = changed[20][:-1]
    assert near_duplicate_clusters([*texts, " ".join(changed).title()]) == [(7, 300)]


def _typo(text: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(text) - 1)
    return rng.choice([text[:at] + text[at + 1 :], text[:at] + rng.choice("aeinrst") + text[at:]])


def test_planted_near_duplicates_are_found_past_the_size_of_all_pairs() -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(4, 9))) for _ in range(600)]
    texts = [" ".join(rng.sample(words, rng.randint(5, 12))) for _ in range(1500)]
    planted = rng.sample(range(len(texts)), 200)
    changes = [
        str.upper,
        lambda t: _typo(t, rng),
        lambda t: " ".join(rng.sample(t.split(), t.count(" ") + 1)),
    ]
    copies = [changes[n % 3](texts[row]) for n, row in enumerate(planted)]
    clusters = near_duplicate_clusters([*texts, *copies])
    expected = {(row, 1500 + n) for n, row in enumerate(planted)}
    assert len(expected & set(clusters)) >= 194  # 97%
    assert len(set(clusters) - expected) <= 10  # 95%


def test_appended_rows_do_not_change_which_rows_before_them_are_near(shared: Path) -> None:
    with (shared / "data/banking77/train.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:3000]
    before = {pair[:2] for pair in near_duplicate_pairs(texts[:2000])}
    after = {pair[:2] for pair in near_duplicate_pairs(texts) if pair[1] < 2000}
    assert len(before ^ after) <= 0.01 * len(before)


def test_leaks_of_banking77_are_found_quickly(shared: Path) -> None:
    from rapidfuzz import fuzz, process

    def read(name: str) -> list[str]:
        with (shared / "data/banking77" / name).open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file)]

    train, test = read("train.csv"), read("test.csv")
    start = time.process_time()
    matches = near_matches(test, train)
    assert time.process_time() - start < 15
    found = {query for query, _, _ in matches}
    assert len({query for query, _, similarity in matches if similarity == 1}) >= 25
    sample = range(0, len(test), 5)
    forms = [" ".join(sorted(normalise(text).split())) for text in train]
    scores = process.cdist(
        [" ".join(sorted(normalise(test[row]).split())) for row in sample],
        forms,
        scorer=fuzz.ratio,
        score_cutoff=95,
    ).max(axis=1)
    reference = {row for row, score in zip(sample, scores, strict=True) if score > 0}
    assert len(reference & found) >= 0.95 * len(reference)
