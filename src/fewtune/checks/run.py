"""Runs the checks over a data set, and says how long each took and which were left out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fewtune.checks._rows import count
from fewtune.checks.base import CHECKS, Check, Context
from fewtune.records import Dataset, Finding

__all__ = ["SEVERITIES", "Report", "describe", "run"]

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Report:
    """What the checks found.

    Attributes
    ----------
    findings
        Errors first, then warnings, then notes; within a severity by the name of the check.
    seconds
        What each check took, by name. What two checks share is paid by the first.
    skipped
        Why a check was left out, by name.
    """

    findings: tuple[Finding, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def blocking(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def of(self, severity: str) -> list[Finding]:
        """Return the findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def as_json(self) -> dict[str, Any]:
        """Return findings, seconds and skipped as plain values."""
        return {
            "findings": [finding.as_json() for finding in self.findings],
            "seconds": {name: round(taken, 4) for name, taken in self.seconds.items()},
            "skipped": dict(self.skipped),
        }


def run(context: Context, names: Iterable[str] | None = None, include_slow: bool = True) -> Report:
    """Return what the checks find.

    Parameters
    ----------
    context
        The rows, with a test file and a model where there are any.
    names
        Checks to run, by name or as ``package.module:Class``; all of the family by default.
    include_slow
        Whether to run checks that ``fit`` leaves out.

    Raises
    ------
    PlanError
        If a name is not that of a check.
    """
    wanted = list(CHECKS.names() if names is None else names)
    members = {name: CHECKS.load(name)() for name in wanted}
    findings: list[Finding] = []
    seconds: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for name, check in members.items():
        reason = _left_out(check, context, include_slow)
        if reason:
            skipped[name] = reason
            continue
        begun = time.perf_counter()
        findings.extend(check.findings(context))
        seconds[name] = time.perf_counter() - begun
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(tuple(findings), seconds, skipped)


def _left_out(check: Check, context: Context, include_slow: bool) -> str:
    """Return why a check cannot or shall not run; empty where it runs."""
    if check.slow and not include_slow:
        return "slow"
    if context.data.shape not in check.shapes:
        return f"not for {_KINDS[context.data.shape]}"
    if check.needs_test and context.test is None:
        return "needs a test file"
    if check.needs_model and context.model is None:
        return "needs a model"
    return "" if check.applies(context) else "does not apply"


_KINDS: dict[str, str] = {
    "labelled_text": "labelled text",
    "labelled_image": "images",
    "prompt": "prompts and completions",
    "chat": "chats",
    "text": "plain text",
}


def describe(data: Dataset) -> str:
    """Return in one line what a file was read as: rows, shape, classes."""
    kind = _KINDS[data.shape]
    classes = len([label for label in data.labels if label.strip()])
    labels = f" in {count(classes, 'class', 'classes')}" if data.labels else ""
    return f"{data.name}: {count(len(data), 'row')} of {kind}{labels}"
