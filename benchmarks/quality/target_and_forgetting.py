"""Target and forgetting side by side: fewtune's default against plain tuning (see PROTOCOL.md).

    python -m benchmarks.quality.target_and_forgetting [--only e2e_200] [--seeds 0 1]
        [--contenders plain quick] [--device cuda] [--print]

Every fit is kept in a file of its own, so that processes may share the work; a fit that is kept
already is not run again. Fits on a GPU are kept apart.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import command, shared, write
from benchmarks.quality._target_judged import RESULTS, kept, report
from benchmarks.quality._target_rows import CELLS, Rows
from fewtune.plan.held import USUAL

CONTENDERS = {
    "plain": (
        *("--set", "regularizers=[]", "--set", "select.dial=[1.0]"),
        *("--set", "training.averaged=0"),
    ),
    "quick": (),
    "normal": ("--effort", "normal"),
    "firm": ("--set", "budget.general_loss=0.01"),
    "masked": (
        "--set",
        "regularizers="
        + json.dumps(
            [
                {"name": "kl_to_base", "options": USUAL.options},
                {"name": "token_mask"},
            ]
        ),
    ),
}


def fitted(model: str, train: Rows, judge: Rows, settings: tuple[str, ...], seed: int) -> Any:
    """Return the scores, paired differences and choice of one fit."""
    name = model if model == "builtin" else str(shared("models", model))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for part, rows in (("train", train), ("test", judge)):
            path = Path(folder) / f"{part}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            files.append(str(path))
        run = Path(folder) / "run"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _, seconds = command(
            "fit", files[0], "--test", files[1], "--model", name, "--seed", str(seed),
            "--set", "select.samples=0", *settings, "-o", str(run),
        )  # fmt: skip
        found = json.loads((run / "scores.json").read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept = {k: found[k] for k in ("scores", "paired", "chosen", "verdict", "stages")}
    base = found["controls"]["base"]
    return {**kept, "base": base, "seconds": seconds, "processor_seconds": processor}


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=[""], help="cells whose names begin so")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--contenders", nargs="*", default=["plain", "quick"], choices=CONTENDERS)
    parser.add_argument("--device", choices=list(RESULTS), default="cpu")
    parser.add_argument("--print", action="store_true", help="what is kept, without any fit")
    options = parser.parse_args()
    os.environ["FEWTUNE_DEVICE"] = options.device
    for seed in [] if options.print else options.seeds:
        for cell, (model, draw) in CELLS.items():
            if not cell.startswith(tuple(options.only)):
                continue
            for name in options.contenders:
                part = f"{cell.replace('/', '_')}_{seed}_{name}"
                path = RESULTS[options.device] / f"{part}.json"
                if path.exists():
                    continue
                found = fitted(model, *draw(seed), CONTENDERS[name], seed)
                about = {"cell": cell, "seed": seed, "contender": name}
                write(path, {**about, **found}, seed)
                print(part, f"{found['seconds']:.0f} s", flush=True)
    report(kept(options.device))


if __name__ == "__main__":
    main()
