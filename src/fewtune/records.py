"""What the rooms hand to each other: frozen dataclasses that need no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Certificate",
    "Dataset",
    "Diagnosis",
    "Event",
    "Example",
    "Finding",
    "Message",
    "Score",
    "Severity",
    "Shape",
    "Split",
    "Verdict",
]

Shape = Literal["labelled_text", "labelled_image", "prompt", "chat", "text"]
"""How the rows of a data set are made: which of an example's fields carry meaning."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat; ``role`` is system, user, assistant or tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One training row.

    Attributes
    ----------
    input
        What the model is given: the text to classify, the prompt, the path of an image, or for a
        chat every turn before the last assistant turn, as ``role: content`` lines. Empty for plain
        text.
    target
        What it should give: a label, a completion, the last assistant turn, or the plain text.
        ``None`` where the file has none (rows to predict).
    source
        ``file:line`` (or ``file:row``), the name under which every finding and error speaks of it.
    group
        Rows of one group stay on one side of a split. Empty means a group of its own.
    weight
        Its share in the loss; 1 unless the data says otherwise.
    messages
        All turns of a chat, in order; empty for other shapes.
    time
        ISO date or time for a split by time; empty where unknown.
    parent
        ``source`` of the row from which an augmentation made this one; empty for original rows.
    digest
        SHA-256 of the bytes of the image that ``input`` names, in hex; empty where the input is no
        image.
    """

    input: str
    target: str | None
    source: str
    group: str = ""
    weight: float = 1.0
    messages: tuple[Message, ...] = ()
    time: str = ""
    parent: str = ""
    digest: str = ""

    @property
    def identity(self) -> str:
        """What two rows share that are given the same: an image's digest, any other input."""
        return self.digest or self.input

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of the content, not of the place it stands."""
        turns = [[m.role, m.content] for m in self.messages]
        content = json.dumps([self.identity, self.target, turns], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def text(self) -> str:
        """Return input and target in one string, as checks of whole rows read them."""
        return "\n".join(part for part in (self.input, self.target or "") if part)


@dataclass(frozen=True, slots=True)
class Dataset(Sequence[Example]):
    """The rows of one or more files, read the same way.

    Attributes
    ----------
    examples
        The rows, in file order.
    shape
        How the rows are made.
    name
        What the user called it: a path or a hub id.
    columns
        Which column of the file became which field, e.g. ``{"text": "question"}``.
    notes
        What the reader noticed and the user should know, one sentence each.
    """

    examples: tuple[Example, ...]
    shape: Shape
    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        return self.examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in sorted order; empty unless the rows are labelled."""
        if self.shape not in ("labelled_text", "labelled_image"):
            return ()
        return tuple(sorted({e.target for e in self.examples if e.target is not None}))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    check
        Name of the check, which is the name of its file.
    severity
        ``error`` blocks a fit, ``warning`` should be read, ``note`` is for information.
    rows
        Sources of every row concerned, in order.
    evidence
        One or two sentences with the figures, and an instance in quotes.
    cure
        What the user can do about it, as an imperative sentence.
    drop
        Sources of rows that ``--write`` may leave out safely.
    replace
        Rows that ``--write`` may mend safely: source to the mended row.
    """

    check: str
    severity: Severity
    rows: tuple[str, ...]
    evidence: str
    cure: str
    drop: tuple[str, ...] = ()
    replace: Mapping[str, Example] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the five fields that ``check --json`` promises."""
        return {
            "check": self.check,
            "severity": self.severity,
            "rows": list(self.rows),
            "evidence": self.evidence,
            "cure": self.cure,
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A fault of a run, by its name.

    Attributes
    ----------
    name
        Name of the fault, which is the name of its file.
    evidence
        One or two sentences with the figures that show it.
    cure
        What to do about it, as an imperative sentence.
    rows
        Sources of the rows concerned, where there are any.
    holds
        Whether the scores, or the model, cannot be trusted while it is there.
    """

    name: str
    evidence: str
    cure: str
    rows: tuple[str, ...] = ()
    holds: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return {**asdict(self), "rows": list(self.rows)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Diagnosis:
        """Return the diagnosis that ``as_json`` wrote."""
        return cls(**{**record, "rows": tuple(record["rows"])})


@dataclass(frozen=True, slots=True)
class Certificate:
    """How it is known that a split does not leak.

    Attributes
    ----------
    clusters
        Number of near-duplicate clusters with two rows or more.
    groups
        Number of groups given by the data.
    crossing
        Pairs of near-duplicate or same-group rows on two sides of this split; 0 unless the test
        rows came in a file of their own.
    crossing_random
        The same count had the rows been split at random, the mean over a few draws.
    claimed
        What a fast probe scores under the random split minus under this one, in points of
        accuracy; ``None`` where it was not measured.
    sentences
        The certificate in words.
    """

    clusters: int
    groups: int
    crossing: int
    crossing_random: float
    claimed: float | None = None
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows train, which choose, and which judge: indices into a data set, ascending."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    certificate: Certificate


_FIGURES = ("value", "low", "high")
"""Fields of a score that may be NaN, which JSON has no number for."""


@dataclass(frozen=True, slots=True)
class Score:
    """A number about a model on data.

    Attributes
    ----------
    name
        Name of the measure.
    value
        Point estimate; NaN where it is not defined.
    low, high
        Bounds of the 95% interval; NaN where it is not known.
    n
        Rows (or items) behind the number.
    direction
        ``higher`` or ``lower``: which way is better.
    unit
        ``share``, ``nats/byte``, ``bits``…
    version
        Version of the definition; numbers of different versions are not comparable.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    direction: Literal["higher", "lower"]
    unit: str = ""
    version: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return all fields as plain values; a figure that is not finite is ``None``."""
        known = {name: getattr(self, name) for name in _FIGURES}
        return asdict(self) | {k: v if math.isfinite(v) else None for k, v in known.items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Score:
        """Return the score that ``as_json`` wrote; what was not finite is NaN."""
        unknown = {name: math.nan for name in _FIGURES if record.get(name) is None}
        return cls(**{**record, **unknown})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one word at the end, its reasons, and the most promising cure where it is ``hold``."""

    decision: Literal["ship", "hold"]
    reasons: tuple[str, ...]
    cures: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return decision, reasons and cures as plain values."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "cures": list(self.cures),
        }


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's journal.

    Attributes
    ----------
    kind
        ``step``, ``evaluation``, ``monitor``, ``stage``, ``choice``, ``control``, ``dial``…
    stage
        Which training the line belongs to (``lora``, ``full``); empty outside of one.
    update
        Number of finished updates; 0 outside of training.
    seconds
        Seconds since the run began, its earlier sittings included.
    values
        Plain figures and words.
    """

    kind: str
    stage: str = ""
    update: int = 0
    seconds: float = 0.0
    values: Mapping[str, Any] = field(default_factory=dict)
