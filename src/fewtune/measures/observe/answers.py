"""Answers that base and tuned draw to the same prompts, for their diversity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewtune.measures.observe.spread import spread
from fewtune.measures.observe.writing import write
from fewtune.records import Example

if TYPE_CHECKING:
    from fewtune.tasks.generation import Generation

__all__ = ["LONGEST", "Answers", "observe_answers"]

LONGEST = 64
"""Most tokens of an answer: a bound on time."""


@dataclass(frozen=True)
class Answers:
    """Answers of two models to the same prompts.

    Attributes
    ----------
    groups
        Group number of each prompt.
    base, tuned
        The answers, drawn at temperature 1 from the same seed.
    """

    groups: NDArray[np.int64]
    base: tuple[str, ...]
    tuned: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.base)


def observe_answers(
    task: Generation,
    base: Any,
    tuned: Any,
    examples: Sequence[Example],
    most: int = 32,
    seed: int = 0,
) -> Answers | None:
    """Return answers drawn at temperature 1; ``None`` where there is no example.

    Parameters
    ----------
    task
        Makes prompts of examples.
    base, tuned
        The two models.
    examples
        Rows whose last assistant turn, if there is one, is left out of the prompt; plain text is
        answered from nothing.
    most
        Most prompts, spread over all.
    seed
        Of the draws.
    """
    from fewtune.tasks.outcomes import group_numbers

    if not examples:
        return None
    some = [examples[i] for i in spread(most, len(examples))]
    room = min(LONGEST, task.max_new_tokens, task.max_length() // 2)
    prompts = [_prompt(task, example)[-(task.max_length() - room) :] for example in some]
    found = [
        write(task, model, prompts, [room] * len(some), temperature=1.0, seed=seed)
        for model in (base, tuned)
    ]
    return Answers(group_numbers([one.group for one in some]), tuple(found[0]), tuple(found[1]))


def _prompt(task: Generation, example: Example) -> list[int]:
    """Return the tokens after which the model is to answer."""
    from fewtune.data.template import prompt_text

    begin = task.tokenizer.bos_token or task.tokenizer.eos_token
    text = begin if task.shape == "text" else prompt_text(task.tokenizer, example)
    ids: list[int] = task.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
