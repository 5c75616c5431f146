"""The model that a run kept: written, and read again on the base that it was tuned from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from fewtune.environment import device_name
from fewtune.errors import ModelError, RunError
from fewtune.measures.calibration import Calibration
from fewtune.methods.base import METHODS
from fewtune.models.load import Source, fingerprint, parameter_count, resolve
from fewtune.plan.plan import read
from fewtune.plan.precision import lowers_base, set_precision
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.store.runs import PLAN, RunFolder
from fewtune.tasks.base import TASKS, Task
from fewtune.tasks.contexts import read_anew

__all__ = ["FACTS", "base_kind", "base_task", "load_model", "source_of", "write_model"]

FACTS = "fewtune.json"
"""What is needed beside the weights to serve them, in the folder of the model."""


def write_model(
    folder: Path, material: Material, trial: Trial, calibration: Calibration | None = None
) -> None:
    """Write weights, tokenizer and what else is needed to serve the model into ``folder``.

    The temperature of a ``calibration`` is in the weights already; its bounds for sets are kept.
    """
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
            "parameters": parameter_count(task.source),
        },
        "settings": task.settings.model_dump(exclude={"name"}),
        "about": task.describe(),
        "calibration": calibration.as_json() if calibration else None,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


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
    source = source_of(run)
    folder = RunFolder.open(run)
    facts = folder.read_json(f"model/{FACTS}")
    method = METHODS.load(facts["method"])(facts["options"])
    task_class = TASKS.load(facts["task"])
    plan, device = read(run / PLAN), device_name()
    # The tokenizer kept with the run is the one that was trained with, template included.
    task = task_class(
        Source(source.name, str(folder.model)),
        plan.task,
        facts["shape"],
        facts["about"].get("labels", ()),
    )
    task.restore(facts["about"])
    task.source, task.bring = source, bring
    # It answers in the numbers in which it was judged, where this device computes in them.
    set_precision(task, plan, facts["base"].get("parameters") or parameter_count(source), device)
    model = method.restore(task, folder.model)
    return task, model.to(device).eval()


def source_of(run: Path) -> Source:
    """Return where the weights below what a run kept are, seen to be those of then.

    Raises
    ------
    RunError, ModelError
        If the run kept no model, or its base is gone or has changed since.
    """
    folder = RunFolder.open(run)
    if not folder.model.is_dir():
        raise RunError("a run with a model", "none", str(run), "Fit again")
    return _base(folder.read_json(f"model/{FACTS}")["base"], folder.model)


def base_kind(run: Path, facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return how the base below a run's adapter is held: runs of one kind can share its weights.

    A causal language model is read without its head to classify.
    """
    # A run of before did not keep how many parameters its base has.
    kept = facts["base"].get("parameters")
    count = kept or parameter_count(_known_base(facts["base"]))
    low = lowers_base(read(run / PLAN), count, device_name())
    return facts["task"], bool(facts["options"].get("four_bit")), low


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


def _base(facts: Mapping[str, Any], model: Path) -> Source:
    """Return where the weights below what a run kept are; a method may keep the whole model."""
    if (model / "model.safetensors").is_file() or (
        model / "model.safetensors.index.json"
    ).is_file():
        return Source(facts["name"], str(model))
    return _known_base(facts)


def _known_base(facts: Mapping[str, Any]) -> Source:
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
