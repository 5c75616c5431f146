"""What the base itself answers to rows: where KL(base‖tuned) on their inputs is to be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fewtune.records import Example

if TYPE_CHECKING:
    from fewtune.tasks.base import Row
    from fewtune.tasks.generation import Generation

__all__ = ["own_answers"]


def own_answers(task: Generation, base: Any, rows: Sequence[Row], seed: int = 0) -> list[Row]:
    """Return the rows with what the base answers, drawn at temperature 1, as their targets.

    The divergence of two models on an input is the mean, over answers that the first would give,
    of how much likelier they are to it than to the second (2509.04259). Along targets, which the
    second was trained to give, it would be large wherever tuning did what it was asked for.
    Rows to which the base answers nothing are left out.

    Parameters
    ----------
    task
        For its tokenizer.
    base
        The model as it was before tuning.
    rows
        Encoded rows, which were not trained.
    seed
        Of the draws.
    """
    from fewtune.data.tokens import encode_supervised
    from fewtune.tasks.base import Row

    examples = [row.example for row in rows]
    drawn = task.generate(base, examples, temperature=1.0, seed=seed)
    answered = [_with(e, text) for e, (text, _) in zip(examples, drawn, strict=True) if text]
    # A prompt that only just fits is cut in front, as it was when it was answered.
    encoded = encode_supervised(task.tokenizer, answered, task.shape, task.max_length(), "left")
    return [
        Row(example, one.ids, labels=one.labels, bytes=one.bytes)
        for example, one in zip(answered, encoded, strict=True)
    ]


def _with(example: Example, text: str) -> Example:
    turns = example.messages
    if turns:
        turns = (*turns[:-1], replace(turns[-1], content=text))
    return replace(example, target=text, messages=turns)
