"""The estimate of a fit's memory beside the measured peak, eight configurations and more on a GPU.

Each fit runs in a process of its own; its peak is what the system counts as resident at most
(``ru_maxrss``), on a GPU what torch had allocated there at most; its estimate is what it told
before it loaded the model.

    python -m benchmarks.speed.memory [--only NAME ...] [--updates 8] [--threads 1] [--fresh]
        [--device cuda]

Every configuration is kept as soon as it is measured; a second call measures the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import read_csv, save, shared, write_csv
from benchmarks.speed._llama import chats, llama_34m, llama_340m

FRONT_DESK = Path(__file__).resolve().parents[2] / "examples" / "front_desk"
NAMES = {"cpu": "speed/memory", "cuda": "speed/memory_cuda"}
CONFIGURATIONS: dict[str, tuple[str, str, str]] = {
    "stories260K, full": ("e2e", "stories260K", "full"),
    "builtin, full": ("front desk chats", "builtin", "full"),
    "builtin, lora": ("front desk chats", "builtin", "lora"),
    "llama 34M, full": ("dialogues", "llama", "full"),
    "llama 34M, lora": ("dialogues", "llama", "lora"),
    "minilm, lora": ("front desk intents", "minilm", "lora"),
    "minilm, head": ("front desk intents", "minilm", "head"),
    "mobilenet_v2, partial": ("sign digits", "mobilenet", "partial"),
}
"""Data, model and method by name."""
ON_A_GPU = {
    "llama 340M, full": ("dialogues", "llama 340M", "full"),
    "llama 340M, lora": ("dialogues", "llama 340M", "lora"),
    "llama 340M, lora in four bits": ("dialogues", "llama 340M", "lora in four bits"),
}


def _data(name: str, folder: Path) -> Path:
    if name == "e2e":
        rows = read_csv(shared("data", "e2e", "devset.csv"))[:400]
        pairs = [{"prompt": row["mr"], "completion": row["ref"]} for row in rows]
        return write_csv(folder / "e2e.csv", pairs)
    if name == "dialogues":
        return chats(160, folder / "dialogues.jsonl")
    if name == "front desk chats":
        return FRONT_DESK / "conversations.jsonl"
    if name == "front desk intents":
        return FRONT_DESK / "intents.csv"
    target = folder / "digits"
    draw = random.Random(0)
    for digit in sorted(p for p in shared("data", "sign_digits").iterdir() if p.is_dir()):
        (target / digit.name).mkdir(parents=True)
        for photo in draw.sample(sorted(digit.iterdir()), 20):
            shutil.copy(photo, target / digit.name)
    return target


def _model(name: str, folder: Path) -> str:
    if name.startswith("llama"):
        return str((llama_340m if "340M" in name else llama_34m)(folder / "llama"))
    known = {"stories260K": "stories260K", "mobilenet": "mobilenet_v2"}
    return str(shared("models", known[name])) if name in known else name


def _settings(data: Path, method: str, given: Any) -> list[str]:
    settings = {
        "method.name": method.partition(" ")[0],
        "training.updates": given.updates,
        "training.evaluations": 2,
        "select.samples": 8,
        "task.max_new_tokens": 64,
        "task.truncation": "left",
    }
    if "four bits" in method:
        settings["method.options"] = "{four_bit: true}"
    if data.suffix in (".jsonl", ".csv") and "intents" not in data.name:
        # The default guard with fewer samples of the base: drawing them takes minutes, no memory.
        guard = "[{name: kl_to_base, options: {samples: 16}}]"
        settings |= {"regularizers": guard, "select.guards": "[]"}
    return [w for k, v in settings.items() for w in ("--set", f"{k}={v}")]


def estimated(data: Path, model: str, method: str, given: Any) -> int:
    """Return the estimate alone, in bytes."""
    words = [sys.executable, "-m", "fewtune", "plan", str(data), "--model", model, "--json"]
    words += _settings(data, method, given)
    place = os.environ | {"FEWTUNE_DEVICE": given.device}
    done = subprocess.run(words, env=place, capture_output=True, text=True, check=True)
    total: int = json.loads(done.stdout)["memory"]["total_bytes"]
    return total


def measured(data: Path, model: str, method: str, run: Path, given: Any) -> dict[str, Any]:
    """Fit once; return the estimate and the peak of the process, in bytes."""
    words = [sys.executable, "-m", "fewtune", "fit", str(data), "--model", model, "-o", str(run)]
    words += _settings(data, method, given)
    process = subprocess.Popen(
        words,
        env=os.environ | {"OMP_NUM_THREADS": str(given.threads), "FEWTUNE_DEVICE": given.device},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(said)
    told = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    resident = used.ru_maxrss * 1024
    return {
        "peak_bytes": resident if given.device == "cpu" else told["memory"]["peak_bytes"],
        "told": told["memory"],
        "seconds": told["seconds"],
        "stages": told["stages"],
        "moment": said.partition(", while ")[2].partition(":")[0],
    }


def main() -> None:
    """Measure, print a table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--device", choices=list(NAMES), default="cpu")
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="measure again what is kept")
    parser.add_argument("--estimates", action="store_true", help="estimate anew what is kept")
    given = parser.parse_args()
    known = CONFIGURATIONS | (ON_A_GPU if given.device == "cuda" else {})
    results = kept(given.device, given.updates)
    print(f"{'':24}{'estimate':>10}{'peak':>10}{'off by':>9}  most while", flush=True)
    for name in given.only or known:
        if given.fresh or name not in results:
            data, model, method = known[name]
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                results[name] = measured(
                    _data(data, folder), _model(model, folder), method, folder / "run", given
                )
            save(NAMES[given.device], {"updates": given.updates, "configurations": results})
        elif given.estimates:
            data, model, method = known[name]
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                made = estimated(_data(data, folder), _model(model, folder), method, given)
            results[name]["told"]["estimated_bytes"] = made
            save(NAMES[given.device], {"updates": given.updates, "configurations": results})
        show(name, results[name])
    worst = max(abs(_off(found)) for found in results.values())
    print(f"furthest off of {len(results)}: {worst:.1%}; the aim is at most 15%")


def kept(device: str, updates: int) -> dict[str, Any]:
    """Return what earlier calls have measured with as many updates."""
    path = Path(__file__).parents[1].joinpath(*NAMES[device].split("/"))
    path = path.parent / "results" / f"{path.name}.json"
    found = json.loads(path.read_text())["results"] if path.exists() else {}
    same: dict[str, Any] = found["configurations"] if found.get("updates") == updates else {}
    return same


def _off(found: dict[str, Any]) -> float:
    return (found["told"]["estimated_bytes"] or 0) / found["peak_bytes"] - 1.0


def show(name: str, found: dict[str, Any]) -> None:
    """Print a line of the table."""
    estimate, peak = found["told"]["estimated_bytes"] or 0, found["peak_bytes"]
    print(
        f"{name:24}{estimate / 1e6:8.0f}MB{peak / 1e6:8.0f}MB{_off(found):+9.1%}  "
        f"{found['moment']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
