"""What every check keeps, for each file of the folder."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from fewtune.checks.base import CHECKS, Check, Context
from fewtune.checks.run import run
from fewtune.records import Dataset, Example, Finding, Message

NAMES = CHECKS.names()

SUBJECTS = (
    "my card order, the garden gate, a late train, our kitchen tap, this printer, her bicycle, "
    "the school bus, an old lamp, the red tent, your invoice"
).split(", ")
ACTS = (
    "Can you repair {}?|When will {} be ready?|Who looks after {} on Sundays?|"
    "I would like to sell {} soon."
).split("|")
REPLIES = (
    "We repair {} within two days.|It takes a week until {} is ready.|"
    "Nobody looks after {} on Sundays, sorry.|Selling {} is easy: bring a photo."
).split("|")
LABELS = ("repair", "waiting", "people", "selling")


class Model:
    """A model that fits every row, ends every answer and is surprised by nothing."""

    name = "fitting"
    context_length = 1000

    def lengths(self, examples):
        return [len(e.text().split()) for e in examples]

    def render(self, example):
        turns = example.messages or (
            Message("u", example.input),
            Message("a", example.target or ""),
        )
        return "".join(f"<{m.role}>{m.content}</{m.role}>" for m in turns)

    def token_losses(self, examples):
        return [[(word, 1.0) for word in (e.target or "").split()] for e in examples]

    def embed(self, texts):
        return None


def clean_set(shape, folder):
    """Return 40 good rows of a shape."""
    kinds = list(zip(ACTS, REPLIES, LABELS, strict=True))
    pairs = [(asked.format(s), told.format(s), k) for s in SUBJECTS for asked, told, k in kinds]
    rows = []
    for line, (asked, told, label) in enumerate(pairs, 1):
        source = f"clean:{line}"
        if shape == "labelled_text":
            rows.append(Example(asked, label, source))
        elif shape == "prompt":
            rows.append(Example(asked, told, source))
        elif shape == "text":
            rows.append(Example("", f"{asked} {told}", source))
        elif shape == "chat":
            turns = (Message("user", asked), Message("assistant", told))
            rows.append(Example(f"user: {asked}", told, source, messages=turns))
        else:
            path = folder / f"{line}.png"
            Image.new("RGB", (8, 8), (line, 2 * line, 3 * line)).save(path)
            rows.append(Example(str(path), label, source))
    return Dataset(tuple(rows), shape, "clean")


def awkward_sets(data):
    """Return sets with one row, with nothing in their rows, and with all rows equal."""
    first = data[0]
    nothing = tuple(
        Example("", target, f"empty:{i}", messages=(Message("assistant", ""),) * (i % 2))
        for i, target in enumerate((None, "", " \n", "a", "🦜"))
    )
    return [
        replace(data, examples=(first,)),
        replace(data, examples=(replace(first, target=None),)),
        replace(data, examples=nothing),
        replace(data, examples=tuple(replace(first, source=f"same:{i}") for i in range(60))),
        replace(data, examples=()),
    ]


SHAPES = ("labelled_text", "labelled_image", "prompt", "chat", "text")


@pytest.mark.parametrize("name", NAMES)
def test_its_help_is_one_sentence_and_its_class_loads(name):
    assert CHECKS.help(name).endswith(".") and len(CHECKS.help(name)) <= 100
    check = CHECKS.load(name)
    assert issubclass(check, Check) and check.shapes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_clean_set_has_nothing_above_a_note(name, shape, tmp_path):
    data = clean_set(shape, tmp_path)
    parts = replace(data, examples=data.examples[:32]), replace(data, examples=data.examples[32:])
    for context in (Context(data), Context(data, model=Model()), Context(*parts, Model())):
        for finding in run(context, [name]).findings:
            assert finding.severity == "note", finding


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_it_survives_awkward_sets_and_names_rows_that_exist(name, shape, tmp_path):
    clean = clean_set(shape, tmp_path)
    for data in awkward_sets(clean):
        for test in (None, clean, data):
            for model in (None, Model()):
                for finding in run(Context(data, test, model), [name]).findings:
                    assert isinstance(finding, Finding) and finding.check == name
                    known = {e.source for e in (*data, *(test or ()))}
                    own = {e.source for e in data}
                    assert set(finding.rows) <= known
                    assert len(set(finding.rows)) == len(finding.rows)
                    assert {*finding.drop, *finding.replace} <= own & set(finding.rows)
                    assert finding.evidence.endswith(".")
                    assert finding.cure and finding.cure[0].isupper()
                    assert not finding.cure.endswith(".")
