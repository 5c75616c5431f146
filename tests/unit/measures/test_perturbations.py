"""Perturbed rows keep what they mean; the drop of the headline measure by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import made_data
import numpy as np
import pytest
from outcomes import classified, generated
from PIL import Image

from fewtune.measures.base import Evidence, row_measure, score_all
from fewtune.measures.observe.perturbations import (
    IMAGE_KINDS,
    TEXT_KINDS,
    observe_perturbed,
    perturbed_texts,
)
from fewtune.measures.observe.phrases import contracted, paraphrased
from fewtune.models.load import resolve
from fewtune.records import Example, Message
from fewtune.tasks.base import TASKS, TaskSettings

FACTS = [
    Example(text, "a", f"t:{i}")
    for i, (text, _) in enumerate([*made_data.labelled(6), ("How do I pay bill 12?", "billing")])
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm sure you don't know", "I am sure you do not know"),
        ("CAN'T YOU SEE", "CANNOT YOU SEE"),
        ("What is it? I do not know.", "What's it? I don't know."),
        ("It's been gone", None),
        ("Yes, I am.", None),
        ("nothing here", None),
    ],
)
def test_contractions(text, expected):
    assert contracted(text, random.Random(0)) == expected


@pytest.mark.parametrize("seed", range(6))
def test_paraphrases_swap_one_way_of_asking_or_frame_the_text(seed):
    swapped = paraphrased("Can you help? I want to pay.", random.Random(seed))
    assert swapped in {
        *(f"{way} help? I want to pay." for way in _upper("could you", "would you be able to")),
        "Are you able to help? I want to pay.",
        *(
            f"Can you help? {way} pay."
            for way in _upper("I would like to", "I wish to", "I am looking to")
        ),
    }
    framed = paraphrased("NATO card lost", random.Random(seed))
    assert "NATO card lost" in framed
    assert framed != "NATO card lost"
    assert paraphrased(" 12 ", random.Random(seed)) is None


def _upper(*words):
    return [word[0].upper() + word[1:] for word in words]


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_row_changes_by_itself_and_by_the_seed(kind):
    rows = [Example("I do not know how do I pay my invoice", "a", "t:1"), *FACTS]
    found = perturbed_texts(rows, "labelled_text", kind, seed=3)
    assert found
    for place, new in found.items():
        old = rows[place]
        assert new.input != old.input
        assert (new.target, new.source, new.group) == (old.target, old.source, old.group)
        # Whatever rows stand around it.
        alone = perturbed_texts([old], "labelled_text", kind, seed=3)
        assert alone == {0: new}
    if kind == "typos":
        others = perturbed_texts(rows, "labelled_text", kind, seed=4)
        assert any(others[place] != new for place, new in found.items())


def test_numbers_survive_typos():
    for seed in range(20):
        [new] = perturbed_texts(FACTS[-1:], "labelled_text", "typos", seed).values()
        assert "12?" in new.input


def test_only_what_is_asked_changes_in_a_chat():
    turns = (
        Message("user", "I do not see it"),
        Message("assistant", "You do not?"),
        Message("user", "I do not."),
        Message("assistant", "Then look again, I am sure you do not miss it."),
    )
    chat = Example("", turns[-1].content, "c:1", messages=turns)
    told = "\n".join(f"{m.role}: {m.content}" for m in turns[:-1])
    chat = Example(told, turns[-1].content, "c:1", messages=turns)
    [new] = perturbed_texts([chat], "chat", "case", 0).values()
    assert new.target == chat.target
    assert [a == b for a, b in zip(new.messages, turns, strict=True)] == [True, True, False, True]
    assert perturbed_texts([chat], "text", "case", 0) == {}


def test_an_encoder_is_asked_the_changed_rows(encoder):
    labels = ["billing", "booking", "results"]
    task = TASKS.load("text_classification")(resolve(str(encoder)), TaskSettings(), labels=labels)
    made = [Example(t, y, f"m:{i}") for i, (t, y) in enumerate(made_data.labelled(4))]
    model, rows = task.load_model(), task.encode(made)
    model.head.weight.data.normal_()
    found = observe_perturbed(model, task, rows, seed=1)
    assert set(found) >= {"typos", "case", "paraphrases"}
    plain = task.outcomes(model, rows)
    for kind, outcomes in found.items():
        changed = perturbed_texts(made, "labelled_text", kind, seed=1)
        assert outcomes.sources == tuple(made[at].source for at in changed)
        expected = task.outcomes(model, task.encode(list(changed.values())))
        assert outcomes.losses == pytest.approx(expected.losses)
    assert found["typos"].losses != pytest.approx(plain.losses)
    assert len(observe_perturbed(model, task, rows, most=5)["typos"]) == 5


def test_a_language_model_whose_row_grew_too_long(causal_lm):
    """The row fits as it is by a token; introduced, it does not and is left out."""
    task = TASKS.load("generation")(resolve(str(causal_lm)), TaskSettings(), "prompt")
    made = [Example(a, b, f"m:{i}") for i, (a, b) in enumerate(made_data.prompts(4))]
    rows = task.encode(made)
    longest = task.longest_target
    task.settings = TaskSettings(max_length=max(len(row.ids) for row in rows))
    found = observe_perturbed(task.load_model(), task, rows)
    assert len(found["paraphrases"]) < 4
    assert found["paraphrases"].bytes.min() > 0
    assert task.longest_target == longest


def test_images_are_changed_and_their_files_are_not(tmp_path):
    from fewtune.models.tiny import save_mobilenet

    draw = np.random.default_rng(0)
    made = []
    for i in range(3):
        pixels = draw.integers(0, 200, size=(32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        made.append(Example(str(tmp_path / f"{i}.png"), "ab"[i % 2], f"i:{i}"))
    source = resolve(str(save_mobilenet(tmp_path / "model")))
    task = TASKS.load("image_classification")(source, TaskSettings(), "labelled_image", ("a", "b"))
    model, rows = task.load_model(), task.encode(made)
    model.head.weight.data.normal_()
    plain = task.outcomes(model, rows)
    found = observe_perturbed(model, task, rows)
    assert set(found) == set(IMAGE_KINDS)
    for kind, outcomes in found.items():
        assert outcomes.sources == plain.sources
        assert outcomes.losses != pytest.approx(plain.losses), kind
        assert observe_perturbed(model, task, rows)[kind].losses == pytest.approx(outcomes.losses)
    assert task.outcomes(model, rows).losses == pytest.approx(plain.losses)


def test_brightness_by_hand():
    pixels = np.full((3, 2, 2), 100, dtype=np.uint8)
    seen = {int(IMAGE_KINDS["brightness"](pixels, str(s), (0, 0, 0))[0, 0, 0]) for s in range(20)}
    assert seen == {75, 125}


def test_the_drop_of_accuracy_by_hand():
    """Of 8 rows 6 are right. Typos change rows 0–3: 4 right become 2. Case rows 2–5: 3 become 3."""
    test = classified([0] * 8, [0, 0, 0, 0, 0, 1, 0, 1])
    typos = classified([0] * 8, [0, 1, 0, 1, 0, 0, 0, 0]).take([0, 1, 2, 3])
    case = classified([0] * 8, [0, 0, 0, 1, 0, 0, 0, 0]).take([2, 3, 4, 5])
    made = Evidence("text_classification", test, perturbed={"typos": typos, "case": case})
    scores = score_all(made)
    assert scores["robustness_typos"].value == pytest.approx(0.5)
    assert scores["robustness_case"].value == pytest.approx(0.0)
    assert scores["robustness"].value == pytest.approx((4 + 3 - 2 - 3) / 8)
    assert [scores[n].n for n in ("robustness", "robustness_typos")] == [8, 4]
    assert scores["robustness_typos"].name == "robustness_typos"
    assert scores["robustness"].unit == "share"
    assert "robustness" not in score_all(Evidence("text_classification", test))


def test_the_rise_of_the_loss_is_a_drop_too():
    """2 nats over 4 bytes become 3: 0.25 nats/byte lost."""
    test, changed = generated([1.0, 1.0], [2, 2]), generated([1.5, 1.5], [2, 2])
    scores = score_all(Evidence("generation", test, perturbed={"typos": changed}))
    assert scores["robustness"].value == pytest.approx(0.25)
    assert scores["robustness"].unit == "nats/byte"


def test_kinds_that_change_other_rows_share_no_witness():
    """Rows 0–2 under one kind and 3–5 under another are six rows, as under one kind together.

    What a model did on the changed rows numbers its groups from 0, for each kind by itself.
    """
    test = generated([1.0, 2, 4, 3, 5, 2], [4] * 6)
    worse = generated([1.5, 2, 7, 3.5, 9, 2.5], [4] * 6)
    one, two = worse.take([0, 1, 2]), worse.take([3, 4, 5])
    parts = {"a": one, "b": replace(two, groups=np.arange(3))}
    whole = score_all(Evidence("generation", test, perturbed={"all": worse}))["robustness"]
    apart = score_all(Evidence("generation", test, perturbed=parts))["robustness"]
    assert (apart.value, apart.low, apart.high) == (whole.value, whole.low, whole.high)
    # Row 3 under two kinds is still one row.
    both = {**parts, "c": replace(worse.take([3]), groups=np.arange(1))}
    # A row that is taken twice keeps its group.
    rows = [0, 1, 2, 3, 4, 5, 3]
    weighed = row_measure("loss_per_byte").difference(worse.take(rows), test.take(rows))
    again = score_all(Evidence("generation", test, perturbed=both))["robustness"]
    assert (again.value, again.low, again.high) == (weighed.value, weighed.low, weighed.high)


def test_a_row_seen_under_two_kinds_is_one_witness():
    """Rows under two kinds with the same answers tell no more than under one."""
    test = classified([0] * 6, [0] * 6)
    worse = classified([0] * 6, [0, 1, 0, 1, 0, 0])
    once = score_all(Evidence("text_classification", test, perturbed={"a": worse}))["robustness"]
    twice = score_all(Evidence("text_classification", test, perturbed={"a": worse, "b": worse}))
    assert twice["robustness"].value == once.value
    assert twice["robustness"].high - twice["robustness"].low >= once.high - once.low
