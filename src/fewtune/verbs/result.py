"""A finished run in Python: its verdict and scores, its model's answers, its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fewtune.data.formats.names import IMAGE_SUFFIXES
from fewtune.data.load import load
from fewtune.errors import RunError
from fewtune.measures.calibration import Calibration, likely
from fewtune.plan.plan import Plan, read
from fewtune.records import Diagnosis, Example, Score, Verdict
from fewtune.store.runs import PLAN, RunFolder
from fewtune.tasks.base import Task
from fewtune.tasks.labels import without_targets
from fewtune.verbs.kept import FACTS, load_model

__all__ = ["Run", "open_run"]

INPUTS = ("text", "prompt", "instruction", "input", "messages", "image")
"""Fields of a row that a model is given."""


@dataclass
class Run:
    """A finished run.

    Attributes
    ----------
    path
        The run folder.
    verdict
        ``ship`` or ``hold``, with reasons.
    scores
        Scores of the chosen model on the test rows, by name.
    controls
        Scores of the controls on the same rows.
    chosen
        Method, learning rate, regularizers and alpha of the chosen model.
    seconds
        What the fit took.
    diagnosis
        Faults of the run that have a name, each with its evidence and its cure.
    """

    path: Path
    verdict: Verdict
    scores: dict[str, Score]
    controls: dict[str, dict[str, Score]]
    chosen: dict[str, Any]
    seconds: float
    diagnosis: tuple[Diagnosis, ...] = ()
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def plan(self) -> Plan:
        """The plan that was carried out."""
        return read(self.path / PLAN)

    @property
    def known_rows(self) -> list[str]:
        """Fingerprints of the rows that the model may have been trained on."""
        facts = RunFolder.open(self.path).read_json("data.json")
        return list(facts.get("known", ()))

    @cached_property
    def _model(self) -> tuple[Task, Any]:
        return load_model(self.path)

    def predict(
        self, inputs: str | Sequence[str] | Sequence[Example], *, coverage: float | None = None
    ) -> Any:
        """Return the model's answer to a text (or an image's path), or a list of several answers.

        Parameters
        ----------
        inputs
            One or several.
        coverage
            For a classifier: also return a ``set`` of labels that holds the right one with this
            probability; it may be empty, where no label is likely enough.

        Returns
        -------
        dict or list of dict
            ``label`` and ``probability`` for a classifier, ``text`` and ``ended`` for a generator.

        Raises
        ------
        RunError, DataError
            If the run kept no bounds for sets, or too few rows for this coverage.
        """
        task, model = self._model
        single = isinstance(inputs, str)
        given: list[str | Example] = [inputs] if isinstance(inputs, str) else list(inputs)
        examples = [
            one if isinstance(one, Example) else Example(one, None, f"input:{number}")
            for number, one in enumerate(given, 1)
        ]
        if coverage is None:
            answers = task.predict(model, examples)
        else:
            answers = _with_sets(task, model, examples, self._calibration().of(coverage))
        return answers[0] if single else answers

    def _calibration(self) -> Calibration:
        kept = RunFolder.open(self.path).read_json(f"model/{FACTS}").get("calibration")
        if kept is None:
            raise RunError(
                "a classifier that kept bounds for sets of labels",
                "none",
                str(self.path),
                "Leave the coverage out, or fit again",
            )
        return Calibration.from_json(kept)

    def predict_file(
        self,
        path: str | Path,
        columns: dict[str, str] | None = None,
        coverage: float | None = None,
    ) -> list[Any]:
        """Return one record per row of a file, or for an image itself: source and answer."""
        if Path(path).suffix.lower() in IMAGE_SUFFIXES and Path(path).is_file():
            return [{"source": str(path), **self.predict(str(path), coverage=coverage)}]
        if columns is None:
            # Rows to predict need not have the columns that only training reads.
            kept = self.plan.data.columns
            columns = {field: kept[field] for field in INPUTS if field in kept}
        rows = load(str(path), columns=columns, need_target=False)
        answers = self.predict(rows.examples, coverage=coverage)
        return [{"source": e.source, **a} for e, a in zip(rows, answers, strict=True)]

    def report(self) -> Path:
        """Write the report anew and return its path."""
        from fewtune.report import html

        return html.write(self.path)

    def as_json(self) -> dict[str, Any]:
        """Return what ``fit --json`` prints."""
        keys = ("value", "low", "high", "n")

        def short(scores: dict[str, Score]) -> dict[str, Any]:
            told = {name: score.as_json() for name, score in scores.items()}
            return {name: {k: fields[k] for k in keys} for name, fields in told.items()}

        return {
            "run": str(self.path),
            "verdict": {"decision": self.verdict.decision, "reasons": list(self.verdict.reasons)},
            "diagnosis": [found.as_json() for found in self.diagnosis],
            "scores": short(self.scores),
            "controls": {name: short(scores) for name, scores in self.controls.items()},
            "chosen": self.chosen,
            "seconds": self.seconds,
        }


def _with_sets(
    task: Task, model: Any, examples: Sequence[Example], least: float
) -> list[dict[str, Any]]:
    """Return the answers with the labels that are at least so likely, the likeliest first."""
    answers = task.predict(model, examples)
    rows = [replace(row, label=0) for row in task.encode(without_targets(examples))]
    shares = task.outcomes(model, rows).probabilities
    for answer, row, kept in zip(answers, shares, likely(shares, least), strict=True):
        answer["set"] = [task.labels[at] for at in (-row).argsort() if kept[at]]
    return answers


def open_run(path: str | Path) -> Run:
    """Return the finished run in a folder.

    Raises
    ------
    RunError
        If there is none, or it did not end.
    """
    folder = RunFolder.open(Path(path))
    found = folder.read_json("scores.json")
    verdict = found["verdict"]
    return Run(
        path=folder.path,
        verdict=Verdict(verdict["decision"], tuple(verdict["reasons"]), tuple(verdict["cures"])),
        scores={name: Score.from_json(score) for name, score in found["scores"].items()},
        controls={
            control: {name: Score.from_json(score) for name, score in scores.items()}
            for control, scores in found["controls"].items()
        },
        chosen=found["chosen"],
        seconds=found["seconds"],
        diagnosis=tuple(map(Diagnosis.from_json, found.get("diagnosis", ()))),
    )
