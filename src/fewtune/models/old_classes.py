"""The classes that a base already knows: their rows of the head answer on and never train."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from fewtune.errors import ModelError
from fewtune.models.load import Source

__all__ = ["Known", "OldClasses", "known_classes"]

FACTS, HEAD = "fewtune.json", "head.safetensors"
"""What a run of ours keeps beside the weights of a classifier."""


@dataclass(frozen=True)
class Known:
    """The rows of one head that a base has.

    Attributes
    ----------
    labels
        Name of each class.
    unit
        Whether the head reads states of unit length, as ours do, or states as they are.
    weight, bias
        Of shape (classes, width) and (classes,); ``None`` until they are read from a run.
    """

    labels: tuple[str, ...]
    unit: bool
    weight: Tensor | None = None
    bias: Tensor | None = None


class _Rows(nn.Module):
    """A head whose weights are no parameters: no method can make them train."""

    weight: Tensor
    bias: Tensor

    def __init__(self, known: Known, width: int) -> None:
        super().__init__()
        classes = len(known.labels)
        for name, value, shape in (
            ("weight", known.weight, (classes, width)),
            ("bias", known.bias, (classes,)),
        ):
            self.register_buffer(name, torch.zeros(shape) if value is None else value.clone())
        self.unit = known.unit

    def forward(self, states: Tensor) -> Tensor:
        """Return the logits of the head's classes."""
        return linear(normalize(states, dim=-1) if self.unit else states, self.weight, self.bias)


class OldClasses(nn.Module):
    """The heads of all classes that were known before, and where they give way to the new ones.

    Parameters
    ----------
    known
        The heads, oldest first.
    width
        Values of a state.
    """

    gate: Tensor

    def __init__(self, known: list[Known], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Rows(one, width) for one in known)
        # A row is answered with an old class where its margin is larger than this.
        self.register_buffer("gate", torch.zeros((), dtype=torch.float64))

    def forward(self, states: Tensor) -> Tensor:
        """Return the logits of all old classes, of shape (rows, classes)."""
        return torch.cat([head(states) for head in self.heads], dim=1)


def known_classes(source: Source, own: nn.Linear | None = None) -> list[Known]:
    """Return the heads of the classes that the base in ``source`` knows.

    Parameters
    ----------
    source
        A model folder: of a finished run that keeps a whole model, or of transformers.
    own
        The last layer of a transformers model, where it has one.

    Raises
    ------
    ModelError
        If the base knows no classes, or they cannot be read.
    """
    folder = Path(source.location)
    if (folder / FACTS).is_file() and (folder / HEAD).is_file():
        return _of_a_run(folder)
    names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("id2label") or {}
    if own is None or not names:
        raise ModelError(
            "a base that knows classes, to keep them: an image classifier, or the folder model/ of "
            "a finished run tuned with method full or partial",
            "a model without a head of its own that can be kept",
            source.location,
            "Leave task.keep_classes out, or tune on the rows of all classes together",
        )
    if len(names) != own.out_features:
        raise ModelError(
            f"a name for each of the {own.out_features} classes of the base",
            f"{len(names)} in config.json",
            source.location,
            "Mend id2label in config.json",
        )
    labels = tuple(str(names[key]) for key in sorted(names, key=int))
    bias = torch.zeros(len(labels)) if own.bias is None else own.bias.detach()
    return [Known(labels, False, own.weight.detach(), bias)]


def _of_a_run(folder: Path) -> list[Known]:
    """Return the heads that a run of ours kept: those it had kept itself, then its own."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        about: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))["about"]
        values = load_file(folder / HEAD)
        before = [
            Known(
                tuple(one["labels"]),
                bool(one["unit"]),
                values[f"old.heads.{place}.weight"],
                values[f"old.heads.{place}.bias"],
            )
            for place, one in enumerate(about.get("old", {}).get("heads", ()))
        ]
        return [*before, Known(tuple(about["labels"]), True, values["weight"], values["bias"])]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(
            "the classes of a finished run",
            str(error).split("\n", 1)[0],
            str(folder),
            "The folder is damaged: fit again",
        ) from error
