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
import random
import resource
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import command, read_csv, shared, write
from fewtune.plan.held import USUAL

Rows = list[dict[str, Any]]
RESULTS = {
    "cpu": Path(__file__).parent / "results" / "target_and_forgetting",
    "cuda": Path(__file__).parent / "results" / "target_and_forgetting_cuda",
}
"""Where fits are kept, by the kind of machine."""
TEST_ROWS = 300
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
JUDGED = {"quick": "nothing set", "firm": "one percent of general loss allowed"}
"""Those whose passes are counted; the others are told beside them where they were run."""
FIRST = ("Bel", "Cor", "Dan", "Fen", "Gal", "Hor", "Jun", "Kes", "Lor", "Mav", "Nol", "Per")
LAST = ("ada", "eth", "imo", "ora", "uska", "yne", "alt", "ebb", "ist", "onde", "ulo", "arth", "ix")
TRADES = ("baker", "pilot", "weaver", "painter", "farmer", "judge", "sailor", "dentist")
TOWNS = ("Arvale", "Brinmoor", "Castrel", "Dunhollow", "Elmspan", "Farwick", "Glenora", "Hartsea")


def e2e(count: int, seed: int, *, capitals: bool = False) -> tuple[Rows, Rows]:
    """Return pairs of E2E: two sentences of each of count/2 meaning representations."""
    rows = read_csv(shared("data", "e2e", "devset.csv"))
    test = read_csv(shared("data", "e2e", "testset_w_refs.csv"))
    drawn = random.Random(seed)
    meanings = sorted({row["mr"] for row in rows})
    drawn.shuffle(meanings)
    by_meaning: dict[str, list[str]] = {}
    for row in rows:
        by_meaning.setdefault(row["mr"], []).append(row["ref"])
    train = [
        {"prompt": meaning, "completion": text}
        for meaning in meanings
        for text in by_meaning[meaning][:2]
    ][:count]
    drawn.shuffle(test)
    judge = [{"prompt": row["mr"], "completion": row["ref"]} for row in test[:TEST_ROWS]]
    if capitals:
        for row in (*train, *judge):
            row["completion"] = row["completion"].upper()
    return train, judge


def dialogues(count: int, seed: int) -> tuple[Rows, Rows]:
    """Return booking dialogues: ``count`` to train, 100 others to judge."""
    path = shared("data", "dialogues", "booking_dialogues.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(seed).shuffle(rows)
    return rows[:count], rows[-100:]


def facts(seed: int) -> tuple[Rows, Rows]:
    """Return 150 made-up facts, asked in two ways to train and in a third to judge."""
    drawn = random.Random(seed)
    names = [first + last for first in FIRST for last in LAST]
    drawn.shuffle(names)
    train, judge = [], []
    for name in names[:150]:
        trade, town = drawn.choice(TRADES), drawn.choice(TOWNS)
        answer = f"{name} is a {trade} in {town}."
        train += [
            {"prompt": f"Who is {name}?", "completion": answer},
            {"prompt": f"What do you know about {name}?", "completion": answer},
        ]
        judge.append({"prompt": f"Tell me about {name}.", "completion": answer})
    return train, judge


CELLS: dict[str, tuple[str, Callable[[int], tuple[Rows, Rows]]]] = {
    "e2e_50/stories260K": ("stories260K", lambda seed: e2e(50, seed)),
    "e2e_200/stories260K": ("stories260K", lambda seed: e2e(200, seed)),
    "e2e_1000/stories260K": ("stories260K", lambda seed: e2e(1000, seed)),
    "facts/stories260K": ("stories260K", facts),
    "capitals_200/stories260K": ("stories260K", lambda seed: e2e(200, seed, capitals=True)),
    "e2e_50/builtin": ("builtin", lambda seed: e2e(50, seed)),
    "e2e_200/builtin": ("builtin", lambda seed: e2e(200, seed)),
    "dialogues_50/builtin": ("builtin", lambda seed: dialogues(50, seed)),
    "dialogues_200/builtin": ("builtin", lambda seed: dialogues(200, seed)),
    "facts/builtin": ("builtin", facts),
    "capitals_200/builtin": ("builtin", lambda seed: e2e(200, seed, capitals=True)),
    "e2e_1000/builtin": ("builtin", lambda seed: e2e(1000, seed)),
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


class Weighed(NamedTuple):
    """Targets and rises of plain tuning and another, and the share of plain's rise it saves."""

    targets: tuple[float, float]
    rises: tuple[float, float]
    saved: float

    @property
    def good(self) -> bool:
        """Whether the target is as good as plain's, with a tenth of what that forgets."""
        return self.targets[1] <= 1.01 * self.targets[0] and self.saved >= 0.9


def weighed(plain: dict[str, Any], other: dict[str, Any]) -> Weighed:
    """Return how another fit of a cell stands against plain tuning."""
    targets, rises = (
        tuple(one["scores"][name]["value"] for one in (plain, other))
        for name in ("loss_per_byte", "general_loss")
    )
    saved = 1 - max(0.0, rises[1]) / rises[0] if rises[0] > 0 else 1.0
    return Weighed(targets, rises, saved)


def together(seeds: Sequence[Weighed]) -> Weighed:
    """Return a cell over its seeds: means of targets and rises, and the share saved of these.

    A target counts by its share of plain's, so that every seed weighs the same.
    """
    ratio = statistics.mean(one.targets[1] / one.targets[0] for one in seeds)
    plain = statistics.mean(one.rises[0] for one in seeds)
    rise = statistics.mean(max(0.0, one.rises[1]) for one in seeds)
    return Weighed((1.0, ratio), (plain, rise), 1 - rise / plain if plain > 0 else 1.0)


def by_cell(results: dict[str, Any], name: str) -> dict[str, list[Weighed]]:
    """Return how a contender stands against plain tuning in each cell, seed by seed."""
    found: dict[str, list[Weighed]] = {}
    for key, one in sorted(results.items()):
        if {"plain", name} <= set(one):
            cell = key.partition(" seed ")[0]
            found.setdefault(cell, []).append(weighed(one["plain"], one[name]))
    return found


def report(results: dict[str, Any]) -> None:
    """Print a line for each cell and seed, then each cell over its seeds, and how many pass."""
    print("cell, seed: target (nats/byte), general loss and forgetting, plain → fewtune")
    for key, found in sorted(results.items()):
        if "plain" not in found:
            continue
        plain = found["plain"]
        for name in [n for n in (*JUDGED, *sorted(set(found) - {"plain", *JUDGED})) if n in found]:
            one = found[name]
            lost = [c["scores"].get("forgetting", {}).get("value") for c in (plain, one)]
            cell = weighed(plain, one)
            before, after = cell.targets
            shown = [f"{100 * x:.1f}%" if x is not None else "-" for x in (*cell.rises, *lost)]
            line = (
                f"{key:28} {name:6} {before:.3f} → {after:.3f} "
                f"({100 * (after / before - 1):+.1f}%)"
                f"  {shown[0]} → {shown[1]} (saved {100 * cell.saved:.0f}%)"
                f"  {shown[2]} → {shown[3]}"
                f"  alpha {one['chosen']['alpha']}, {plain['seconds']:.0f} / {one['seconds']:.0f} s"
            )
            if name in JUDGED:
                print(f"{line}  {'pass' if cell.good else 'miss'}")
            else:
                guards = ", ".join(one["chosen"]["regularizers"]) or "no guard"
                print(f"{line}  rate {one['chosen']['learning_rate']:g}, {guards}")
    for name in JUDGED:
        cells = by_cell(results, name)
        if not cells:
            continue
        print(f"{name}, each cell over its seeds:")
        for key, seeds in cells.items():
            one = together(seeds)
            print(
                f"{key:28} {100 * (one.targets[1] - 1):+.1f}%  "
                f"{100 * one.rises[0]:.1f}% → {100 * one.rises[1]:.1f}% (saved "
                f"{100 * one.saved:.0f}%)  {'pass' if one.good else 'miss'}, "
                f"{sum(s.good for s in seeds)} of {len(seeds)} seeds"
            )
        whole = [together(seeds) for seeds in cells.values()]
        each = [one for seeds in cells.values() for one in seeds]
        print(
            f"{name}: {sum(one.good for one in whole)} of {len(whole)} cells pass, "
            f"{sum(one.good for one in each)} of {len(each)} seeds of them"
        )


def kept(device: str = "cpu") -> dict[str, Any]:
    """Return every fit that was kept, by cell with seed and by contender."""
    found: dict[str, Any] = {}
    for path in sorted(RESULTS[device].glob("*.json")):
        one = json.loads(path.read_text())["results"]
        found.setdefault(f"{one['cell']} seed {one['seed']}", {})[one["contender"]] = one
    return found


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
