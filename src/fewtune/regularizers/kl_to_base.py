"""KL to the base: on its own samples and on general text the tuned model must answer as it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fewtune.data.batches import chunks
from fewtune.regularizers._passages import MOST_PASSAGES
from fewtune.regularizers._rows import Drawing, RowOptions, how_many, rows_to_protect
from fewtune.regularizers.base import Regularizer, Running
from fewtune.regularizers.reference import base_logits
from fewtune.tasks.base import Row

__all__ = ["KlToBase", "KlToBaseOptions", "divergence"]


class KlToBaseOptions(RowOptions):
    """Options of ``kl_to_base``."""

    samples: int = Field(96, ge=1, description="rows that the base draws where no file is given")
    passages: int = Field(
        MOST_PASSAGES,
        ge=0,
        le=MOST_PASSAGES,
        description="generation: passages of general English, written for fewtune, that join them",
    )
    weight: float = Field(1.0, gt=0, description="times the mean divergence in nats a unit")
    dose: float = Field(
        0.5,
        gt=0,
        le=4,
        description="protected rows compared for each training row; where that is less than one an "
        "update, some updates compare none, and the weight counts that much less",
    )
    temperatures: list[PositiveFloat] = Field(
        [1.0, 1.5, 2.0],
        min_length=1,
        description="of the samples, in turn; hotter ones reach what the base would seldom write",
    )
    memory: int = Field(
        256, ge=0, description="most MiB in which the base's answers are kept; else computed anew"
    )


class KlToBase(Regularizer):
    """Adds weight · mean KL(base‖tuned) over protected rows to the loss of every update.

    The strongest single guard that we measured (see ``benchmarks/LOG.md``). What is compared are
    whole distributions, whatever the method. Samples hold what the base says by itself, passages
    how it reads others: each alone leaves what the other holds. For a classifier the protected rows
    are the training inputs; where old classes are kept (``task.keep_classes``), their answers are
    what is compared (learning without forgetting, 1606.09282).

    The mean is over the protected rows of an update, ``dose`` times its training rows. Where that
    is less than one, only that share of the updates compares a row at all, and over the training
    the weight is that much smaller: with ``dose`` 0.5 and one row an update it counts half.
    """

    Options = KlToBaseOptions
    role = "keeps the rows of the base"

    def start(self, run: Running) -> None:
        """Draw or read the protected rows; keep the base's answers if they fit."""
        # Where the base would end it goes on: models that end soon would say little of themselves.
        # How likely they are to end there is compared all the same.
        drawing = Drawing(tuple(self.options.temperatures), ends=False)
        self._pool = rows_to_protect(run, self.options, labels=False, drawing=drawing)
        self._known: list[Tensor] = []
        units = sum(_units(row) for row in self._pool)
        classes = self._answers(run, self._pool[:1]).shape[1]
        if units * classes * 4 > self.options.memory * 2**20:
            return
        # A language model starts as its base whatever tunes it, so all trainings of a fit compare
        # with the same answers. A classifier's head was fitted anew.
        kept = run.shared if run.task.name == "generation" else {}
        key = ("answers of the base", tuple((row.ids, row.labels) for row in self._pool))
        if key not in kept:
            kept[key] = self._all_answers(run)
        self._known = kept[key]

    def _answers(self, run: Running, rows: Sequence[Row]) -> Tensor:
        """Return the base's log-probabilities at each unit of ``rows``."""
        batch = run.task.collate(rows).to(run.device)
        return base_logits(run, batch, protected=True).log_softmax(dim=-1)

    def _all_answers(self, run: Running) -> list[Tensor]:
        found: list[Tensor] = [torch.empty(0)] * len(self._pool)
        lengths = [row.length for row in self._pool]
        for places in chunks(range(len(self._pool)), lengths, run.task.budget(run.model)):
            rows = [self._pool[i] for i in places]
            parts = torch.split(self._answers(run, rows), [_units(row) for row in rows])
            for place, part in zip(places, parts, strict=True):
                found[place] = part.clone()
        return found

    def penalty(self, run: Running) -> Tensor | None:
        """Return weight · mean KL(base‖tuned) over the rows drawn for this update, if there are."""
        count = how_many(self.options.dose, run.plan.batch_size, run.seed, run.update, "kl")
        draw = random.Random(f"{run.seed}/kl/{run.update}")
        drawn = draw.sample(range(len(self._pool)), min(count, len(self._pool)))
        processes: int = run.accelerator.num_processes
        mine = drawn[run.accelerator.process_index :: processes]
        if not mine:
            return None
        lengths = [row.length for row in self._pool]
        total = torch.zeros((), device=run.device)
        for places in chunks(mine, lengths, run.plan.tokens_per_batch):
            total = total + self._divergence(run, places)
        units = sum(_units(self._pool[i]) for i in drawn)
        weight: float = self.options.weight
        return total * (weight * processes / units)

    def _divergence(self, run: Running, places: Sequence[int]) -> Tensor:
        """Return KL(base‖tuned) in nats, summed over the units of some rows."""
        rows = [self._pool[i] for i in places]
        known = [self._known[i] for i in places] if self._known else []

        def tuned() -> Tensor:
            with run.task.autocast():
                return run.task.protected(run.model, run.task.collate(rows).to(run.device))

        return divergence(lambda: torch.cat(known) if known else self._answers(run, rows), tuned)


def divergence(base: Callable[[], Tensor], tuned: Callable[[], Tensor]) -> Tensor:
    """Return KL(base‖tuned) in nats, summed over units.

    Logits are large beside everything else, so no more of them are held at once than must be: what
    is called for is called one after the other, and nothing here keeps a name for it.

    Parameters
    ----------
    base
        Gives the base's log-probabilities, of shape (units, classes), without gradients.
    tuned
        Gives the tuned model's logits of the same shape.
    """
    shares, own = _shares(base())
    return (own - (shares * tuned().float().log_softmax(dim=-1)).sum(dim=-1)).sum()


def _shares(logged: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities, and of each unit the sum of p·log p."""
    shares = logged.exp()
    return shares, (shares * logged).sum(dim=-1)


def _units(row: Row) -> int:
    """Return how many units ``collate`` makes of a row."""
    return sum(label >= 0 for label in row.labels[1:]) if row.labels else 1
