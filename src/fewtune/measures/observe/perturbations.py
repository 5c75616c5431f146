"""The test rows as other people would write or photograph them, and what a model does on those.

Every variation is a function of its row, its kind and the seed alone. What a row means stays, so
its target stays: what the model loses on the variations is fragility.
"""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations.base import Augmentation, Work
from fewtune.augmentations.casing import Casing
from fewtune.augmentations.typos import Typos
from fewtune.data.images import Bytes, Variation, vary
from fewtune.errors import DataError
from fewtune.measures.observe.phrases import contracted, paraphrased
from fewtune.measures.observe.spread import spread
from fewtune.records import Example, Shape

if TYPE_CHECKING:
    from torch import nn

    from fewtune.tasks.base import Row, Task
    from fewtune.tasks.outcomes import Outcomes

__all__ = ["IMAGE_KINDS", "TEXT_KINDS", "observe_perturbed", "perturbed_texts"]

MOST_ROWS = 500
"""Rows perturbed, spread evenly; more change no interval that anyone acts on."""

NOISE = 8.0
"""Standard deviation of the noise put on an image, in steps of 255."""

Change = Callable[[Example, Shape, random.Random], str | None]


def _by(member: Augmentation) -> Change:
    """Return the change that an augmentation makes, with its rules for what must stay."""

    def change(row: Example, shape: Shape, draw: random.Random) -> str | None:
        for new in member.variants(row, draw, Work([row], shape)):
            return asked(new) if isinstance(new, Example) else None
        return None

    return change


def _written(rule: Callable[[str, random.Random], str | None]) -> Change:
    return lambda row, shape, draw: rule(asked(row), draw)


TEXT_KINDS: Mapping[str, Change] = {
    "typos": _by(Typos({"share": 0.15})),
    "case": _by(Casing()),
    "contractions": _written(contracted),
    "paraphrases": _written(paraphrased),
}
"""Kind to a change of what a row asks; ``None`` where there is nothing to change."""


def _noisy(pixels: Bytes, seed: str, ground: tuple[int, int, int]) -> Bytes:
    draw = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest()[:16], 16))
    noise = draw.normal(0.0, NOISE, size=pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _turned(pixels: Bytes, seed: str, ground: tuple[int, int, int]) -> Bytes:
    return vary(pixels, Variation(rotation=10.0), seed, ground)


def _brighter(pixels: Bytes, seed: str, ground: tuple[int, int, int]) -> Bytes:
    factor = random.Random(seed).choice((0.75, 1.25))
    found: Bytes = np.clip(np.rint(pixels * factor), 0, 255).astype(np.uint8)
    return found


ImageChange = Callable[[Bytes, str, tuple[int, int, int]], Bytes]

IMAGE_KINDS: Mapping[str, ImageChange] = {
    "rotation": _turned,
    "brightness": _brighter,
    "noise": _noisy,
}
"""Kind to a change of pixels: turned by up to 10°, a quarter lighter or darker, grainy."""


def perturbed_texts(
    examples: Sequence[Example], shape: Shape, kind: str, seed: int = 0
) -> dict[int, Example]:
    """Return the changed rows by their places; rows without anything to change are left out.

    Parameters
    ----------
    examples
        The rows. For chats and prompts what is asked changes, never the answer.
    shape
        How they are made; plain text has nothing that is asked, so nothing changes.
    kind
        One of `TEXT_KINDS`.
    seed
        Another seed gives other changes.
    """
    found: dict[int, Example] = {}
    if shape not in ("labelled_text", "prompt", "chat"):
        return found
    change = TEXT_KINDS[kind]
    for place, example in enumerate(examples):
        draw = random.Random(f"{seed}/{kind}/{example.fingerprint}")
        text = change(example, shape, draw)
        if text is None:
            continue
        new = with_asked(example, text)
        # In a chat that ends with a question nobody answered, it is not what the answer is to.
        if new.input != example.input:
            found[place] = new
    return found


def observe_perturbed(
    model: nn.Module, task: Task, rows: Sequence[Row], *, seed: int = 0, most: int = MOST_ROWS
) -> dict[str, Outcomes]:
    """Return what a model does on the rows that each kind of perturbation changed.

    Parameters
    ----------
    model, task
        The model and its task.
    rows
        Test rows; their sources stay, so that each variation is paired with its row.
    seed
        Of the variations; the same for every model that is compared.
    most
        Rows looked at, spread evenly.

    Returns
    -------
    dict of str to Outcomes
        By kind; a kind that changed no row is left out, and so are rows that grew too long.
    """
    few = [rows[i] for i in spread(most, len(rows))]
    if task.shape == "labelled_image":
        return {kind: _on_images(model, task, few, kind, seed) for kind in IMAGE_KINDS if few}
    found = {}
    for kind in TEXT_KINDS:
        changed = perturbed_texts([row.example for row in few], task.shape, kind, seed)
        encoded = _fitting(task, list(changed.values()))
        if encoded:
            found[kind] = _without_shortcut(task).outcomes(model, encoded)
    return found


def _fitting(task: Task, examples: Sequence[Example]) -> list[Row]:
    """Return the rows that the model can take: a variation may be longer than its row was."""
    # Encoding may note the longest target for later answers; that is for the user's own rows.
    scratch = copy.copy(task)
    found: list[Row] = []
    for example in examples:
        try:
            found += scratch.encode([example])
        except DataError:
            continue
    return found


def _without_shortcut(task: Task) -> Any:
    """Return a copy of the task that computes whole models: a trunk knows the unchanged rows."""
    from fewtune.tasks.base import no_shortcut

    scratch = copy.copy(task)
    scratch.shortcut = no_shortcut
    return scratch


class _Changed:
    """A task's pixels, the image of each of its rows changed."""

    def __init__(self, pixels: Any, rows: Sequence[Row], kind: str, seed: int) -> None:
        self._pixels = pixels
        self._change = IMAGE_KINDS[kind]
        # By what the files hold: the same images elsewhere are changed alike.
        self._seeds = {
            row.example.input: f"{seed}/{kind}/{row.example.fingerprint}" for row in rows
        }

    def of(self, path: str, where: str) -> Bytes:
        """Return the image in ``path``, changed."""
        pixels = self._pixels.of(path, where)
        return self._change(pixels, self._seeds[path], self._pixels.ground)

    def normalized(self, images: Sequence[Bytes]) -> Any:
        """Return images as the model takes them."""
        return self._pixels.normalized(images)


def _on_images(model: nn.Module, task: Any, rows: Sequence[Row], kind: str, seed: int) -> Outcomes:
    scratch = _without_shortcut(task)
    scratch.pixels = _Changed(task.pixels, rows, kind, seed)
    found: Outcomes = scratch.outcomes(model, rows)
    return found
