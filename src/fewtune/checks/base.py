"""What a check is given and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, cast

from fewtune.family import Family
from fewtune.records import Dataset, Example, Finding, Shape

__all__ = ["CHECKS", "Check", "Context", "ModelView"]

V = TypeVar("V")


class ModelView(Protocol):
    """What checks may ask of a model; the rooms above hand one in, so checks import no torch."""

    name: str
    context_length: int
    """Tokens that fit, special tokens included."""

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Return the number of tokens of each example as it would be trained, untruncated."""
        ...

    def render(self, example: Example) -> str:
        """Return the text that the model would be given, special tokens written out."""
        ...

    def token_losses(self, examples: Sequence[Example]) -> list[list[tuple[str, float]]] | None:
        """Return for each example (token, nats) pairs of its target; ``None`` for other models."""
        ...

    def embed(self, texts: Sequence[str]) -> Any:
        """Return an array (rows × width) of unit-length embeddings, or ``None`` if it has none."""
        ...


@dataclass(frozen=True)
class Context:
    """What every check may look at.

    Attributes
    ----------
    data
        The rows to train on.
    test
        Rows of a test file given by the user, or ``None``.
    model
        A view of the model, or ``None`` when ``check`` runs without one.
    seed
        For checks that draw.
    """

    data: Dataset
    test: Dataset | None = None
    model: ModelView | None = None
    seed: int = 0
    _shared: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def shared(self, key: Hashable, compute: Callable[[], V]) -> V:
        """Return ``compute()``, computed once for all checks that ask under the same ``key``."""
        if key not in self._shared:
            self._shared[key] = compute()
        return cast(V, self._shared[key])


class Check(ABC):
    """One test of the data.

    A member's file defines one subclass. ``shapes`` names the shapes it understands; a check that
    needs a test file or a model says so and is left out where there is none.
    """

    shapes: ClassVar[frozenset[Shape]] = frozenset(
        {"labelled_text", "labelled_image", "prompt", "chat", "text"}
    )
    needs_test: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False
    slow: ClassVar[bool] = False
    """Left out of the checks that ``fit`` runs before training."""

    def applies(self, context: Context) -> bool:
        """Return whether the check has what it needs."""
        return (
            context.data.shape in self.shapes
            and not (self.needs_test and context.test is None)
            and not (self.needs_model and context.model is None)
        )

    @abstractmethod
    def findings(self, context: Context) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well."""


CHECKS: Family[Check] = Family("fewtune.checks", Check, "check", not_members=["run", "clean"])
