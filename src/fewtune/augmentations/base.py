"""What an augmentation is given and what it returns."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from fewtune.augmentations._rows import asked, with_asked
from fewtune.augmentations._words import Pieces
from fewtune.data.words import FUNCTION_WORDS
from fewtune.errors import ModelError, PlanError
from fewtune.family import Configured, Family
from fewtune.records import Example, Message, Shape

__all__ = [
    "AUGMENTATIONS",
    "NOTHING",
    "NO_MORE",
    "Augmentation",
    "NoTools",
    "Rejected",
    "TextChange",
    "Tools",
    "Work",
]

TRIES = 8
"""Draws for one variation before a row counts as one that cannot be varied."""

NOTHING = "nothing in the row to change"
NO_MORE = "no further variation of the row"


class Tools(Protocol):
    """What augmentations may ask of models; the rooms above hand one in."""

    def embed(self, texts: Sequence[str]) -> Any:
        """Return an array (rows × width) of unit-length states, or ``None`` without an encoder."""
        ...

    def nearest_words(self, word: str, count: int) -> list[tuple[str, float]] | None:
        """Return words with the nearest input embeddings and their cosines, nearest first.

        Empty for a word that the model does not know as one token; ``None`` without a model.
        """
        ...

    def generate(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        count: int = 1,
        temperature: float = 0.8,
        seed: int = 0,
    ) -> list[str]:
        """Return ``count`` answers of a language model, each empty where it did not end.

        An empty ``model`` is the user's own.
        """
        ...

    def translate(
        self, texts: Sequence[str], *, model: str, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        """Return translations by ``model``; the likeliest at temperature 0, else drawn."""
        ...


class NoTools:
    """Tools where there is no model."""

    def embed(self, texts: Sequence[str]) -> Any:
        """Return ``None``: meaning cannot be compared."""
        return None

    def nearest_words(self, word: str, count: int) -> list[tuple[str, float]] | None:
        """Return ``None``: no words are known."""
        return None

    def generate(self, messages: Sequence[Message], **how: Any) -> list[str]:
        """Raise a ModelError that says what is missing."""
        raise ModelError("a language model that writes", "none", cure="Give one as model")

    def translate(self, texts: Sequence[str], **how: Any) -> list[str]:
        """Raise a ModelError that says what is missing."""
        raise ModelError("a model that translates", "none", cure="Give one by path or hub id")


@dataclass(frozen=True)
class Work:
    """What every augmentation may look at.

    Attributes
    ----------
    rows
        The training rows, in an order that does not depend on the file's.
    shape
        How they are made.
    per_row
        Variations wanted of each row.
    seed
        For what is drawn.
    tools
        The models.
    folder
        Where new images are written; ``None`` where nobody gave one.
    """

    rows: Sequence[Example]
    shape: Shape
    per_row: int = 1
    seed: int = 0
    tools: Tools = field(default_factory=NoTools)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A variation that its own augmentation throws away, and why."""

    reason: str


class Augmentation(Configured, ABC):
    """Makes new rows from training rows and keeps their labels.

    A member's file defines one subclass. What it yields has the new content only; parent, group
    and source are set by ``run.augment``, which also filters.
    """

    word = "augmentation"
    shapes: ClassVar[frozenset[Shape]] = frozenset({"labelled_text", "prompt", "chat"})
    changes: ClassVar[Literal["input", "target"]] = "input"
    near_parent: ClassVar[bool] = True
    """Whether its variations are meant to be near copies of their parent."""
    own_meaning: ClassVar[bool] = False
    """Whether they say something else than their parent, of the same label."""
    doubtful: ClassVar[bool] = True
    """Whether a variation may have left its label, so that its meaning is looked at."""
    replaces: ClassVar[bool] = False
    """Whether a variation takes the place of its parent instead of joining it."""
    most: ClassVar[int] = 1000
    """Variations of one row at most, whatever is asked for."""

    def ready(self, work: Work) -> None:
        """Raise an error that says what to give where something is missing."""
        return

    def parents(self, work: Work) -> Sequence[Example]:
        """Return the rows to vary; all of them unless the member says otherwise."""
        return work.rows

    def prepare(self, parents: Sequence[Example], work: Work) -> None:
        """Do at once for all rows what is slow one by one."""
        return

    @abstractmethod
    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Return variations of one row; those beyond what was asked for are not looked at."""

    def varied(self, example: Example) -> str:
        """Return the part of a row that this augmentation changes."""
        return (example.target or "") if self.changes == "target" else asked(example)


class TextChange(Augmentation):
    """An augmentation that edits the words of what is asked."""

    def free(self, pieces: Pieces, example: Example, work: Work) -> list[int]:
        """Return the places of words that may be edited.

        Names may not, nor what ``protected`` says, nor, in a row with a written answer, words that
        the answer takes up: it would speak of what was not asked.
        """
        taken: set[str] = set()
        if work.shape in ("prompt", "chat"):
            taken = {word.lower() for word in Pieces.of(example.target or "").words}
            taken -= FUNCTION_WORDS
        return [
            at
            for at in pieces.free()
            if not pieces.is_name(at) and pieces.words[at].lower() not in taken
        ]

    @abstractmethod
    def change(self, text: str, example: Example, draw: random.Random, work: Work) -> str | None:
        """Return the text edited by one draw, or ``None`` where it holds nothing to edit."""

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield variations that differ from the row and from each other."""
        text = asked(example)
        seen = {text}
        for _ in range(min(work.per_row, self.most)):
            new = None
            for _ in range(TRIES):
                new = self.change(text, example, draw, work)
                if new is None or new not in seen:
                    break
            if new is None or new in seen:
                yield Rejected(NOTHING if len(seen) == 1 else NO_MORE)
                return
            seen.add(new)
            yield with_asked(example, new)


def require_model(name: str, option: str, what: str) -> PlanError:
    """Return the error for an option without which ``name`` cannot work."""
    return PlanError(
        f"{what} for augmentation {name}",
        f"no option {option}",
        cure=f"Give it, as in --with {name}:{option}=FOLDER_OR_HUB_ID",
    )


AUGMENTATIONS: Family[Augmentation] = Family(
    "fewtune.augmentations", Augmentation, "augmentation", not_members=["run"]
)
