"""What a method is: which parameters train, at which rate, and how the result is kept."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from fewtune.data.batches import Balanced, Order
from fewtune.errors import ModelError, PlanError
from fewtune.family import Configured, Family
from fewtune.models.blocks import find_blocks
from fewtune.tasks.base import Batch, Row, Task
from fewtune.tasks.keeping import KeepsClasses

__all__ = [
    "METHODS",
    "Method",
    "load_head",
    "load_tensors",
    "own_head",
    "refuse_more",
    "save_head",
    "save_tensors",
    "top_blocks",
    "trained_state",
]

RATE_AT_HALF_BILLION = 2e-5
"""Full fine-tuning's usual learning rate for a model of half a billion parameters."""

SMALL_GENERATOR_POWER = 0.95
SMALL_CLASSIFIER_POWER = 0.5
LARGE_POWER = 0.25
"""How the rate grows below half a billion parameters, and falls above: a power of the size."""

HIGHEST_FULL_RATE = 2e-3
HIGHEST_RATE = 1e-2

HEAD_FILE = "head.safetensors"
OLD = "old."
"""How the values of kept classes begin in that file."""


class Method(Configured, ABC):
    """Which parameters of a model train."""

    word = "method"
    tasks: ClassVar[frozenset[str]] = frozenset(
        {"generation", "text_classification", "image_classification"}
    )
    solves: ClassVar[frozenset[str]] = frozenset()
    """Tasks for which the method is fitted by a solver instead of the loop."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Regularizers it cannot be combined with, and why."""
    rate_factor: ClassVar[float] = 1.0
    """Learning rate relative to full fine-tuning of the same model."""
    highest_rate: ClassVar[float] = HIGHEST_RATE
    """Rates are not taken higher, however small the model."""
    why: ClassVar[str] = ""
    """Why it is for some tasks only."""
    solves_after: ClassVar[bool] = False
    """Whether it trains a classifier's states alone: a solver fits the head on them afterwards, and
    the last weights are kept, since a head tells what they are worth only then."""
    keeps_base: ClassVar[bool] = False
    """Whether it writes to no weight of the base, so that base and tuned may share them."""
    compares: ClassVar[bool] = False
    """Whether the loss of a row depends on the other rows of its update."""

    def rates(self, parameters: int, task: str) -> tuple[float, float, float]:
        """Return a low, a usual and a high learning rate: a sweep to try, not a truth.

        Parameters
        ----------
        parameters
            Of the model. Smaller ones take larger rates.
        task
            Small language models take much larger rates than encoders of their size, which start
            from a fitted head (measured: benchmarks/LOG.md).
        """
        smaller, larger = 5e8 / max(parameters, 1), max(parameters, 1) / 5e8
        power = SMALL_GENERATOR_POWER if task == "generation" else SMALL_CLASSIFIER_POWER
        size = smaller**power if smaller > 1 else larger**-LARGE_POWER
        full = min(RATE_AT_HALF_BILLION * size, HIGHEST_FULL_RATE)
        usual = float(f"{min(full * self.rate_factor, self.highest_rate):.1e}")
        return float(f"{usual / 3:.1e}"), usual, float(f"{usual * 3:.1e}")

    def unfit(self, task: str) -> str:
        """Return why it cannot be used as configured for a task here, or nothing if it can."""
        return ""

    def leaves_linear(self, task: str) -> bool:
        """Return whether passes alone read the linear layers of the base, and nothing writes them.

        Then they may be held in the precision of the passes; see ``models.low``.
        """
        return False

    @abstractmethod
    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Return ``model`` with exactly the parameters that train requiring gradients."""

    @abstractmethod
    def save(self, model: nn.Module, task: Task, folder: Path) -> None:
        """Write what tuning changed into ``folder`` as safetensors."""

    @abstractmethod
    def restore(self, task: Task, folder: Path) -> nn.Module:
        """Return the model that ``save`` wrote into ``folder``."""

    def joined(self, rows: Sequence[Row], names: Sequence[Row]) -> list[Row]:
        """Return the rows that train; ``names`` are the classes' own, where they help the head."""
        return list(rows)

    def order(self, rows: Sequence[Row], size: int, seed: int) -> Order | Balanced:
        """Return which rows make each update."""
        return Order([row.length for row in rows], size, seed)

    def output(self, task: Task, model: nn.Module, batch: Batch) -> Tensor:
        """Return what the loss is computed of: the logits of a batch's units."""
        return task.logits(model, batch)

    def losses(self, task: Task, output: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each row of an update; asked only of a method that ``compares``."""
        raise TypeError(f"{self.name} has the losses of the task")

    def blend(
        self, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float
    ) -> dict[str, Tensor]:
        """Return the trainable state at (1 − alpha) · start + alpha · tuned (2109.01903)."""
        return {name: start[name].lerp(tuned[name], alpha) for name in tuned}


METHODS: Family[Method] = Family("fewtune.methods", Method, "method", not_members=["probe"])


def trained_state(model: nn.Module, base: nn.Module | None = None) -> dict[str, Tensor]:
    """Return the values of the parameters that train, by name.

    They are copies, but for those that ``base`` has under the same name and that are still the
    same: these are the base's own, so that no third copy of a large model is held.
    """
    known = dict(base.named_parameters()) if base is not None and base is not model else {}
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            same = name in known and known[name] is not parameter
            same = same and known[name].shape == parameter.shape
            same = same and torch.equal(known[name], parameter)
            found[name] = known[name].detach() if same else parameter.detach().clone()
    return found


def own_head(model: Any) -> nn.Module:
    """Return the layer that makes logits: a classifier's head or a language model's.

    All parameters of a language model's head are copied first: its weights may be the input
    embedding's too, which training the head must leave as it was, and a base that is shared (see
    ``models.twin``) lends its head's weights and biases with all others.
    """
    head: Any = getattr(model, "head", None)
    if head is None:
        head = model.get_output_embeddings()
        for module in head.modules():
            for name, shared in list(module.named_parameters(recurse=False)):
                own = nn.Parameter(shared.detach().clone(), requires_grad=shared.requires_grad)
                setattr(module, name, own)
        model.config.tie_word_embeddings = False
    found: nn.Module = head
    return found


def top_blocks(
    model: nn.Module, wanted: int, option: str, share: float = 1 / 3
) -> tuple[nn.Module, ...]:
    """Return the last ``wanted`` blocks of a model; for 0 a ``share`` of them, at least one.

    Raises
    ------
    PlanError
        If the model has fewer.
    ModelError
        If it has none.
    """
    blocks = find_blocks(model).blocks
    refuse_more(option, wanted, len(blocks))
    return blocks[-(wanted or max(1, round(share * len(blocks)))) :]


def refuse_more(option: str, wanted: int, there: int) -> None:
    """Raise a PlanError if an option asks for more than ``there`` are."""
    if wanted > there:
        raise PlanError(
            f"at most {there}, which is all that the model has",
            f"{wanted}",
            f"method.options.{option}",
            "Choose fewer, or method full",
        )


def save_head(model: Any, folder: Path, task: Task) -> None:
    """Write a classifier's head; a model without one (generation) writes nothing.

    The heads of old classes that are kept lie in the same file.
    """
    if not hasattr(model, "head"):
        return
    values = dict(model.head.state_dict())
    if model.old is not None:
        cast(KeepsClasses, task).settle(model)
        values |= {f"{OLD}{name}": value for name, value in model.old.state_dict().items()}
    save_tensors(values, folder / HEAD_FILE)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by name as safetensors."""
    from safetensors.torch import save_file

    state = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(state, path, metadata={"format": "pt"})


def load_tensors(path: Path, what: str = "the trained part of this run") -> dict[str, Tensor]:
    """Return the tensors of a file by name; ``what`` they are is for the error.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
        return found
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(
            what,
            str(error).split("\n", 1)[0],
            str(path),
            "The file is missing or damaged: fit again",
        ) from error


def load_head(model: Any, folder: Path) -> None:
    """Read a classifier's head into ``model``.

    Raises
    ------
    ModelError
        If the file is missing, damaged or of another shape.
    """
    if not hasattr(model, "head"):
        return
    path, what = folder / HEAD_FILE, "the classification head of this run"
    try:
        values = load_tensors(path, what)
        old = {n.removeprefix(OLD): v for n, v in values.items() if n.startswith(OLD)}
        model.head.load_state_dict({n: v for n, v in values.items() if not n.startswith(OLD)})
        if model.old is not None:
            model.old.load_state_dict(old)
    except RuntimeError as error:
        raise ModelError(
            what,
            str(error).split("\n", 1)[0],
            str(path),
            "The file is missing or damaged: fit again",
        ) from error
