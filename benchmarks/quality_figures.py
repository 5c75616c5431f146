"""The figures of ``benchmarks/quality`` that the README shows, read from their results."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common import kept
from benchmarks.few_shot_figures import Figures, count, few_shot_figures

__all__ = ["quality_figures"]


def quality_figures() -> Figures:
    """Return every figure with the path of its results, from this folder."""
    return [
        *few_shot_figures(),
        *_target_and_forgetting("cpu"),
        *_target_and_forgetting("cuda"),
        *_memorization(),
        *_drift(),
        *_regret(),
        *_calibration(),
        *_intervals(),
        *_value_curve(),
        *_rotations(),
    ]


OF_BEFORE = ", on a GPU, some refits held and as long as the rules of before had them"
"""What has been run there since these rules changed, ``quality/PROTOCOL.md`` says."""


def _target_and_forgetting(device: str) -> Figures:
    """Return how many cells keep the target and save nine tenths of what plain tuning forgets."""
    from benchmarks.quality._target_judged import JUDGED, RESULTS, kept, pairs, together, weighed

    rows: Figures = []
    for name, words in JUDGED.items():
        there = pairs(kept(device), name)
        if not there:
            continue
        by_cell = [[weighed(*pair) for pair in fits] for fits in there.values()]
        cells = [together(seeds) for seeds in by_cell]
        each = [one for seeds in by_cell for one in seeds]
        counts = [len(seeds) for seeds in by_cell]
        seeds = "1 seed each" if max(counts) == 1 else f"{min(counts)} to {max(counts)} seeds each"
        saved = [100 * one.saved for one in cells]
        rows.append(
            (
                f"target and forgetting beside plain tuning, {words}, "
                f"{count(len(cells), 'cell')} ({seeds}{OF_BEFORE if device == 'cuda' else ''})",
                f"{sum(one.good for one in cells)} within 1% of its target with at least 90% less "
                f"loss on general text, over their seeds ({sum(one.good for one in each)} of "
                f"{len(each)} seeds); saved {min(saved):.0f}% to {max(saved):.0f}%"
                f"{_probes(there)}",
                f"quality/results/{RESULTS[device].name}",
            )
        )
    return rows


MODELS = {"builtin": "the built-in model"}
"""What a model is called where it is not by its name."""


def _probes(there: dict[str, Any]) -> str:
    """Return what is saved by the probes' own score, and how well one fit tells that score."""
    from benchmarks.quality._target_judged import probed

    found = {cell: seen for cell, fits in there.items() if (seen := probed(fits))}
    if not found:
        return ""
    by_model: dict[str, list[float]] = {}
    for cell, seen in found.items():
        by_model.setdefault(cell.rpartition("/")[2], []).append(100 * seen.saved)
    told = []
    for model, saved in sorted(by_model.items()):
        several = f" to {max(saved):.0f}%" if len(saved) > 1 else ""
        told.append(f"{min(saved):.0f}%{several} with {MODELS.get(model, model)}")
    noise = 100 * statistics.mean(seen.noise[1] for seen in found.values())
    return (
        f". Of what plain tuning forgets of the probes (right before, wrong after, less chance) it "
        f"saves {', '.join(told)}: at least 90% in {sum(s.saved >= 0.9 for s in found.values())} "
        f"of {count(len(found), 'cell')}; one fit tells its share of them to ±{noise:.1f} points"
    )


def _memorization() -> Figures:
    """Return the exposure of planted secrets after plain tuning and after a fit."""
    seeds = kept("quality/memorization", {})
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

    runs = list(kept("quality/kl_proxy_own", {}).values())
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
    from benchmarks.quality._regret_cells import CELLS
    from benchmarks.quality._regret_judged import every, together, unit

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
    from benchmarks.quality._regret_judged import BUDGET, MOST_SHARE

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
    runs = kept("quality/calibration", [])
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


def _intervals() -> Figures:
    """Return in how many cells 95% intervals hold a known truth as often as they say."""
    from benchmarks.quality.intervals import LEAST, MOST, good

    cells = kept("quality/intervals", [])
    if not cells:
        return []
    sizes = sorted({cell["n"] for cell in cells})
    sets = min(last - first + 1 for first, last in (cell["seeds"] for cell in cells))
    missed = [
        f"{cell['cell']} at {cell['n']}: {100 * cell['covered']:.1f}%"
        for cell in cells
        if not good(cell)
    ]
    return [
        (
            f"coverage of 95% intervals, {sets} simulated data sets a cell whose truth is known, "
            f"of {', '.join(map(str, sizes[:-1]))} and {sizes[-1]} rows or groups",
            f"{sum(map(good, cells))} of {count(len(cells), 'cell')} hold it in {100 * LEAST:.0f}% "
            f"to {100 * MOST:.0f}% of them (not: {'; '.join(missed) or 'none'})",
            "quality/results/intervals",
        )
    ]


def _value_curve() -> Figures:
    """Return how often the stated interval of a gain held what twice the rows brought."""
    runs = kept("quality/value_curve", [])
    said = [run for run in runs if not run["doubt"]]
    if not said:
        return []
    inside = sum(run["low"] <= run["measured"] <= run["high"] for run in said)
    half = statistics.mean((run["high"] - run["low"]) / 2 for run in said)
    gain = statistics.mean(run["measured"] for run in said)
    return [
        (
            f"what twice the rows bring, told from the rows alone (Banking77, {len(runs)} draws)",
            f"{inside} of the {len(said)} told, of {len(runs)}, inside the stated interval, "
            f"± {100 * half:.1f} points on average where {100 * gain:.1f} were gained; the others "
            "were not told",
            "quality/results/value_curve",
        )
    ]


def _rotations() -> Figures:
    """Return what judging in turn tells beside one test part."""
    runs, found = kept("quality/rotations", []), []
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
