"""Half fine-tuning: each epoch trains half of the matrices of each kind, the rest stays frozen."""

from __future__ import annotations

import random
import re
from collections import defaultdict

from torch import nn

from fewtune.errors import PlanError
from fewtune.regularizers.base import Regularizer, Running

__all__ = ["Half"]

BLOCK = re.compile(r"\.(\d+)\.")
ATTENTION = re.compile(r"attn|attention|self_att", re.IGNORECASE)


class Half(Regularizer):
    """Draws anew each epoch which half of each block's attention, feed-forward and norms trains.

    What rests keeps its value and has no gradient (2404.18466). A layer's weight and bias, or the
    two factors of its adapter, go together; an odd one more or less is drawn as well. A
    classifier's head is no part of the base and always trains.
    """

    refuses = {  # noqa: RUF012
        "head": "the head is one matrix, of which no half can rest",
        "prefix": "a prefix leaves every matrix of the base as it is",
    }

    def start(self, run: Running) -> None:
        """Sort what trains into blocks and kinds.

        Raises
        ------
        PlanError
            With more than one process, which would wait for gradients that never come.
        """
        if run.accelerator.num_processes > 1:
            raise PlanError(
                "one process with regularizer half",
                f"{run.accelerator.num_processes}",
                "regularizers",
                "Train on one process, or leave half out",
            )
        self._parameters = {n: p for n, p in run.model.named_parameters() if n in run.start}
        self._groups = _groups(self._parameters)

    def round(self, run: Running) -> None:
        """Let another half train, the same for the same seed and epoch."""
        draw = random.Random(f"{run.seed}/half/{run.epoch}")
        training: list[str] = []
        for group in self._groups:
            count = len(group) // 2 + (draw.random() < 0.5 if len(group) % 2 else 0)
            training += [name for names in draw.sample(group, count) for name in names]
        if not training and self._groups:
            training = draw.choice([names for group in self._groups for names in group])
        for group in self._groups:
            for name in (name for names in group for name in names):
                self._parameters[name].requires_grad_(name in training)

    def finish(self, run: Running) -> None:
        """Let everything train again."""
        for parameter in self._parameters.values():
            parameter.requires_grad_(True)


def _groups(parameters: dict[str, nn.Parameter]) -> list[list[list[str]]]:
    """Return groups of layers of one block and kind; a layer is the names of its parameters."""
    layers: dict[str, list[str]] = defaultdict(list)
    for name in parameters:
        # The factors of an adapter lie below the layer that they change.
        layer = name.split(".lora_", 1)[0] if ".lora_" in name else name.rpartition(".")[0]
        if layer != "head":
            layers[layer].append(name)
    groups: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for layer, names in layers.items():
        block = BLOCK.search(f".{layer}.")
        place = layer[: block.end() - 2] if block else ""
        within = layer[block.end() - 2 :] if block else layer
        if all(parameters[name].ndim < 2 for name in names):
            kind = "norms"
        elif block is None:
            kind = within
        else:
            kind = "attention" if ATTENTION.search(within) else "feed-forward"
        groups[place, kind].append(names)
    return list(groups.values())
