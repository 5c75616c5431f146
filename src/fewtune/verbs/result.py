"""A finished run in Python: its verdict and scores, its model's answers, its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fewtune.data.formats.columns import IMAGE_SUFFIXES
from fewtune.data.load import load
from fewtune.errors import ModelError, RunError
from fewtune.measures.calibration import Calibration, likely
from fewtune.methods.base import METHODS
from fewtune.models.load import Source, fingerprint, resolve
from fewtune.plan.plan import Plan, read
from fewtune.records import Diagnosis, Example, Score, Verdict
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.store.runs import PLAN, RunFolder
from fewtune.tasks.base import TASKS, Task
from fewtune.tasks.contexts import read_anew
from fewtune.tasks.labels import without_targets

__all__ = ["Run", "base_task", "load_model", "open_run", "write_model"]

FACTS = "fewtune.json"
INPUTS = ("text", "prompt", "instruction", "input", "messages", "image")
"""Fields of a row that a model is given."""


def write_model(
    folder: Path, material: Material, trial: Trial, calibration: Calibration | None = None
) -> None:
    """Write weights, tokenizer and what else is needed to serve the model into ``folder``.

    The temperature of a ``calibration`` is in the weights already; its bounds for sets are kept.
    """
    import json

    task = material.task
    trial.method.save(trial.model, task, folder)
    task.save_processor(folder)
    facts = {
        "task": task.name,
        "shape": task.shape,
        "method": trial.method.name,
        "options": trial.method.options.model_dump(),
        "alpha": trial.alpha,
        "base": {
            "name": task.source.name,
            "reference": task.source.reference,
            "fingerprint": fingerprint(task.source),
        },
        "settings": task.settings.model_dump(exclude={"name"}),
        "about": task.describe(),
        "calibration": calibration.as_json() if calibration else None,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


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
            return {name: {k: getattr(s, k) for k in keys} for name, s in scores.items()}

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
        scores={name: Score(**score) for name, score in found["scores"].items()},
        controls={
            control: {name: Score(**score) for name, score in scores.items()}
            for control, scores in found["controls"].items()
        },
        chosen=found["chosen"],
        seconds=found["seconds"],
        diagnosis=tuple(map(Diagnosis.from_json, found.get("diagnosis", ()))),
    )


def load_model(
    run: Path, bring: Callable[[Callable[[], Any]], Any] = read_anew
) -> tuple[Task, Any]:
    """Return the task and the model that a run kept, ready to predict.

    ``bring`` gives the base model, given what reads it.

    Raises
    ------
    RunError, ModelError
        If the run kept no model, or its base has changed since.
    """
    from fewtune.environment import device_name

    folder = RunFolder.open(run)
    if not folder.model.is_dir():
        raise RunError("a run with a model", "none", str(run), "Fit again")
    facts = folder.read_json(f"model/{FACTS}")
    method = METHODS.load(facts["method"])(facts["options"])
    source = _base(facts["base"], folder.model)
    task_class = TASKS.load(facts["task"])
    settings = read(run / PLAN).task
    # The tokenizer kept with the run is the one that was trained with, template included.
    task = task_class(
        Source(source.name, str(folder.model)),
        settings,
        facts["shape"],
        facts["about"].get("labels", ()),
    )
    task.restore(facts["about"])
    task.source, task.bring = source, bring
    model = method.restore(task, folder.model)
    return task, model.to(device_name()).eval()


def base_task(run: Path, task: Task) -> Task:
    """Return the task of a run on the base model as it was before tuning.

    Raises
    ------
    ModelError
        If the base is gone or has changed since.
    """
    folder = RunFolder.open(run)
    facts = folder.read_json(f"model/{FACTS}")
    found = copy(task)
    found.source = _known_base(facts["base"])
    return found


def _base(facts: dict[str, str], model: Path) -> Source:
    """Return where the weights below what a run kept are; a method may keep the whole model."""
    if (model / "model.safetensors").is_file() or (
        model / "model.safetensors.index.json"
    ).is_file():
        return Source(facts["name"], str(model))
    return _known_base(facts)


def _known_base(facts: dict[str, str]) -> Source:
    """Return the base model of a run, seen to be the same as it was then."""
    reference = facts["name"] if facts["name"] in ("builtin", "minilm") else facts["reference"]
    source = resolve(reference)
    if fingerprint(source) != facts["fingerprint"]:
        raise ModelError(
            f"the base model that was tuned ({facts['fingerprint']})",
            fingerprint(source),
            source.location,
            "Restore that model: an adapter on another base gives other answers",
        )
    return source
