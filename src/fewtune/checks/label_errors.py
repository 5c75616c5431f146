"""Labels that all other rows speak against (confident learning, 1911.00068).

Every row is predicted by a classifier that has not seen it. Where even that classifier is often
wrong, its word against a label is worth nothing, and the check abstains.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fewtune.checks._features import LeaveOneOut, distinct, leave_one_out
from fewtune.checks._rows import count, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["LabelErrors", "suspects"]

KNOWS = 0.75
"""Least leave-one-out accuracy at which the classifier's word counts."""

FEWEST_ROWS = 30
KNOWS_ABOVE_CHANCE = 0.65
"""The same, where to answer the largest class always counts as 0: with two classes every mistake
looks like a flipped label."""
LEAST_DOUBT, MOST_DOUBT = 0.05, 0.15
"""Bounds of the most probability that a suspect's own label has, as a share of the likeliest
label's. In between it is a half over the number of classes: the more labels there are, the easier
one of them looks likelier by chance."""


class LabelErrors(Check):
    """Finds rows whose label is very unlikely while another one is likely."""

    shapes = frozenset({"labelled_text"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return the suspects, the most suspicious first, or a note that the check abstains."""
        if len(context.data.labels) < 2:
            return
        rows = len(distinct(context))
        if rows < FEWEST_ROWS:
            yield _abstention(f"{count(rows, 'distinct row')}, fewer than {FEWEST_ROWS}", context)
            return
        held_out = leave_one_out(context)
        if not _knows(held_out):
            yield _abstention(_too_little(held_out), context)
            return
        found = suspects(held_out)
        if not len(found):
            return
        shown = "; ".join(_say(held_out, context, int(i)) for i in found[:2])
        yield Finding(
            "label_errors",
            "warning",
            sources(context.data, (int(held_out.rows[i]) for i in found)),
            f"{count(len(found), 'label is', 'labels are')} contradicted by the other rows "
            f"({share(len(found), rows)}; {held_out.method}, right about "
            f"{share(held_out.accuracy, 1)} of the rows left out): {shown}.",
            "Read these rows, the most suspicious first, and mend the labels that are wrong",
        )


def suspects(held_out: LeaveOneOut) -> np.ndarray:
    """Return positions in ``held_out`` whose label is in doubt, the most suspicious first."""
    probabilities = held_out.probabilities
    own = probabilities[np.arange(len(held_out.rows)), held_out.given]
    doubt = own / probabilities.max(axis=1)
    limit = min(MOST_DOUBT, max(LEAST_DOUBT, 0.5 / len(held_out.labels)))
    found = np.flatnonzero(doubt <= limit)
    return np.asarray(found[np.argsort(doubt[found], kind="stable")])


def _above_chance(held_out: LeaveOneOut) -> float:
    """Return the accuracy rescaled: 0 for answering the largest class always, 1 for no mistake."""
    chance = float(np.bincount(held_out.given).max()) / len(held_out.rows)
    return (held_out.accuracy - chance) / (1 - chance) if chance < 1 else 0.0


def _knows(held_out: LeaveOneOut) -> bool:
    return held_out.accuracy >= KNOWS and _above_chance(held_out) >= KNOWS_ABOVE_CHANCE


def _too_little(held_out: LeaveOneOut) -> str:
    """Return why the classifier's word counts for nothing."""
    right = f"{held_out.method} is right about {share(held_out.accuracy, 1)} of the rows left out"
    if held_out.accuracy < KNOWS:
        return f"{right}, less than {share(KNOWS, 1)}"
    return f"{right}, which is too close to chance with {len(held_out.labels)} classes"


def _abstention(reason: str, context: Context) -> Finding:
    cure = "Read a sample of the labels yourself"
    if context.model is None:
        cure += ", or give --model: its embeddings may know more"
    return Finding(
        "label_errors",
        "note",
        (),
        f"Abstains: too little to tell a wrong label by ({reason}).",
        cure,
    )


def _say(held_out: LeaveOneOut, context: Context, position: int) -> str:
    text = context.data.examples[int(held_out.rows[position])].input
    best = int(held_out.probabilities[position].argmax())
    return (
        f"{quote(text, 50)} is labelled {held_out.labels[int(held_out.given[position])]}, "
        f"looks like {held_out.labels[best]}"
    )
