"""Timed: the material of a fit, and how long the fit will take, measured on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fewtune.environment import seed_everything
from fewtune.select.forecast import forecast
from fewtune.select.material import Material
from fewtune.select.pace import Pace
from fewtune.train.agreement import first_says
from fewtune.train.journal import Journal
from fewtune.verbs.augmentation_tools import ModelTools
from fewtune.verbs.foreseen import task_of
from fewtune.verbs.prepare import Prepared

__all__ = ["material_of", "tell_time", "time_of_plan"]


def material_of(prepared: Prepared, folder: Path, journal: Journal, accelerator: Any) -> Material:
    """Return the material of a prepared fit, its rows encoded; no model is loaded."""
    seed_everything(prepared.plan.seed)
    task = task_of(prepared)
    images = prepared.data.shape == "labelled_image"
    reading = "reading the images" if images else "turning rows into tokens"
    journal.write("stage", name="encode", sentence=reading)
    if planted := prepared.plan.measure.canaries:
        said = f"{planted} made-up secrets train beside the rows, to see whether they are told"
        journal.write("stage", name="canaries", sentence=said)
    chosen = [prepared.data[i] for i in (*prepared.split.train, *prepared.split.validation)]
    judged = prepared.test or [prepared.data[i] for i in prepared.split.test]
    known = task.encode(chosen)
    n = len(prepared.split.train)
    return Material(
        plan=prepared.plan,
        task=task,
        data=prepared.data,
        train=known[:n],
        validation=known[n:],
        test=task.encode(list(judged)),
        places=[*prepared.split.train, *prepared.split.validation],
        journal=journal,
        folder=folder,
        accelerator=accelerator,
        tested=prepared.split.test,
        tools=lambda: ModelTools(prepared.plan.model),
    )


def tell_time(material: Material) -> None:
    """Tell how long the fit will take, by updates and passes timed on this machine."""
    # Several processes go by the first one's clock.
    parts = first_says(material.accelerator, forecast(material))
    material.pace = Pace(parts, material.journal.seconds)
    seed_everything(material.plan.seed)
    material.journal.write(
        "stage",
        name="time",
        sentence=f"time: {material.pace.told_in_words()}",
        told_seconds=round(material.pace.told, 2),
        parts={part.name: round(part.seconds, 2) for part in parts},
    )


def time_of_plan(prepared: Prepared) -> Pace:
    """Return how long carrying out a plan will take; some seconds are spent to measure it."""
    from fewtune.verbs.together import Together

    with tempfile.TemporaryDirectory() as folder:
        together, journal = Together(), Journal(None)
        material = material_of(prepared, Path(folder), journal, together.accelerator)
        # A fit spends what the forecast takes as well, above all on what is drawn of the base.
        parts = forecast(material)
        return Pace(parts, journal.seconds)
