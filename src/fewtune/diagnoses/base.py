"""What a diagnoser is given and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from fewtune.checks.base import Context
from fewtune.family import Family
from fewtune.plan.plan import Plan
from fewtune.records import Diagnosis, Event, Finding
from fewtune.select.counter import Counter
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes

__all__ = ["DIAGNOSES", "Case", "Diagnoser", "diagnose", "told"]


@dataclass(frozen=True)
class Case:
    """What is known of a run. Before training only the data and the plan are.

    Attributes
    ----------
    context
        The rows, those of a test file, and what checks computed of them.
    plan
        The plan as it is carried out.
    findings
        What the checks found.
    material
        The encoded rows and what is computed of them once; ``None`` before encoding.
    trials
        The fitted candidates that the choice was between.
    counter
        The plan's method at its usual rate, where that was asked.
    outcomes
        What the finished model does on the test rows.
    controls
        What the controls do on the same rows.
    ended
        Whether each sampled answer of the finished model ended by itself.
    events
        Lines of the journal.
    """

    context: Context
    plan: Plan
    findings: Sequence[Finding] = ()
    material: Material | None = None
    trials: Sequence[Trial] = ()
    counter: Counter | None = None
    outcomes: Outcomes | None = None
    controls: Mapping[str, Outcomes] = field(default_factory=dict)
    ended: Sequence[bool] = ()
    events: Sequence[Event] = ()

    def found(self, check: str) -> list[Finding]:
        """Return what one check found."""
        return [finding for finding in self.findings if finding.check == check]


class Diagnoser(ABC):
    """One fault that a run can have.

    A member's file defines one subclass, named in its file as a user would name the fault. It says
    nothing where it cannot tell: a fault is named only where its evidence is there.
    """

    holds: ClassVar[bool] = False
    """Whether the scores, or the model, cannot be trusted while the fault is there."""

    @abstractmethod
    def examine(self, case: Case) -> Iterable[Diagnosis]:
        """Return the fault with its evidence, or nothing."""

    def named(self, evidence: str, cure: str, rows: Iterable[str] = ()) -> Diagnosis:
        """Return the diagnosis under the name of this file."""
        name = type(self).__module__.rsplit(".", 1)[-1]
        return Diagnosis(name, evidence, cure, tuple(rows), self.holds)


DIAGNOSES: Family[Diagnoser] = Family("fewtune.diagnoses", Diagnoser, "diagnosis")


def diagnose(case: Case) -> list[Diagnosis]:
    """Return every fault that the evidence shows, those first that the scores cannot bear."""
    found = [d for member in DIAGNOSES.load_all().values() for d in member().examine(case)]
    return sorted(found, key=lambda diagnosis: not diagnosis.holds)


def told(diagnosis: Diagnosis) -> tuple[str, str]:
    """Return a diagnosis as a reason, under its name in plain words, and its cure."""
    name = diagnosis.name.replace("_", " ")
    return f"{name}: {diagnosis.evidence.rstrip('.')}", diagnosis.cure
