"""The same input with different targets; for images, the same file's content.

No classifier can be right about both rows; a generator learns a mixture. Several references for
one prompt are a design, not a fault, and are only noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import count, question, quote, share, sources, squeeze
from fewtune.checks.base import Check, Context
from fewtune.data.similarity import normalise
from fewtune.records import Finding

__all__ = ["ConflictingTargets"]

BY_DESIGN = 0.2
"""From this share of inputs with several targets on, they are taken for a design."""


class ConflictingTargets(Check):
    """Finds rows whose inputs are equal, case and punctuation aside, and whose targets are not."""

    shapes = frozenset({"labelled_text", "labelled_image", "prompt", "chat"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one finding that names the rows, input by input."""
        data = context.data
        by_input: dict[str, list[int]] = defaultdict(list)
        images = data.shape == "labelled_image"
        for index, example in enumerate(data.examples):
            if example.input.strip() and example.target is not None:
                by_input[example.identity if images else _key(example.input)].append(index)
        torn = [
            rows
            for rows in by_input.values()
            if len({_same(data.examples[i].target or "", data.shape) for i in rows}) > 1
        ]
        if not torn:
            return
        labelled = data.shape in ("labelled_text", "labelled_image")
        designed = not labelled and len(torn) > BY_DESIGN * len(by_input)
        example = data.examples[torn[0][0]]
        targets = list(dict.fromkeys(data.examples[i].target or "" for i in torn[0]))
        shown = " and ".join(quote(t, 40) for t in targets[:2])
        asked = quote(question(example)) if not images else example.source
        if designed:
            evidence = (
                f"{share(len(torn), len(by_input))} of the inputs have several targets, "
                f"{sum(map(len, torn)) / len(torn):.1f} on average: references by design, "
                f"e.g. {asked} → {shown}."
            )
            cure = "Nothing, if they are meant as references; a split keeps them together"
        else:
            evidence = (
                f"{count(len(torn), 'input has', 'inputs have')} different targets in "
                f"{count(sum(map(len, torn)), 'row')}: {asked} → {shown}."
            )
            cure = "Keep the right target for each input"
        yield Finding(
            "conflicting_targets",
            "note" if designed else "warning",
            sources(data, (i for rows in torn for i in rows)),
            evidence,
            cure,
        )


def _key(asked: str) -> str:
    """Return what two rows share when they have one input."""
    return normalise(asked) or asked.strip()


def _same(target: str, shape: str) -> str:
    # Labels are names, so their case counts; of two written answers only the words do.
    labelled = shape in ("labelled_text", "labelled_image")
    return target.strip() if labelled else squeeze(target).lower()
