"""A training to a checkpoint and back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from fewtune.train import checkpoint
from fewtune.train.monitors.base import Evaluation
from fewtune.train.run import Training

__all__ = ["resume", "save"]


def save(run: Training) -> None:
    """Write a checkpoint of the training (the first process does)."""
    if not run.accelerator.is_main_process:
        return
    facts = {
        "of": _of(run),
        "update": run.update,
        "end": run.end,
        "evaluations": [asdict(e) for e in run.evaluations],
        "best": asdict(run.best_evaluation) if run.best_evaluation else None,
        "monitors": {m.name: m.state for m in run.monitors},
    }
    # Nothing is copied: it is written before anything moves on.
    parameters = dict(run.model.named_parameters())
    weights = {name: parameters[name].detach() for name in run.start}
    state = checkpoint.optimizer_tensors(run.optimizer)
    checkpoint.save(run.folder, checkpoint.Checkpoint(weights, run.best, state, facts))


def _of(run: Training) -> str:
    """Return what tells a training from others: its rows, settings and seed, in 16 hex digits."""
    content = [
        run.method.name,
        run.plan.model_dump(mode="json"),
        run.seed,
        *([row.example.fingerprint for row in rows] for rows in (run.rows, run.validation)),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def resume(run: Training) -> None:
    """Go on from the checkpoint in the run's folder, if there is one of this training.

    Another training of the same name, on other rows or with other settings, begins anew.
    """
    found = checkpoint.load(run.folder)
    # Versions of before did not say what a checkpoint is of.
    if found is not None and found.facts.get("of") not in (None, _of(run)):
        found = None
    run.journal.forget(run.stage, found.facts["update"] if found else -1)
    if found is None:
        return
    checkpoint.restore_weights(run.model, found.weights)
    checkpoint.restore_optimizer(run.optimizer, found.optimizer)
    run.best = {name: value.to(run.device) for name, value in found.best.items()}
    run.update = found.facts["update"]
    run.end = found.facts.get("end", "")
    run.evaluations = [Evaluation(**e) for e in found.facts["evaluations"]]
    run.best_evaluation = Evaluation(**found.facts["best"]) if found.facts["best"] else None
    for monitor in run.monitors:
        monitor.state = found.facts["monitors"].get(monitor.name, {})
