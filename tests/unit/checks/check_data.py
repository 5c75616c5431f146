"""Small data sets and a hand-written model for the tests of the checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fewtune.checks.base import Context
from fewtune.checks.run import run
from fewtune.records import Dataset, Example, Finding, Message


def labelled(*pairs: tuple[str, str | None], name: str = "a.csv") -> Dataset:
    rows = tuple(Example(t, label, f"{name}:{i}") for i, (t, label) in enumerate(pairs, 2))
    return Dataset(rows, "labelled_text", name, {"text": "text", "label": "label"})


def prompts(*pairs: tuple[str, str | None], name: str = "p.jsonl") -> Dataset:
    rows = tuple(Example(q, a, f"{name}:{i}") for i, (q, a) in enumerate(pairs, 1))
    return Dataset(rows, "prompt", name)


def texts(*lines: str, name: str = "t.txt") -> Dataset:
    return Dataset(
        tuple(Example("", t, f"{name}:{i}") for i, t in enumerate(lines, 1)), "text", name
    )


def chat(*turns: tuple[str, str], source: str) -> Example:
    messages = tuple(Message(role, content) for role, content in turns)
    before = "\n".join(f"{m.role}: {m.content}" for m in messages[:-1])
    return Example(before, messages[-1].content, source, messages=messages)


def chats(*rows: Sequence[tuple[str, str]], name: str = "c.jsonl") -> Dataset:
    return Dataset(
        tuple(chat(*turns, source=f"{name}:{i}") for i, turns in enumerate(rows, 1)), "chat", name
    )


class WordModel:
    """A model whose tokens are words, and whose losses are given."""

    name = "words"

    def __init__(self, context_length=8, losses=None, template="<s>{q}</q>{a}</s>", vectors=None):
        self.context_length = context_length
        self.losses = losses or {}
        self.template = template
        self.vectors = vectors

    def lengths(self, examples):
        return [len(f"{e.input} {e.target or ''}".split()) + 1 for e in examples]

    def render(self, example):
        return self.template.format(q=example.input, a=example.target)

    def token_losses(self, examples):
        if self.losses is None:
            return None
        return [
            [(word, self.losses.get(word, 2.0)) for word in (e.target or "").split()]
            for e in examples
        ]

    def embed(self, texts):
        return None if self.vectors is None else np.array([self.vectors(t) for t in texts])


def found(name: str, data: Dataset, test: Dataset | None = None, model=None) -> list[Finding]:
    """Return what one check finds, and see that the runner ran it."""
    report = run(Context(data, test, model), [name])
    assert name in report.seconds, report.skipped
    return list(report.findings)


def lines(finding: Finding) -> list[int]:
    """Return the line numbers of a finding's rows."""
    return [int(source.rsplit(":", 1)[1]) for source in finding.rows]
