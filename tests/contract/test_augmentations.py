"""What every augmentation keeps, for each file of the folder."""

from __future__ import annotations

import random

import pytest
from PIL import Image

from fewtune.augmentations.base import AUGMENTATIONS, NoTools, Rejected
from fewtune.augmentations.run import augment
from fewtune.records import Example, Message

NAMES = AUGMENTATIONS.names()
OPTIONS = {"back_translation": {"there": "a", "back": "b"}}
WORDS = "card bill visit garden window letter kitchen lamp tent bicycle printer gate".split()


class Models(NoTools):
    """Every model there can be: each says something new, the same at every call."""

    def nearest_words(self, word, count):
        at = WORDS.index(word) if word in WORDS else None
        return [] if at is None else [(WORDS[at ^ 1], 0.9)][:count]

    def generate(self, messages, *, model="", count=1, temperature=0.8, seed=0):
        said = messages[-1].content.rsplit("\n", 1)[-1]
        turned = " ".join(word[::-1] for word in said.lower().split())
        return [f"{turned}{' indeed' * number}" for number in range(count)]

    def translate(self, texts, *, model, temperature=0.0, seed=0):
        return [" ".join(reversed(f"{text} quite".split())) for text in texts]


def rows_of(shape, folder):
    """Return six rows, each of its own words."""
    found = []
    for n in range(6):
        text = f"Where does my {WORDS[2 * n]} stand beside that {WORDS[2 * n + 1]}"
        source, group = f"f:{n + 2}", "pair" if n < 2 else ""
        label = ("first_kind", "second_kind")[n % 2]
        if shape == "labelled_image":
            path = folder / f"{n}.png"
            draw = random.Random(n)
            image = Image.new("RGB", (12, 9))
            image.putdata([tuple(draw.choices(range(256), k=3)) for _ in range(108)])
            image.save(path)
            found.append(Example(str(path), label, source, group))
        elif shape == "labelled_text":
            found.append(Example(text, label, source, group))
        elif shape == "text":
            found.append(Example("", text, source, group))
        elif shape == "prompt":
            found.append(Example(text, f"look at the {WORDS[2 * n]} once more", source, group))
        else:
            turns = (Message("user", text), Message("assistant", "look there once more please"))
            found.append(Example(f"user: {text}", turns[1].content, source, group, messages=turns))
    return found


def cases():
    for name in NAMES:
        for shape in sorted(AUGMENTATIONS.load(name).shapes):
            yield pytest.param(name, shape, id=f"{name}-{shape}")


CASES = list(cases())


def make(name, shape, folder, rows=None, **more):
    member = AUGMENTATIONS.load(name)(OPTIONS.get(name))
    given = rows_of(shape, folder) if rows is None else rows
    return augment(
        given, [member], shape=shape, tools=Models(), folder=folder / "new", seed=3, **more
    )


@pytest.mark.parametrize("name", NAMES)
def test_help_options_and_class_are_there(name):
    assert AUGMENTATIONS.help(name).endswith((".", "ones."))
    member = AUGMENTATIONS.load(name)
    assert member.__doc__
    assert member.shapes
    for option, field in member.Options.model_fields.items():
        assert field.description, option
        assert not field.is_required()


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_new_rows_keep_label_parent_and_group(name, shape, tmp_path):
    rows = rows_of(shape, tmp_path)
    made = make(name, shape, tmp_path, rows)
    assert made.examples, made.tallies
    parents = {row.source: row for row in rows}
    for example in made.examples:
        parent = parents[example.parent]
        assert example.group == (parent.group or parent.source)
        assert example.source.startswith(f"{parent.source}+{name}#")
        assert example.text() != parent.text()
        if AUGMENTATIONS.load(name).changes == "input" and shape != "text":
            assert example.target == parent.target
        else:
            assert example.input == parent.input
    assert len({e.source for e in made.examples}) == len(made.examples)
    tally = made.tallies[name]
    assert tally.made == tally.kept + sum(tally.dropped.values())
    assert tally.kept == len(made.examples)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_order_of_the_rows_changes_nothing(name, shape, tmp_path):
    rows = rows_of(shape, tmp_path)
    forward = make(name, shape, tmp_path, rows, per_row=2)
    pixels = {e.source: content(e, shape) for e in forward.examples}
    backward = make(name, shape, tmp_path, rows[::-1], per_row=2)
    assert pixels == {e.source: content(e, shape) for e in backward.examples}


def content(example, shape):
    if shape != "labelled_image":
        return example
    with Image.open(example.input) as image:
        return image.tobytes()


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_what_a_test_row_says_is_never_made(name, shape, tmp_path):
    rows = rows_of(shape, tmp_path)
    first = make(name, shape, tmp_path, rows)
    again = make(name, shape, tmp_path, rows, avoid=first.examples)
    assert not again.examples
    assert again.tallies[name].dropped.keys() <= {
        "copy of a test row",
        "near copy of a test row",
        *first.dropped,
    }
    if shape == "labelled_image":
        assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_an_unvaried_row_gives_a_reason(name, shape, tmp_path):
    """Rows of one sign: what can be done with them is done, the rest is said."""
    rows = [Example("?", "7", "f:2")] if shape not in ("text", "labelled_image") else []
    if shape == "text":
        rows = [Example("", "?", "f:2")]
    if rows and shape == "chat":
        turns = (Message("user", "?"), Message("assistant", "7"))
        rows = [Example("user: ?", "7", "f:2", messages=turns)]
    if not rows:
        Image.new("RGB", (1, 1), "red").save(tmp_path / "red.png")
        rows = [Example(str(tmp_path / "red.png"), "x", "f:2")]
    tally = make(name, shape, tmp_path, rows).tallies[name]
    assert tally.made == 1 == tally.kept + sum(tally.dropped.values())


def test_rejected_is_a_value():
    assert Rejected("a") == Rejected("a")
