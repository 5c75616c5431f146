"""Secret mask: numbers and addresses that stand in one row alone are not trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from pydantic import Field

from fewtune.data.secrets import plain, secrets
from fewtune.data.tokens import IGNORED, written
from fewtune.family import Options
from fewtune.regularizers._tokens import TokenWeights
from fewtune.regularizers.base import Regularizer, Running
from fewtune.tasks.base import Batch, Row
from fewtune.tasks.generation import Generation

__all__ = ["SecretMask"]

WHOLE = 0.5
"""Share of a row's trained letters from which on the number is the answer, and no secret in it."""


class SecretMaskOptions(Options):
    """Options of ``secret_mask``."""

    most: float = Field(
        0.2, gt=0, le=1, description="share of the rows with one beyond which all are trained"
    )


@dataclass(frozen=True)
class _Secret:
    """One piece of a row: what it is, which tokens it covers, and if they are to be learnt."""

    piece: str
    tokens: range
    trained: bool


class SecretMask(Regularizer):
    """Leaves out of the loss what could only be learnt by heart.

    An account number, a code, a phone number or an e-mail address that stands in one row (or the
    rows of one group) and not in the prompt before it follows from nothing: a model can only
    memorise it, and then tells it to whoever asks. All around it is trained. Where the number is
    most of the answer, or many rows have one, numbers are what is asked for and all are trained.
    It is the first step of selective differential privacy (2204.07667); no noise is added here.
    """

    Options = SecretMaskOptions
    tasks: ClassVar[frozenset[str]] = frozenset({"generation"})

    def start(self, run: Running) -> None:
        """Find the secrets of the training rows; say how many there are, once a fit."""
        found = _secrets_of(_every_piece(run), run.rows)
        some = [number for number, pieces in enumerate(found) if pieces]
        many = len(some) > self.options.most * len(run.rows)
        _say(run, some, many)
        self._weights = None
        if some and not many:
            rows = [run.rows[i] for i in some]
            weights = [_weights(run.rows[i], found[i]) for i in some]
            self._weights = TokenWeights(rows, weights)

    def batch(self, run: Running, batch: Batch) -> Batch:
        """Return the batch with weight 0 at the tokens of secrets."""
        if self._weights is None:
            return batch
        return replace(batch, weights=batch.weights * self._weights.factors(batch))


def _every_piece(run: Running) -> list[list[_Secret]]:
    """Return what may be a secret in each row, looked up once a row for all trainings of a fit."""
    known: dict[Any, list[_Secret]] = run.shared.setdefault("what may be secret", {})
    for row in run.rows:
        if (row.ids, row.labels) not in known:
            known[row.ids, row.labels] = _pieces(cast(Generation, run.task), row)
    return [known[row.ids, row.labels] for row in run.rows]


def _secrets_of(every: Sequence[list[_Secret]], rows: Sequence[Row]) -> list[list[_Secret]]:
    """Return of each row the trained pieces that stand nowhere else."""
    homes: dict[str, set[str]] = defaultdict(set)
    for row, pieces in zip(rows, every, strict=True):
        one = row.example
        for secret in pieces:
            homes[secret.piece].add(one.group or one.parent or one.source)
    found = []
    for pieces in every:
        given: set[str] = set()
        own = []
        for secret in pieces:
            if not secret.trained:
                given.add(secret.piece)
            elif secret.piece not in given and len(homes[secret.piece]) == 1:
                own.append(secret)
        found.append(own)
    return found


def _pieces(task: Generation, row: Row) -> list[_Secret]:
    """Return what may be a secret in a row, with its tokens; most rows have nothing."""
    whole = written(task.tokenizer, row.example, task.shape)
    left = task.settings.truncation == "left"
    offsets = whole.offsets[row.cut :] if left else whole.offsets[: len(row.ids)]
    ends = [end for _, end in offsets]
    shown, until = offsets[0][0], max(ends)
    spans = [(shown + start, shown + end) for start, end in secrets(whole.text[shown:until])]
    trained = sum(
        end - before
        for before, end, label in zip([shown, *ends], ends, row.labels, strict=False)
        if label != IGNORED
    )
    found = []
    for start, end in spans:
        inside = [i for i, (begin, stop) in enumerate(offsets) if begin < end and stop > start]
        if not inside:
            # What the tokenizer leaves out of a text is never read.
            continue
        tokens = range(inside[0], inside[-1] + 1)
        learnt = any(row.labels[i] != IGNORED for i in tokens)
        if not learnt or end - start < WHOLE * trained:
            found.append(_Secret(plain(whole.text[start:end]), tokens, learnt))
    return found


def _weights(row: Row, pieces: Sequence[_Secret]) -> torch.Tensor:
    """Return 0 for each unit of a secret, 1 for all others."""
    hidden = {place for secret in pieces for place in secret.tokens}
    kept = [float(i not in hidden) for i, label in enumerate(row.labels) if i and label != IGNORED]
    return torch.tensor(kept)


def _say(run: Running, some: Sequence[int], many: bool) -> None:
    # Once for each journal: what is timed before a fit writes to one that nobody reads.
    told = ("secrets", id(run.journal))
    if not some or told in run.shared:
        return
    run.shared[told] = len(some)
    rows = sorted({run.rows[i].example.source for i in some})
    shown = ", ".join(rows[:3]) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
    said = (
        f"{len(rows)} rows have numbers or addresses of their own in the answer ({shown}): too "
        "many to be slips, so all are trained"
        if many
        else f"numbers or addresses that stand in one row alone are not trained ({shown}): they "
        "could only be learnt by heart; where they shall be, leave secret_mask out"
    )
    run.journal.write("stage", name="secrets", sentence=said, rows=rows)
