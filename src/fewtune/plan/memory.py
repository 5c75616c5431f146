"""Memory: the bytes that a fit will hold at its fullest moment, before anything is loaded.

A fit goes through moments that hold different things: training, measuring while training, the
refit, answering. Each is added up; the fullest counts. Weights, gradients and the optimizer's
averages are exact; activations are found by running the model's own code on tensors without values
(``passes``); only what the libraries hold, and what lies unused between blocks, is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fewtune.methods.base import METHODS
from fewtune.plan.passes import Passes, passes
from fewtune.plan.plan import Plan
from fewtune.plan.precision import computes_in_bf16, lowers_base
from fewtune.plan.work import Size, Work
from fewtune.regularizers.base import REGULARIZERS, Regularizer

__all__ = ["Estimate", "estimate", "in_words", "size"]

LIBRARIES = {
    "generation": 485_000_000,
    "text_classification": 520_000_000,
    "image_classification": 600_000_000,
}
"""Bytes of main memory that Python, torch, transformers and scikit-learn hold once a fit of a task
has used them, images with what near copies of them are found by (torch 2.13 on Linux; what is in
use of their code counts). On a GPU they are not in its memory."""

GAPS = 0.5
"""What the C library's allocator leaves free between blocks that are in use, as a share of the
activations: batches differ in size, and what one leaves seldom fits the next
(``benchmarks/speed/memory.py``)."""

PLOTS = 30_000_000
"""What drawing the report takes, when every model is gone."""

TRUNK_IN_MEMORY = 1 << 30
"""States of a trunk beyond these go to a file; see ``train.trunk``."""

KL = "kl_to_base"

GUARDS = ("ewc", "sam")
"""Regularizers that keep one more value for every weight that trains."""

LONGEST_SAMPLE = 256
"""Most tokens of a row that the base draws; see ``regularizers._rows``."""

PASSAGE_TOKENS = 128
"""About as many has a passage of general text; see ``regularizers._passages``."""


@dataclass(frozen=True)
class Estimate:
    """What a fit holds at its fullest moment.

    Attributes
    ----------
    moment
        Which it is.
    parts
        Bytes by what they are for.
    kept
        Bytes that the run keeps of the model.
    trainable
        Bytes of the weights that train.
    """

    moment: str
    parts: Mapping[str, int]
    kept: int
    trainable: int

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.parts.values())

    def as_json(self) -> dict[str, Any]:
        """Return what ``plan --json`` prints."""
        return {
            "total_bytes": self.total,
            "moment": self.moment,
            "parts": dict(self.parts),
            "kept_bytes": self.kept,
        }


def estimate(
    config: Any, plan: Plan, work: Work, *, parameters: int, device: str, processes: int = 1
) -> Estimate:
    """Return what carrying out ``plan`` holds at its fullest moment, of all its candidates.

    Parameters
    ----------
    config
        The model's configuration.
    plan
        What is tried.
    work
        The shapes of what is computed at once.
    parameters
        Of the model.
    device
        Where it is computed.
    processes
        Of those that train together; each holds as much.

    Raises
    ------
    FewtuneError
        If a method does not fit the model.
    """
    work = replace(work, protected=_protected(plan, work))
    bf16 = computes_in_bf16(plan.training.precision, parameters, device)
    low = lowers_base(plan, parameters, device)
    on_gpu = device != "cpu"
    rungs = [part for part in plan.select.rungs if part.name != plan.method.name]
    found = []
    for part in (plan.method, *rungs):
        held = passes(config, part.name, part.options, work, bf16=bf16, low=low, flash=on_gpu)
        method = METHODS.load(part.name)
        kept = _kept_answers(plan, work, getattr(config, "vocab_size", 0) or work.classes)
        if work.task in method.solves:
            moments = _solving(held)
        else:
            shared = method.keeps_base and not plan.task.keep_classes
            moments = _training(held, plan, processes, kept, shared)
        # What was measured is let go before what was written of it is read.
        moments["reading again"] = {"weights": held.model}
        moments["reporting"] = {"plots": 0 if on_gpu else PLOTS}
        for moment, parts in moments.items():
            if not on_gpu:
                gaps = round(GAPS * parts.get("activations", 0))
                parts = {"libraries": LIBRARIES[work.task], **parts, "allocator": gaps}
            parts = {k: v for k, v in parts.items() if v}
            found.append(Estimate(f"{moment} ({part.name})", parts, held.kept, held.trainable))
    return max(found, key=lambda one: one.total)


def _solving(held: Passes) -> dict[str, dict[str, int]]:
    return {"computing states": {"base": held.base, "activations": held.measured}}


def _kl(plan: Plan) -> Regularizer | None:
    """Return the plan's comparison with the base, its own or the one that is tried."""
    parts = [part for part in (*plan.regularizers, *plan.select.guards) if part.name == KL]
    return REGULARIZERS.load(KL)(parts[0].options) if parts else None


def _protected(plan: Plan, work: Work) -> Size | None:
    """Return the rows on which an update is compared with the base."""
    found = _kl(plan)
    if found is None:
        return None
    rows = math.ceil(found.options.dose * plan.training.batch_size)
    if work.task != "generation":
        return Size(rows, work.update.width, rows)
    width = found.options.length or min(LONGEST_SAMPLE, work.update.width)
    if found.options.passages:
        width = max(width, PASSAGE_TOKENS)
    rows = max(1, min(rows, plan.training.tokens_per_batch // width))
    return Size(rows, width, rows * width)


def _kept_answers(plan: Plan, work: Work, classes: int) -> int:
    """Return the bytes of the base's answers that are kept; none where they are too many."""
    found = _kl(plan)
    if found is None or work.protected is None:
        return 0
    each = work.protected.units // work.protected.rows
    kept: int = (found.options.samples + found.options.passages) * each * classes * 4
    return kept if kept <= found.options.memory * 2**20 else 0


def _training(
    held: Passes, plan: Plan, processes: int, kept: int, shared: bool
) -> dict[str, dict[str, int]]:
    """Return what a candidate that is trained holds, by moment.

    Parameters
    ----------
    kept
        Bytes of the base's answers that are kept.
    shared
        Whether the base's weights are the model's own too; else the model has others, and what
        trains starts as the base's, which serve as the copy of the start.
    """
    trained = held.trainable
    copies = sum(part.name in GUARDS for part in plan.regularizers)
    weights = {"base": held.base, "weights": held.model - (held.base if shared else 0)}
    learning = weights | {
        "optimizer": 2 * trained,
        "snapshots": trained * (2 if shared else 1),
        "trunk": min(held.trunk, TRUNK_IN_MEMORY),
        "guards": copies * trained + kept,
    }
    # Several processes gather gradients in buckets of the same size.
    gradients = trained * (2 if processes > 1 else 1)
    training = learning | {"gradients": gradients, "activations": held.update}
    # Other seeds and shares of the rows are trained beside the chosen model.
    again = plan.select.seeds > 1 or plan.select.value_curve
    return {
        "training": training,
        "training again": training | {"weights": (2 if again else 1) * weights["weights"]},
        "measuring": learning | {"activations": held.measured},
        "answering": weights | {"answers": held.answers},
        # The gradient of a step uphill, and the weights as they were before it.
        "observing": weights | {"gradients": 2 * trained, "activations": held.update},
    }


def size(count: float) -> str:
    """Return bytes in words, in decimal units.

    Examples
    --------
    >>> size(28_000_000_000), size(1_234_000), size(300)
    ('28.0 GB', '1.2 MB', '300 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"


def in_words(found: Estimate) -> str:
    """Return the estimate as a sentence, the largest parts first."""
    largest = sorted(found.parts.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{name} {size(count)}" for name, count in largest)
    return f"about {size(found.total)} at most, while {found.moment}: {told}"
