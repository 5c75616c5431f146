"""The figures that the README shows, read from the results that the benchmarks wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

Figures = list[tuple[str, str, str]]
"""What was measured, what it came to, and the results it is read from, without their ending."""


def figures() -> Figures:
    """Return every figure with the path of its results, from this folder."""
    every = [
        *_few_shot(),
        *_fit_figures(),
        *_target_and_forgetting(),
        *_diagnosis(),
        *_training(),
        *_data_figures(),
    ]
    # What is kept run by run lies in a folder.
    return [
        (what, figure, name if (HERE / name).is_dir() else f"{name}.json")
        for what, figure, name in every
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
    "trainer": "the transformers Trainer at the best of three rates",
}


def _few_shot() -> Figures:
    """Return `fit` beside its rivals, each over the seeds that both have."""
    kept = [json.loads(p.read_text()) for p in (HERE / "quality/results/few_shot").glob("*.json")]
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for one in kept:
        name = one["contender"].partition("-")[0]
        runs = found.setdefault((one["cell"], name), {})
        # Of the Trainer's rates the best on the test rows counts, in its favour.
        if one["seed"] not in runs or runs[one["seed"]]["accuracy"] < one["accuracy"]:
            runs[one["seed"]] = one
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
                few = "" if len(seeds) == len(ours) else f" ({_count(len(seeds), 'seed')})"
                told.append(f"{words} {_mean(theirs, seeds)}{few}")
        rows.append(
            (
                f"{what}, all-MiniLM-L6-v2, `fit --effort quick`, {_count(len(ours), 'seed')}",
                f"{_mean(ours, sorted(ours))}; {', '.join(told)}; "
                f"{next(iter(ours.values()))['n']:,} test rows",
                "quality/results/few_shot",
            )
        )
    return rows


def _mean(runs: dict[int, dict[str, Any]], seeds: list[int]) -> str:
    return f"{100 * sum(runs[seed]['accuracy'] for seed in seeds) / len(seeds):.2f}%"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _target_and_forgetting() -> Figures:
    """Return how many cells keep the target and save nine tenths of what plain tuning forgets."""
    from benchmarks.quality.target_and_forgetting import COMPARED, kept, weighed

    both = [weighed(found) for found in kept().values() if set(COMPARED) <= set(found)]
    if not both:
        return []
    saved = [100 * one["saved"] for one in both]
    return [
        (
            f"target and forgetting beside plain tuning, {_count(len(both), 'cell')} (seed 0)",
            f"{sum(one['good'] for one in both)} within 1% of its target with at least 90% less "
            f"loss on general text; saved {min(saved):.0f}% to {max(saved):.0f}%",
            "quality/results/target_and_forgetting",
        )
    ]


def _diagnosis() -> Figures:
    """Return how many planted faults were named rightly, and how many clean runs were blamed."""
    from benchmarks.diagnosis.faults import RUNS, alarmed, kept, right

    faults = [(name, run) for name in RUNS for run in kept("faults", name).values()]
    planted = [right(name, run) for name, run in faults if name != "clean"]
    clean = [alarmed(run) for name, run in faults if name == "clean"]
    return [
        (
            "planted faults of data and settings, twelve kinds",
            f"{sum(planted)} of {len(planted)} named first (of 240 planned; one kind on fresh "
            f"seeds after it was mended); {sum(clean)} of {_count(len(clean), 'clean run')} blamed",
            "diagnosis/results",
        )
    ]


def _training() -> Figures:
    """Return memory against its estimate, and the races."""
    memory = _results("speed/results/memory")["configurations"].values()
    off = [m["told"]["estimated_bytes"] / m["peak_bytes"] - 1 for m in memory]
    lora = _results("speed/results/peers_lora")["figures"]
    told = ", ".join(
        f"{name} {figure['tokens_per_second']:.0f}"
        for name, figure in lora.items()
        if name != "fewtune"
    )
    own = lora["fewtune"]
    return [
        (
            f"memory told before a fit against its peak, {_count(len(off), 'configuration')}",
            f"off by {100 * min(off):+.0f}% to {100 * max(off):+.0f}%",
            "speed/results/memory",
        ),
        (
            "LoRA on a 34M Llama shape, one thread, float32, tokens a second",
            f"{own['tokens_per_second']:.0f} [{own['low']:.0f}, {own['high']:.0f}]; {told}",
            "speed/results/peers_lora",
        ),
    ]


def _fit_figures() -> Figures:
    """Return what fits from the command line came to."""
    chats = _results("fit/results/front_desk_chats")
    e2e = _results("fit/results/e2e")
    drops = []
    for found in (chats, e2e):
        paired = found["paired"]
        drops.append(
            f"{found['base']['value']:.3f} → {found['tuned']['value']:.3f} nats/byte, difference "
            f"{paired['value']:+.3f} [{paired['low']:+.3f}, {paired['high']:+.3f}], "
            f"{paired['n']:,} rows, {found['seconds']:.0f} s in all"
        )
    return [
        (
            "200 front-desk chats on the built-in model (seed 0)",
            drops[0],
            "fit/results/front_desk_chats",
        ),
        ("200 E2E pairs on stories260K (seed 0, on a busy machine)", drops[1], "fit/results/e2e"),
    ]


def _data_figures() -> Figures:
    """Return what the checks came to."""
    speed = {record["rows"]: record for record in _results("data/results/check_speed")}
    personal = _results("data/results/check_personal")["unread"]
    text = re.findall(r"\((\d+) of (\d+)\)", personal["text"])
    (found, there), (right, named) = text
    flipped = _results("data/results/check_labels")
    bank = next(r for r in flipped if r["set"] == "Banking77" and r["seed"] == 0)
    desk = [r for r in flipped if r["set"] == "front desk"]
    copies = [
        record
        for part in ("planted", "planted front desk")
        for record in _results("data/results/check_planted")[part]
        if record["check"] == "exact_duplicates"
    ]
    rows = [
        (
            f"all checks without a model, {size:,} rows",
            f"{speed[size]['cpu_seconds']:.1f} s of processor time, "
            f"{speed[size]['peak_mib']:,.0f} MiB",
            "data/results/check_speed",
        )
        for size in sorted(speed)
    ]
    rows += [
        (
            f"personal data, {personal['sentences']} sentences not used in making the patterns",
            f"{found} of {there} pieces found {_share(personal['recall'])}; "
            f"{right} of {named} finds right {_share(personal['precision'])}",
            "data/results/check_personal",
        ),
        *(
            (
                f"copies planted in {record['set']}",
                f"found {_share(record['recall'], whole=True)}, {record['wrong']} wrong",
                "data/results/check_planted",
            )
            for record in copies
        ),
        (
            f"{bank['set']}, {bank['rows']:,} rows, a tenth of the labels flipped (seed 0)",
            f"{bank['named']:,} rows named as label errors, {bank['right']:,} of them flipped",
            "data/results/check_labels",
        ),
        (
            f"the front-desk set, a tenth of the labels flipped ({len(desk)} seeds)",
            f"{sum(r['named'] for r in desk):,} rows named, "
            f"{sum(r['right'] for r in desk):,} of them flipped",
            "data/results/check_labels",
        ),
    ]
    modelled = _results("data/results/check_labels_minilm")
    near, images = (
        _results("data/results/near_duplicates"),
        _results("data/results/check_images")["near"],
    )
    rows += [
        (
            f"the same on {len(modelled)} sets with `--model minilm` (seed 0)",
            f"{sum(r['named'] for r in modelled):,} rows named, "
            f"{sum(r['right'] for r in modelled):,} of them flipped",
            "data/results/check_labels_minilm",
        ),
        (
            f"near-duplicates planted in Banking77 ({len(near['planted'])} seeds)",
            f"found {_share(near['recall'], True)}, pairs right {_share(near['precision'], True)}",
            "data/results/near_duplicates",
        ),
        (
            f"changed copies planted among photos of hands ({len(images)} seeds)",
            "found "
            + ", ".join(f"{100 * r['recall'][0]:.1f}%" for r in images)
            + "; pairs right "
            + ", ".join(f"{100 * r['precision'][0]:.1f}%" for r in images),
            "data/results/check_images",
        ),
    ]
    return rows


def _results(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["results"]


def _share(figures: list[float], whole: bool = False) -> str:
    """Return the interval of a share, and the share before it where asked."""
    value, low, high = (f"{100 * figure:.3g}%" for figure in figures)
    return f"{value} [{low}, {high}]" if whole else f"[{low}, {high}]"
