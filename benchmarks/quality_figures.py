"""The figures of ``benchmarks/quality`` that the README shows, read from their results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

__all__ = ["HERE", "Figures", "count", "quality_figures"]

HERE = Path(__file__).resolve().parent

Figures = list[tuple[str, str, str]]
"""What was measured, what it came to, and the results it is read from, without their ending."""


def quality_figures() -> Figures:
    """Return every figure with the path of its results, from this folder."""
    return [
        *_few_shot("few_shot"),
        *_few_shot("few_shot_cuda"),
        *_target_and_forgetting("cpu"),
        *_target_and_forgetting("cuda"),
        *_memorization(),
        *_drift(),
        *_regret(),
        *_calibration(),
        *_value_curve(),
        *_rotations(),
    ]


CELLS = {
    "banking77-4": "Banking77, 4 rows a class",
    "banking77-8": "Banking77, 8 rows a class",
    "banking77-16": "Banking77, 16 rows a class",
    "front_desk": "front desk, 645 rows of 12 classes",
}
RIVALS = {
    "frozen10": "the frozen encoder with logistic regression",
    "frozencv": "with its strength by cross-validation",
    "setfit": "SetFit",
    "trainer": "the transformers Trainer at the best of",
}


Runs = dict[int, dict[str, Any]]


def _few_shot_runs(folder: str) -> dict[tuple[str, str], Runs]:
    """Return what is kept of each cell and contender, by seed."""
    found: dict[tuple[str, str], Runs] = {}
    for path in (HERE / "quality/results" / folder).glob("*.json"):
        one = json.loads(path.read_text())
        name = one["contender"].partition("-")[0]
        runs = found.setdefault((one["cell"], name), {})
        # Of the Trainer's rates the best on the test rows counts, in its favour.
        if one["seed"] not in runs or runs[one["seed"]]["accuracy"] < one["accuracy"]:
            runs[one["seed"]] = one
    return found


def _few_shot(folder: str) -> Figures:
    """Return `fit` beside its rivals, each over the seeds that both have."""
    found = _few_shot_runs(folder)
    rows = []
    for cell, what in CELLS.items():
        ours = found.get((cell, "quick"), {})
        if not ours:
            continue
        told = []
        for rival, words in RIVALS.items():
            theirs = found.get((cell, rival), {})
            seeds = sorted(set(ours) & set(theirs))
            if seeds:
                few = "" if len(seeds) == len(ours) else f" ({count(len(seeds), 'seed')})"
                if rival == "trainer":
                    files = (HERE / "quality/results" / folder).glob(f"{cell}_*_trainer-*.json")
                    rates = {path.stem.rpartition("_")[2] for path in files}
                    words += f" {count(len(rates), 'rate')}"
                told.append(f"{words} {mean_accuracy(theirs, seeds)}{few}")
        cards = sorted({run["accelerator"] for run in ours.values() if "accelerator" in run})
        where = f" on a GPU ({', '.join(cards)})" if cards else ""
        rows.append(
            (
                f"{what}, all-MiniLM-L6-v2, `fit --effort quick`{where}, "
                f"{count(len(ours), 'seed')}",
                f"{mean_accuracy(ours, sorted(ours))}; {', '.join(told)}; "
                f"{next(iter(ours.values()))['n']:,} test rows",
                f"quality/results/{folder}",
            )
        )
    return rows


def mean_accuracy(runs: Runs, seeds: list[int]) -> str:
    return f"{100 * sum(runs[seed]['accuracy'] for seed in seeds) / len(seeds):.2f}%"


def count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


OF_BEFORE = ", on a GPU, some refits held and as long as the rules of before had them"
"""What has been run there since these rules changed, ``quality/PROTOCOL.md`` says."""


def _target_and_forgetting(device: str) -> Figures:
    """Return how many cells keep the target and save nine tenths of what plain tuning forgets."""
    from benchmarks.quality.target_and_forgetting import JUDGED, RESULTS, by_cell, kept, together

    rows: Figures = []
    for name, words in JUDGED.items():
        there = by_cell(kept(device), name)
        if not there:
            continue
        cells = [together(seeds) for seeds in there.values()]
        each = [one for seeds in there.values() for one in seeds]
        counts = [len(seeds) for seeds in there.values()]
        seeds = "1 seed each" if max(counts) == 1 else f"{min(counts)} to {max(counts)} seeds each"
        saved = [100 * one.saved for one in cells]
        rows.append(
            (
                f"target and forgetting beside plain tuning, {words}, "
                f"{count(len(cells), 'cell')} ({seeds}{OF_BEFORE if device == 'cuda' else ''})",
                f"{sum(one.good for one in cells)} within 1% of its target with at least 90% less "
                f"loss on general text, over their seeds ({sum(one.good for one in each)} of "
                f"{len(each)} seeds); saved {min(saved):.0f}% to {max(saved):.0f}%",
                f"quality/results/{RESULTS[device].name}",
            )
        )
    return rows


def _memorization() -> Figures:
    """Return the exposure of planted secrets after plain tuning and after a fit."""
    seeds = _results("memorization")
    if not seeds:
        return []
    told = []
    for name, words in (("plain", "plain tuning"), ("fewtune", "`fit`")):
        runs = [seed[name] for seed in seeds.values()]
        every = [bit for run in runs for bit in run["bits"]]
        out = sum(sum(run["extracted"]) for run in runs)
        told.append(
            f"{words}: {out} of {len(every)} told, median {statistics.median(every):.1f} bits"
        )
    return [
        (
            f"planted secrets, each in one E2E row of 210, {count(len(seeds), 'seed')}",
            f"{'; '.join(told)} (1 is guessing, 9 the most)",
            "quality/results/memorization",
        )
    ]


def _drift() -> Figures:
    """Return how well the divergence along the base's answers ranks runs by what they forget."""
    from scipy.stats import spearmanr

    runs = list(_results("kl_proxy_own").values())
    if len(runs) < 3:
        return []
    drift = [run["own"] for run in runs]
    ranks = [
        spearmanr(drift, [run[key] for run in runs]).statistic
        for key in ("stories", "general_loss")
    ]
    return [
        (
            f"rank correlation of `drift` with what is forgotten, {count(len(runs), 'run')}",
            f"{ranks[0]:.2f} with the rise on the base's stories, {ranks[1]:.2f} on general text",
            "quality/results/kl_proxy_own",
        )
    ]


def _regret() -> Figures:
    """Return how far ``normal`` is behind the best of thirty configurations, over whole cells."""
    from benchmarks.quality.regret import CELLS, every, together, unit

    found = {name: list(seeds.values()) for name in CELLS if (seeds := every(name))}
    if not found:
        return []
    cells = {name: together(name, seeds) for name, seeds in found.items()}
    told = []
    for name, one in cells.items():
        mean, low, high = one.behind
        told.append(
            f"{name} {one.normal:.3f} for {one.best:.3f} ({mean:+.1f} [{low:+.1f}, {high:+.1f}]"
            f"{unit(name)}, {one.whole:.1f} x the cost)"
        )
    near = sum(one.near for one in cells.values())
    counts = [len(seeds) for seeds in found.values()]
    most = count(max(counts), "seed")
    return [
        (
            "`--effort normal` for the best of 30 configurations on the test rows (accuracy of "
            "classifiers, else nats/byte; behind it in points or % of the loss, with the interval "
            f"over seeds; {most if min(counts) == max(counts) else f'{min(counts)} to {most}'})",
            f"{near} of {count(len(found), 'cell')} within 2 points or 2% in the mean: "
            f"{'; '.join(told)}",
            "quality/results/regret",
        ),
        *_regret_within_budget(cells),
    ]


def _regret_within_budget(cells: dict[str, Any]) -> Figures:
    """Return the same against the best that keeps the budget of general loss, where asked for."""
    from benchmarks.quality.regret import BUDGET, MOST_SHARE

    told = []
    near = 0
    for name, one in cells.items():
        if one.rise is not None and one.held is not None:
            mean, low, high = one.held
            near += mean <= MOST_SHARE
            told.append(
                f"{name} {mean:+.1f} [{low:+.1f}, {high:+.1f}]% (the best of all has "
                f"{100 * one.rise:.0f}% more loss on general text)"
            )
    if not told:
        return []
    return [
        (
            "the same against the best configuration that keeps the budget of forgetting "
            f"({100 * BUDGET:g}% of the loss on general text), language models",
            f"{near} of {count(len(told), 'cell')} within 2%: {'; '.join(told)}",
            "quality/results/regret",
        )
    ]


def _calibration() -> Figures:
    """Return calibration without held-out rows, over the cells."""
    runs = _results("calibration")
    cells = list(dict.fromkeys(run["cell"] for run in runs))
    told = []
    for cell in cells:
        some = [run for run in runs if run["cell"] == cell]
        before, after, held = (
            statistics.mean(values)
            for values in (
                [run["error_before"] for run in some],
                [run["error_after"]["value"] for run in some],
                [run["coverage"]["value"] for run in some],
            )
        )
        told.append(f"{cell} {before:.3f} → {after:.3f}, sets hold {100 * held:.1f}%")
    return [
        (
            f"calibration error before and after, coverage of 90% sets "
            f"({count(len(runs) // len(cells), 'seed')})",
            "; ".join(told),
            "quality/results/calibration",
        )
    ]


def _value_curve() -> Figures:
    """Return how often the stated interval of a gain held what twice the rows brought."""
    runs = _results("value_curve")
    said = [run for run in runs if not run["doubt"]]
    if not said:
        return []
    inside = sum(run["low"] <= run["measured"] <= run["high"] for run in said)
    half = statistics.mean((run["high"] - run["low"]) / 2 for run in said)
    gain = statistics.mean(run["measured"] for run in said)
    return [
        (
            f"what twice the rows bring, told from the rows alone (Banking77, {len(said)} draws)",
            f"{inside} of {len(said)} gains inside the stated interval, ± {100 * half:.1f} points "
            f"on average where {100 * gain:.1f} were gained",
            "quality/results/value_curve",
        )
    ]


def _rotations() -> Figures:
    """Return what judging in turn tells beside one test part."""
    runs, found = _results("rotations"), []
    for each in sorted({run["each"] for run in runs}):
        some = [run for run in runs if run["each"] == each]
        own = [run["TF-IDF"] for run in some]
        sure, alone = (
            sum(one[name][1] > 0 for one in own) / len(own) for name in ("rotations", "one_part")
        )
        held = sum(o["rotations"][1] <= o["truth"] <= o["rotations"][2] for o in own) / len(own)
        truth = 100 * sum(one["truth"] for one in own) / len(own)
        told = (
            f"{some[0]['rows']} rows of ten Banking77 classes, a head against TF-IDF (truly "
            f"{truth:+.1f} points), {len(own)} draws",
            f"surely better in {sure:.0%} where all rows judge in turn, in {alone:.0%} where a "
            f"fifth does; the interval holds the truth in {held:.0%}",
            "quality/results/rotations",
        )
        found.append(told)
    return found


def _results(name: str) -> Any:
    path = HERE / "quality" / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}
