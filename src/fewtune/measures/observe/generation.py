"""Everything that is observed of a generating model beside its base, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fewtune.measures.observe.answers import observe_answers
from fewtune.measures.observe.continuations import observe_continuations
from fewtune.measures.observe.divergence import observe_divergence, observe_general
from fewtune.measures.observe.own_answers import own_answers
from fewtune.measures.observe.probes import observe_probes
from fewtune.measures.observe.spread import spread
from fewtune.measures.probes.own import OwnProbes

if TYPE_CHECKING:
    from fewtune.tasks.base import Row
    from fewtune.tasks.generation import Generation

__all__ = ["WHOLE", "Most", "most_for", "observe_generation"]

LARGE = 100_000_000
"""Parameters from which less is looked at on a processor."""


@dataclass(frozen=True, slots=True)
class Most:
    """How much is looked at: items, paragraphs of general text, rows, beginnings, answers, secrets.

    ``secrets`` are those that a planted one is ranked among.
    """

    items: int
    paragraphs: int
    rows: int
    beginnings: int
    answers: int
    secrets: int = 512


WHOLE = Most(items=0, paragraphs=0, rows=64, beginnings=32, answers=24)


def most_for(parameters: int, accelerated: bool = False) -> Most:
    """Return how much is looked at of a model of that size: less of a large one on a processor."""
    if parameters < LARGE or accelerated:
        return WHOLE
    return Most(items=200, paragraphs=16, rows=32, beginnings=24, answers=12, secrets=128)


def observe_generation(
    task: Generation,
    base: Any,
    tuned: Any,
    trained: Sequence[Row],
    held_out: Sequence[Row],
    *,
    own: OwnProbes | None = None,
    most: Most = WHOLE,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the fields of ``Evidence`` that compare a tuned language model with its base.

    Parameters
    ----------
    task
        The task that both models serve.
    base, tuned
        The two models, on one device; both stay as they are.
    trained
        Rows that were trained.
    held_out
        Rows that were not: of the test part.
    own
        The user's probes and passages; they take the place of the built-in ones of their sort.
    most
        How much is looked at.
    seed
        Of what is drawn.

    Returns
    -------
    dict
        ``probes``, ``general``, ``drift``, ``continuations`` and ``answers``: for
        ``dataclasses.replace(evidence, **found)``.
    """
    items, texts = (own.items, own.texts) if own is not None else ((), ())
    few = [held_out[i] for i in spread(most.rows, len(held_out))]
    asked = own_answers(task, base, few, seed)
    return {
        "probes": observe_probes(task, base, tuned, items, 0 if items else most.items),
        "general": observe_general(task, base, tuned, texts, 0 if texts else most.paragraphs),
        "drift": observe_divergence(task, base, tuned, asked),
        "continuations": observe_continuations(
            task, base, tuned, trained, held_out, most.beginnings
        ),
        "answers": observe_answers(
            task, base, tuned, [row.example for row in held_out], most.answers, seed
        ),
    }
