"""The figures that the README shows, read from the results that the benchmarks wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.few_shot_figures import Figures, count
from benchmarks.quality_figures import quality_figures

__all__ = ["figures"]

HERE = Path(__file__).resolve().parent


def figures() -> Figures:
    """Return every figure with the path of its results, from this folder."""
    every = [
        *quality_figures(),
        *_fit_figures(),
        *_diagnosis(),
        *_training(),
        *_data_figures(),
    ]
    # What is kept run by run lies in a folder.
    return [
        (what, figure, name if (HERE / name).is_dir() else f"{name}.json")
        for what, figure, name in every
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
            f"seeds after it was mended); {sum(clean)} of {count(len(clean), 'clean run')} blamed",
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
            f"memory told before a fit against its peak, {count(len(off), 'configuration')}",
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
