"""Labels that all other rows speak against (confident learning, 1911.00068).

Every row is predicted by a classifier that has not seen it. How many labels are wrong, and how
surely each of them, is estimated from how often the classifier is contradicted where it is sure
(``_flips``); only so many are named as are right in nine of ten cases by that estimate. Where the
classifier knows too little to say, the check abstains.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fewtune.checks._features import LeaveOneOut, distinct, leave_one_out
from fewtune.checks._flips import Flips, estimate
from fewtune.checks._rows import count, quote, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["LabelErrors", "doubts", "suspects"]

KNOWS = 0.5
"""Least leave-one-out accuracy at which the classifier's word counts: one that is wrong more often
than right overrules nobody."""

FEWEST_ROWS = 30

SURE = 0.9
"""Share of the labels named that are wrong, by the check's own estimate."""

LIKELY = 0.5
"""Least probability that each of them is wrong."""

EASY = 0.8
"""Accuracy, where to answer the largest class always counts as 0, from which on the most doubtful
labels are named too, up to the likeliest number of wrong ones if there is one: a classifier that is
right nearly everywhere, and as sure everywhere, gives a careful estimate nothing to go by."""

LEAST_DOUBT, MOST_DOUBT = 0.05, 0.15
"""Bounds of the most probability that the label of such a row has, as a share of the likeliest
label's. In between it is a half over the number of classes: the more labels there are, the easier
one of them looks likelier by chance."""


UNTOLD = 0.02
"""Least share of wrong labels, by the likeliest estimate, that is told though none can be named."""


class LabelErrors(Check):
    """Finds rows whose label is very unlikely while another one is likely."""

    shapes = frozenset({"labelled_text", "labelled_image"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return the suspects, the most suspicious first, or a note that the check abstains."""
        if len(context.data.labels) < 2:
            return
        rows = len(distinct(context))
        if rows < FEWEST_ROWS:
            yield _abstention(f"{count(rows, 'distinct row')}, fewer than {FEWEST_ROWS}", context)
            return
        held_out = leave_one_out(context)
        flips = estimate(held_out.probabilities, held_out.given)
        if held_out.accuracy < KNOWS or not flips.known.any():
            yield _abstention(_too_little(held_out), context)
            return
        sure = suspects(flips)
        # Pixels are sure of what they see, not of what it means: their doubts accuse right labels.
        blind = context.data.shape == "labelled_image" and context.model is None
        found = sure if blind else _with_doubts(sure, doubts(held_out), flips)
        if not len(found):
            yield from _untold(flips, context)
            return
        shown = "; ".join(_say(held_out, context, int(i)) for i in found[:2])
        estimated = ""
        if len(sure) == len(found):
            estimated = f"about {share(float(flips.wrong[found].mean()), 1)} of them wrong; "
        yield Finding(
            "label_errors",
            "warning",
            sources(context.data, (int(held_out.rows[i]) for i in found)),
            f"{count(len(found), 'label is', 'labels are')} contradicted by the other rows "
            f"({share(len(found), rows)}; {estimated}{held_out.method}, right about "
            f"{share(held_out.accuracy, 1)} of the rows left out): {shown}.{_rest(flips, found)}",
            "Read these rows, the most suspicious first, and mend the labels that are wrong",
        )


def _untold(flips: Flips, context: Context) -> Iterable[Finding]:
    """Return a note where labels are wrong by the estimate, and none can be told from the rest."""
    wrong = round(flips.likeliest * len(flips.wrong))
    if wrong >= max(3, UNTOLD * len(flips.wrong)):
        yield _abstention(
            f"about {count(wrong, 'label')} of {len(flips.wrong):,} may be wrong, but none stands "
            "out from rare but right ones",
            context,
        )


def suspects(flips: Flips) -> np.ndarray:
    """Return positions of the labels to name, the most suspicious first.

    The longest list of which ``SURE`` are wrong by the estimate, and each rather than not.
    """
    order = np.argsort(-flips.wrong, kind="stable")
    wrong = flips.wrong[order]
    mean = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    deep = np.flatnonzero((mean >= SURE) & (wrong >= LIKELY))
    return np.asarray(order[: deep[-1] + 1] if len(deep) else order[:0])


def _with_doubts(sure: np.ndarray, doubtful: np.ndarray, flips: Flips) -> np.ndarray:
    """Return the rows to name: the sure ones, then doubtful ones, no more than are wrong in all."""
    most = round(flips.likeliest * len(flips.wrong)) if flips.likeliest else len(flips.wrong)
    rest = doubtful[~np.isin(doubtful, sure)]
    return np.concatenate([sure, rest[: max(0, most - len(sure))]]).astype(np.intp)


def doubts(held_out: LeaveOneOut) -> np.ndarray:
    """Return positions of labels that hardly any other row bears out, where there are few such.

    The most doubtful first; none where the classifier is wrong too often.
    """
    chance = float(np.bincount(held_out.given).max()) / len(held_out.rows)
    if chance == 1 or (held_out.accuracy - chance) / (1 - chance) < EASY:
        return np.empty(0, dtype=np.intp)
    probabilities = held_out.probabilities
    own = probabilities[np.arange(len(held_out.rows)), held_out.given]
    doubt = own / probabilities.max(axis=1)
    limit = min(MOST_DOUBT, max(LEAST_DOUBT, 0.5 / len(held_out.labels)))
    found = np.flatnonzero(doubt <= limit)
    return np.asarray(found[np.argsort(doubt[found], kind="stable")])


def _rest(flips: Flips, found: np.ndarray) -> str:
    """Return how many more wrong labels there may be that cannot be told apart."""
    more = round(flips.likeliest * len(flips.wrong)) - len(found)
    if more < max(3, 0.1 * len(found)):
        return ""
    return f" About {more:,} more may be wrong that cannot be told from rare but right ones."


def _too_little(held_out: LeaveOneOut) -> str:
    """Return why the classifier's word counts for nothing."""
    right = f"{held_out.method} are right about {share(held_out.accuracy, 1)} of the rows left out"
    if held_out.accuracy < KNOWS:
        return f"{right}, less than {share(KNOWS, 1)}"
    return f"{right}, hardly more than a guess would be"


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
    example = context.data.examples[int(held_out.rows[position])]
    shown = quote(example.input, 50) if context.data.shape == "labelled_text" else example.source
    best = int(held_out.probabilities[position].argmax())
    return (
        f"{shown} is labelled {held_out.labels[int(held_out.given[position])]}, "
        f"looks like {held_out.labels[best]}"
    )
