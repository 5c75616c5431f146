"""The runs of kl_proxy.py: tuned, and what each is told to have drifted and forgotten."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator

from benchmarks.quality._plain import pairs, stories_task, tuned
from fewtune.data.tokens import IGNORED
from fewtune.measures.base import Evidence, score_all
from fewtune.measures.observe.divergence import observe_divergence, observe_general
from fewtune.measures.observe.own_answers import own_answers
from fewtune.measures.observe.probes import in_groups, observe_probes, right_answers
from fewtune.measures.probes import items
from fewtune.methods.base import trained_state
from fewtune.regularizers._rows import RowOptions, base_samples
from fewtune.train.journal import Journal

__all__ = ["runs"]

USUAL = {"full": 2e-3, "lora": 8e-3}
EPOCHS = (2, 6, 15)
RUNS = [
    *(
        (method, factor, epochs, guard)
        for guard, methods, factors in (
            (False, ("full", "lora"), (1 / 3, 1.0, 3.0)),
            (True, ("full",), (1.0, 3.0)),
        )
        for method in methods
        for factor in factors
        for epochs in EPOCHS
    )
]


def stories(task: Any, model: Any, rows: Any, folder: Path) -> Any:
    """Return 100 stories that the base draws, as rows."""
    judge: Any = SimpleNamespace(
        model=model,
        task=task,
        rows=rows,
        start=trained_state(model),
        seed=1000,
        folder=folder / "judge" / "x",
        accelerator=Accelerator(cpu=True),
        journal=Journal(None),
        device=torch.device("cpu"),
    )
    return base_samples(judge, RowOptions(samples=100, length=200))


def at_inputs(rows: Any) -> Any:
    """Return the rows with the tokens of their prompts in place of those of their answers."""
    return [
        replace(
            row,
            labels=tuple(
                token if label == IGNORED else IGNORED
                for token, label in zip(row.ids, row.labels, strict=True)
            ),
        )
        for row in rows
    ]


def runs(
    first: int, drawn: int, places: Container[str], known: Container[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each run that is not known, and what it came to.

    Parameters
    ----------
    first
        The seed of the first run.
    drawn
        The draw of the pairs that train; those of the next one are held out.
    places
        Where the divergence is asked for beside the targets: ``inputs``, ``own``.
    """
    torch.set_num_threads(1)
    task = stories_task()
    examples = pairs("devset.csv", 50, 2, drawn, set())
    rows = task.encode(examples)
    held_out = task.encode(pairs("devset.csv", 32, 2, drawn + 1, {e.input for e in examples}))
    base = task.load_model()
    with tempfile.TemporaryDirectory() as name:
        protected = stories(task, base, rows, Path(name))
        before = task.outcomes(base, protected).losses.sum()
        groups = in_groups(items())
        known_before = observe_probes(task, base, base)
        judged = {}
        if "inputs" in places:
            judged["inputs"] = at_inputs(held_out)
        if "own" in places:
            judged["own"] = own_answers(task, base, held_out)
        for seed, (method, factor, epochs, guard) in enumerate(RUNS, first):
            key = f"{method} x{factor:.2g} {epochs} epochs{' guarded' if guard else ''}"
            if key in known:
                continue
            began = time.monotonic()
            model = tuned(
                task,
                rows,
                Path(name) / str(seed),
                method=method,
                rate=USUAL[method] * factor,
                epochs=epochs,
                regularizers={"kl_to_base": {}} if guard else {},
                seed=seed,
            )
            evidence = Evidence(
                "generation",
                task.outcomes(model, held_out),
                probes=replace(known_before, after=right_answers(task, model, groups)),
                general=observe_general(task, base, model),
                drift=observe_divergence(task, base, model, held_out),
            )
            scores = score_all(evidence, ("loss_per_byte", "drift", "general_loss", "forgetting"))
            found = {
                "guard": guard,
                "stories": float(task.outcomes(model, protected).losses.sum() / before - 1),
                "net": scores["forgetting_net"].value,
                "seconds": time.monotonic() - began,
                **{name: scores[name].value for name in ("drift", "general_loss", "forgetting")},
                "target": scores["loss_per_byte"].value,
            }
            for at, some in judged.items():
                there = observe_divergence(task, base, model, some)
                found[at] = float(there.kl.sum() / there.units.sum())
            yield key, found
