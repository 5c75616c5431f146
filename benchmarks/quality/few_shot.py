"""Few-shot text classification beside frozen states + regression, SetFit and the Trainer.

    python -m benchmarks.quality.few_shot [--peers PYTHON] [--only NAME,…] [--seeds 0,1,…]
    python -m benchmarks.quality.few_shot --device cuda [--jobs 8] [--print]
    python -m benchmarks.quality.few_shot --develop "method.name=contrastive select.rungs=[]"

Protocol: PROTOCOL.md. Each fit leaves a file in ``results/few_shot``; what is there is not run
again, so a run that was cut short goes on. PYTHON is that of an environment with setfit,
transformers and datasets: without it the peers' fits stay missing, and the table says so. With a
GPU everyone's fits run on it, several at once, and are kept apart (``results/few_shot_cuda``).

``--develop`` fits with settings of one's own and judges on 2,000 rows of Banking77's train file (or
on a held-out fifth of the front-desk rows), never on the rows above: settings are chosen with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common import read_csv, shared, write, write_csv
from benchmarks.quality._few_shot_judged import CELLS, FROZEN, OURS, RESULTS, TRAINER, table

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "front_desk"
SEEDS = (0, 1, 2, 3, 4)
LONG = ("right", "environment")
"""What of a fit is not printed."""

Rows = list[dict[str, str]]


def draw(rows: Rows, per_class: int, seed: int) -> Rows:
    """Return ``per_class`` rows of every label; smaller draws are parts of larger ones."""
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    taken: dict[str, Rows] = {}
    for row in shuffled:
        if len(taken.setdefault(row["label"], [])) < per_class:
            taken[row["label"]].append(row)
    return [row for label in sorted(taken) for row in taken[label]]


def data(cell: str, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to fit on and those that judge."""
    if cell == "front_desk":
        return read_csv(EXAMPLE / "intents.csv"), read_csv(EXAMPLE / "intents_test.csv")
    parts = [
        [{"text": r["text"], "label": r["category"]} for r in read_csv(path)]
        for path in (shared("data", "banking77", f"{name}.csv") for name in ("train", "test"))
    ]
    return draw(parts[0], int(cell.rpartition("-")[2]), seed), parts[1]


def development(cell: str, seed: int) -> tuple[Rows, Rows]:
    """Return rows to fit on and rows that judge, all from the file that is fitted on."""
    if cell == "front_desk":
        rows = read_csv(EXAMPLE / "intents.csv")
        random.Random(f"develop/{seed}").shuffle(rows)
        return rows[len(rows) // 5 :], rows[: len(rows) // 5]
    path = shared("data", "banking77", "train.csv")
    rows = [{"text": r["text"], "label": r["category"]} for r in read_csv(path)]
    random.Random("develop").shuffle(rows)
    return draw(rows[2000:], int(cell.rpartition("-")[2]), seed), rows[:2000]


def fit(
    cell: str,
    seed: int,
    contender: str,
    peers: str,
    settings: Sequence[str] | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Run one fit in a process of its own; return which test rows were right, and its seconds.

    ``environment`` is what that process says of itself: a peer runs with versions of its own. With
    ``settings`` it is one of development.
    """
    known, asked = data(cell, seed) if settings is None else development(cell, seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train = write_csv(folder / "train.csv", known)
        test = write_csv(folder / "test.csv", asked)
        if contender in OURS:
            made = [sys.executable, "-m", "fewtune", "fit", str(train), "--test", str(test)]
            made += ["--model", "minilm", "--effort", contender, "--seed", str(seed)]
            made += ["-o", str(folder / "run"), "--json"]
            made += [part for one in settings or () for part in ("--set", one)]
        else:
            python = sys.executable if contender in FROZEN else peers
            script = Path(__file__).with_name("_few_shot_fit.py")
            made = [python, str(script), contender, _model(), str(train), str(test), str(seed)]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(made, capture_output=True, text=True, env=_alone(device))
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1) or not done.stdout:
            raise SystemExit(f"{' '.join(made)}\n{done.stderr[-3000:]}")
        answer = json.loads(
            done.stdout.strip().splitlines()[-1] if contender not in OURS else done.stdout
        )
        more = {}
        if contender in OURS:
            more = {"chosen": answer["chosen"], "verdict": answer["verdict"]["decision"]}
            more["stages"] = json.loads((folder / "run" / "scores.json").read_text())["stages"]
            lines = (folder / "run" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
            answer["environment"] = json.loads((folder / "run" / "environment.json").read_text())
            answer["right"] = "".join("01"[json.loads(line)["correct"]] for line in lines)
    return {
        "cell": cell,
        "seed": seed,
        "contender": contender,
        "accuracy": answer["right"].count("1") / len(asked),
        "n": len(asked),
        "rows": len(known),
        "seconds": round(seconds, 1),
        "processor_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        **more,
        "right": answer["right"],
        "environment": answer["environment"],
    }


def _alone(device: str) -> dict[str, str]:
    """Return this environment with one thread for everything, on a device of this kind."""
    alone = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "FEWTUNE_DEVICE": device}
    return {**os.environ, **alone, **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


def _model() -> str:
    from fewtune.models.load import resolve

    return resolve("minilm").location


def wanted(chosen: argparse.Namespace, results: Path) -> Iterator[tuple[str, int, str, Path]]:
    """Yield cell, seed, contender and file of every fit that is asked for and not there."""
    only = chosen.only.split(",") if chosen.only else [*OURS, *FROZEN, "setfit", *TRAINER]
    for names in (("frozen10", "quick"), ("frozencv", "normal"), ("setfit", *TRAINER)):
        for seed in map(int, chosen.seeds.split(",")):
            for cell in chosen.cells.split(","):
                for name in (name for name in names if name in only):
                    path = results / f"{cell}_{seed}_{name}.json"
                    if (name in (*OURS, *FROZEN) or chosen.peers) and not path.exists():
                        yield cell, seed, name, path


def main() -> None:
    """Run what is missing, ours and the cheap first, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--peers", default=os.environ.get("FEWTUNE_PEERS", ""))
    parser.add_argument("--only", default="")
    parser.add_argument("--develop", default=None)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--device", choices=list(RESULTS), default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="fits at once")
    parser.add_argument("--print", action="store_true", help="what is kept, without any fit")
    chosen = parser.parse_args()
    os.environ["FEWTUNE_DEVICE"] = chosen.device
    results = RESULTS[chosen.device]
    if chosen.develop is not None:
        for seed in map(int, chosen.seeds.split(",")):
            for cell in chosen.cells.split(","):
                made = fit(cell, seed, OURS[0], "", chosen.develop.split(), chosen.device)
                print({k: v for k, v in made.items() if k not in LONG}, flush=True)
        return

    def run(cell: str, seed: int, name: str, path: Path) -> None:
        made = fit(cell, seed, name, chosen.peers, device=chosen.device)
        if chosen.jobs > 1:  # what the system counts is of all that ended meanwhile
            made |= {"jobs": chosen.jobs, "processor_seconds": None}
        print({k: v for k, v in made.items() if k not in (*LONG, "chosen", "stages")}, flush=True)
        about = made.pop("environment")
        write(path, made, seed, about)

    if not chosen.print:
        with ThreadPoolExecutor(chosen.jobs) as pool:
            for done in [pool.submit(run, *one) for one in list(wanted(chosen, results))]:
                done.result()
    table(results)


if __name__ == "__main__":
    main()
