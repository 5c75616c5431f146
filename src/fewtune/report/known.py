"""What a cross-fit says of known rows: whose label looks wrong, what is memorized, what is hard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fewtune.report import words
from fewtune.report.folder import RunContents, as_number
from fewtune.report.rows import IMAGES

__all__ = ["Known", "KnownRow", "known"]


@dataclass(frozen=True)
class KnownRow:
    """One known row as the report shows it; numbers are ``None`` where unknown.

    Losses are nats a byte for text generation and nats a row else; ``file`` is where an image lies.
    """

    source: str
    input: str
    target: str
    out_of_fold: float | None
    in_fold: float | None
    memorized: float | None
    label: str
    probability: float | None
    file: str


@dataclass(frozen=True)
class Known:
    """The rows to look at.

    Attributes
    ----------
    judged, asked
        Rows that were judged by models that did not know them, and those of them that were asked
        of a model that did.
    suspected
        How many look wrong, of which ``suspects`` are shown.
    memorized, hardest
        Where knowing the row helped most; and the rest of the rows, the worst loss first.
    """

    judged: int
    asked: int
    suspected: int
    suspects: list[KnownRow]
    memorized: list[KnownRow]
    hardest: list[KnownRow]


def known(run: RunContents, limit: int = 8) -> Known | None:
    """Return what the cross-fit says of the known rows, or ``None`` where there was none."""
    if not run.crossfit:
        return None
    rows = [(_row(r, run), r.get("suspect") is True) for r in run.crossfit]
    suspects = sorted((one for one, told in rows if told), key=_suspicion)
    learnt = [one for one, _ in rows if one.memorized is not None]
    most = sorted(learnt, key=lambda one: -(one.memorized or 0.0))
    hard = sorted((one for one, told in rows if not told), key=lambda one: -(one.out_of_fold or 0))
    return Known(
        judged=len(rows),
        asked=len(learnt),
        suspected=len(suspects),
        suspects=suspects[: 2 * limit],
        memorized=[one for one in most[:limit] if (one.memorized or 0.0) > 0],
        hardest=hard[:limit],
    )


def _suspicion(row: KnownRow) -> tuple[float, float]:
    return -(row.probability or 0.0), -(row.out_of_fold or 0.0)


def _row(record: Mapping[str, Any], run: RunContents) -> KnownRow:
    shape, told = run.data.get("shape"), str(record.get("input") or "")
    return KnownRow(
        source=str(record.get("source") or ""),
        # The end of a chat is what the answer answers.
        input=words.clip(told, 240, from_end=shape == "chat"),
        target=words.clip(str(record.get("target") or ""), 240),
        out_of_fold=as_number(record.get("out_of_fold")),
        in_fold=as_number(record.get("in_fold")),
        memorized=as_number(record.get("memorized")),
        label=str(record.get("suspected_label") or ""),
        probability=as_number(record.get("suspected_probability")),
        file=told if shape == IMAGES else "",
    )
