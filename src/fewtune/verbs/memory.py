"""Memory: what tuning a model would hold by each method, also for a model that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fewtune.errors import FewtuneError, PlanError
from fewtune.methods.base import METHODS
from fewtune.models.empty import empty_model
from fewtune.models.four_bit import KINDS
from fewtune.models.load import model_kind
from fewtune.models.shape import known_shape
from fewtune.plan.passes import Passes, passes
from fewtune.plan.work import Size, Work

__all__ = ["Need", "memory"]

CLASSES = 10
"""Of a classifier: a number that hardly matters."""

PACKED_NAME = "lora, 4 bits"

TASKS_OF = {"causal": "generation", "text": "text_classification", "image": "image_classification"}


@dataclass(frozen=True)
class Need:
    """What training with one method holds, in bytes.

    Attributes
    ----------
    method
        Its name.
    weights
        All weights, what the method adds included: in float32, but for a base in four bits, and for
        the linear layers of one that nothing trains, which are as passes compute with them.
    gradients, optimizer
        Of what trains: one value and two values each.
    activations
        Of one batch, at their most.
    kept
        Weights that a run keeps: the file of the adapter, or the whole model.
    """

    method: str
    weights: int
    gradients: int
    optimizer: int
    activations: int
    kept: int

    @property
    def total(self) -> int:
        """Training itself: without a copy of the base beside it, snapshots and libraries."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        names = ("method", "weights", "gradients", "optimizer", "activations", "kept", "total")
        return {name: getattr(self, name) for name in names}


def memory(
    model: str,
    *,
    methods: Sequence[str] = (),
    length: int = 512,
    rows: int = 1,
    device: Literal["cpu", "cuda"] = "cuda",
    bf16: bool = True,
) -> tuple[str, int, list[Need]]:
    """Return what the model is, its parameters, and what each method needs to train it.

    Parameters
    ----------
    model
        A number of parameters (``7B``), a folder with a config.json, a hub id, ``builtin`` or
        ``minilm``. No weights are read or fetched.
    methods
        Names of those asked for; all that the model's task has by default.
    length
        Tokens of a row.
    rows
        Rows computed at once.
    device
        On a GPU attention with dropout is one kernel, which keeps less.
    bf16
        Whether forward passes are in bfloat16; what trains, and its optimizer, is in float32 all
        the same.

    Raises
    ------
    ModelError
        If there is no such model.
    PlanError
        If there is no such method, or it is none for the model's task.
    """
    config, about = known_shape(model)
    task = TASKS_OF[model_kind(config)] if config.architectures else "generation"
    side = getattr(config, "image_size", 224)
    pixels = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
    images = task == "image_classification"
    batch = Size(rows, length, rows * length if task == "generation" else rows)
    work = Work(task, CLASSES, batch, None, None, 0, pixels if images else (0, 0))
    needs: list[Need] = []
    parameters = sum(p.numel() for p in empty_model(config, task, CLASSES).parameters())
    wanted = [(name, name) for name in methods or METHODS.names()]
    if not methods and task in KINDS:
        wanted.append((PACKED_NAME, "lora"))
    for called, name in wanted:
        if task not in METHODS.load(name).tasks:
            if methods:
                some = [one for one in METHODS.names() if task in METHODS.load(one).tasks]
                cure = f"Ask for one of {', '.join(some)}"
                raise PlanError(f"a method for {task.replace('_', ' ')}", repr(name), cure=cure)
            continue
        try:
            options = {"four_bit": True} if called == PACKED_NAME else {}
            low = bf16 and task in KINDS and METHODS.load(name)(options).leaves_linear(task)
            held = passes(config, name, options, work, bf16=bf16, low=low, flash=device == "cuda")
        except FewtuneError:
            if methods:
                raise
            continue
        needs.append(_need(called, held))
    needs.sort(key=lambda need: -need.total)
    return about, parameters, needs


def _need(name: str, held: Passes) -> Need:
    return Need(name, held.model, held.trainable, 2 * held.trainable, held.update, held.kept)
