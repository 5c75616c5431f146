"""Rows longer than the model reads; without a model, how long the rows are.

What lies beyond the context is not learned, and a row whose input fills it teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fewtune.checks._rows import TEXT_SHAPES, count, quote, share, sources, written
from fewtune.checks.base import Check, Context, ModelView
from fewtune.records import Dataset, Example, Finding

__all__ = ["Truncation"]


class Truncation(Check):
    """Counts the tokens of every row against the model's context."""

    shapes = TEXT_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return an error for rows without a target left, a warning for other cut rows."""
        data, model = context.data, context.model
        if not len(data):
            return
        if model is None:
            yield _lengths(data)
            return
        tokens = model.lengths(data.examples)
        long = [i for i, n in enumerate(tokens) if n > model.context_length]
        if not long:
            return
        hopeless = _without_target(data, model, long)
        if hopeless:
            rows = sources(data, hopeless)
            yield Finding(
                "truncation",
                "error",
                rows,
                f"{count(len(hopeless), 'row')} would lose the whole target: the input alone fills "
                f"the {model.context_length:,} tokens that {model.name} reads; the first is "
                f"{rows[0]} with {tokens[hopeless[0]]:,} tokens.",
                "Shorten these inputs, or choose a model with a longer context",
            )
        cut = [i for i in long if i not in set(hopeless)]
        if cut:
            worst = max(cut, key=lambda i: tokens[i])
            yield Finding(
                "truncation",
                "warning",
                sources(data, cut),
                f"{count(len(cut), 'row is', 'rows are')} longer than the "
                f"{model.context_length:,} tokens that {model.name} reads "
                f"({share(len(cut), len(data))}); the longest has {tokens[worst]:,}: "
                f"{quote(written(data.examples[worst], data.shape))}.",
                "Shorten or part these rows, or choose a model with a longer context",
            )


def _without_target(data: Dataset, model: ModelView, long: Sequence[int]) -> list[int]:
    if data.shape not in ("prompt", "chat"):
        return []
    shorn = [_shorn(data.examples[i]) for i in long]
    return [i for i, n in zip(long, model.lengths(shorn), strict=True) if n >= model.context_length]


def _shorn(example: Example) -> Example:
    """Return the row with an empty answer."""
    turns = example.messages
    if turns and turns[-1].role == "assistant":
        turns = (*turns[:-1], replace(turns[-1], content=""))
    return replace(example, target="", messages=turns)


def _lengths(data: Dataset) -> Finding:
    lengths = [len(written(e, data.shape)) for e in data.examples]
    ordered = sorted(lengths)
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    return Finding(
        "truncation",
        "note",
        (data.examples[longest].source,),
        f"Half of the rows have {count(ordered[len(ordered) // 2], 'character')} or fewer, the "
        f"longest {ordered[-1]:,} ({data.examples[longest].source}): about "
        f"{count(max(1, round(ordered[-1] / 4)), 'token')} in English.",
        "Give --model to count its own tokens",
    )
