"""KL to the base on inputs of the new task, against what is forgotten in the end, over 24 runs.

    python -m benchmarks.quality.kl_proxy [--fresh | --own]

The protocol is in PROTOCOL.md; ``--fresh`` is its second part: other pairs, other seeds, and the
divergence at the inputs beside that at the answers; ``--own`` its third: once more other pairs and
seeds, and the divergence along the base's own answers. Finished runs are kept and not run again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from scipy.stats import spearmanr

from benchmarks.common import save
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
ASKED = {"stories": "rise on stories", "general_loss": "general text", "net": "probes, net"}


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


def told(results: dict[str, Any]) -> None:
    """Print the rank correlations over the runs so far."""
    there = [at for at in ("drift", "inputs", "own") if all(at in r for r in results.values())]
    for at, part in itertools.product(there, ("all", "unguarded")):
        rows = [r for r in results.values() if part == "all" or not r["guard"]]
        kl = np.asarray([r[at] for r in rows])
        for key, name in ASKED.items():
            lost = np.asarray([r[key] for r in rows])
            draw = np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))
            drawn = [spearmanr(kl[at], lost[at]).statistic for at in draw]
            low, high = np.nanquantile(drawn, [0.025, 0.975])
            value = spearmanr(kl, lost).statistic
            shown = f"{value:.3f} [{low:.3f}, {high:.3f}]"
            print(f"{at:7} {part:9} {name:16} {shown} n = {len(rows)} runs")


def main() -> None:
    """Print the figures and keep the raw results."""
    torch.set_num_threads(1)
    reader = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    reader.add_argument("--fresh", action="store_true", help="the second part of the protocol")
    reader.add_argument("--own", action="store_true", help="the third part of the protocol")
    asked = reader.parse_args()
    stem, first, drawn = (
        ("kl_proxy_own", 200, 4)
        if asked.own
        else ("kl_proxy_inputs", 100, 2)
        if asked.fresh
        else ("kl_proxy", 0, 0)
    )
    path = Path(__file__).parent / "results" / f"{stem}.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    task = stories_task()
    known = pairs("devset.csv", 50, 2, drawn, set())
    rows = task.encode(known)
    held_out = task.encode(pairs("devset.csv", 32, 2, drawn + 1, {e.input for e in known}))
    base = task.load_model()
    with tempfile.TemporaryDirectory() as name:
        protected = stories(task, base, rows, Path(name))
        before = task.outcomes(base, protected).losses.sum()
        groups = in_groups(items())
        known_before = observe_probes(task, base, base)
        places = {}
        if asked.fresh or asked.own:
            places["inputs"] = at_inputs(held_out)
        if asked.own:
            places["own"] = own_answers(task, base, held_out)
        for seed, (method, factor, epochs, guard) in enumerate(RUNS, first):
            key = f"{method} x{factor:.2g} {epochs} epochs{' guarded' if guard else ''}"
            if key in results:
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
            results[key] = {
                "guard": guard,
                "stories": float(task.outcomes(model, protected).losses.sum() / before - 1),
                "net": scores["forgetting_net"].value,
                "seconds": time.monotonic() - began,
                **{name: scores[name].value for name in ("drift", "general_loss", "forgetting")},
                "target": scores["loss_per_byte"].value,
            }
            for at, judged in places.items():
                there = observe_divergence(task, base, model, judged)
                results[key][at] = float(there.kl.sum() / there.units.sum())
            save(f"quality/{stem}", results)
            print(key, json.dumps({k: v for k, v in results[key].items() if k != "guard"}))
    told(results)
    print(path)


if __name__ == "__main__":
    main()
