"""Checked: the data of a fit looked through before anything is spent, its faults named."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from fewtune.checks.base import Context
from fewtune.checks.run import Report as CheckReport
from fewtune.checks.run import run as run_checks
from fewtune.diagnoses.base import Case, diagnose, told
from fewtune.environment import describe
from fewtune.errors import DataError
from fewtune.records import Diagnosis, Example, Finding
from fewtune.store.runs import RunFolder
from fewtune.train.journal import Journal
from fewtune.verbs.prepare import Prepared

__all__ = ["checked", "fingerprint_of", "tell"]


def checked(folder: RunFolder, prepared: Prepared, journal: Journal) -> Case:
    """Run the fast checks; an error among them ends the fit before anything is spent.

    A fault of the data that has a name is told at once, and again with what became of it.
    """
    # Rows that were read as something else train something else: it is said before time is spent.
    said = " ".join((f"checking {len(prepared.data)} rows.", *prepared.data.notes)).rstrip(".")
    journal.write("stage", name="check", sentence=said)
    context = Context(prepared.data, prepared.test)
    report = run_checks(context, include_slow=False)
    case = Case(context, prepared.plan, report.findings)
    blocking = [f for f in report.findings if f.severity == "error"]
    if blocking:
        raise _refusal(prepared, blocking, diagnose(case))
    tell(case, journal)
    _describe(folder, prepared, report)
    return case


def tell(case: Case, journal: Journal) -> list[Diagnosis]:
    """Return the faults that show by now; each is written into the journal once."""
    events = journal.events()
    known = {e.values["name"] for e in events if e.kind == "diagnosis"}
    found = diagnose(replace(case, events=events))
    for fault in found:
        if fault.name not in known:
            sentence, cure = told(fault)
            journal.write("diagnosis", name=fault.name, sentence=sentence, cure=cure)
    return found


def _refusal(
    prepared: Prepared, blocking: Sequence[Finding], named: Sequence[Diagnosis]
) -> DataError:
    """Return the error of the first blocking finding, under the fault's name if it has one."""
    first = blocking[0]
    evidence, cure, rows = f"{first.check}: {first.evidence.rstrip('.')}", first.cure, first.rows
    fault = next((d for d in named if d.rows and set(d.rows) <= set(rows)), None)
    if fault is not None:
        (evidence, cure), rows = told(fault), fault.rows
    more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
    return DataError(
        "data without blocking findings",
        f"{evidence}{more}",
        ", ".join(rows[:5]),
        f"{cure.rstrip('.')}; see fewtune check {shlex.quote(prepared.data.name)}",
    )


def _describe(folder: RunFolder, prepared: Prepared, report: CheckReport) -> None:
    data, parts = prepared.data, ("train", "validation", "test")
    where = {"run": str(folder.path)}
    folder.write_json("environment.json", describe(prepared.plan.seed) | where)
    folder.write_json(
        "data.json",
        {
            "name": data.name,
            "shape": data.shape,
            "rows": len(data),
            "fingerprint": fingerprint_of(data),
            "columns": dict(data.columns),
            "labels": list(data.labels),
            "notes": list(data.notes),
            "known": [
                data[i].fingerprint for i in (*prepared.split.train, *prepared.split.validation)
            ],
            "parts": {name: _part(prepared, name) for name in parts},
            "test_file": prepared.plan.data.test or None,
            "certificate": asdict(prepared.split.certificate),
            "findings": [finding.as_json() for finding in report.findings],
        },
    )


def _part(prepared: Prepared, name: str) -> list[str]:
    if name == "test" and prepared.test is not None:
        return [e.source for e in prepared.test]
    return [prepared.data[i].source for i in getattr(prepared.split, name)]


def fingerprint_of(rows: Iterable[Example]) -> str:
    """Return the first 16 hex digits of the SHA-256 of the rows' contents."""
    return hashlib.sha256("".join(e.fingerprint for e in rows).encode()).hexdigest()[:16]
