"""Right answers of the shipped model on the package's probes of general ability.

    python -m pretraining.probes --model src/fewtune/models/builtin --out .pretrain/probes.json

An option's score is the sum of its tokens' log-probabilities after the context,
less the option's mean over the contexts of its group (``centred``, see the
probes' README) or not (``plain``). Intervals: 95%, bootstrap over groups.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from fewtune.measures.probes import KINDS, ProbeItem, items
from pretraining.samples import load


def option_scores(folder: Path, asked: list[ProbeItem]) -> list[np.ndarray]:
    """Return for each item the log-probability of each of its options after its context."""
    tokenizer, model = load(folder)
    model = model.float()
    out = []
    for item in asked:
        start = tokenizer(tokenizer.bos_token + item.context).input_ids
        ends = [tokenizer(option).input_ids for option in item.options]
        longest = max(map(len, ends))
        ids = torch.tensor([start + end + [0] * (longest - len(end)) for end in ends])
        with torch.no_grad():
            found = model(ids).logits[:, len(start) - 1 : -1].log_softmax(-1)
        out.append(
            np.array(
                [
                    sum(float(row[place, token]) for place, token in enumerate(end))
                    for row, end in zip(found, ends, strict=True)
                ]
            )
        )
    return out


def grouped(
    asked: list[ProbeItem], scores: list[np.ndarray], *, centred: bool
) -> dict[str, list[list[bool]]]:
    """Return for each kind the groups of items, each item as right or wrong."""
    members: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, item in enumerate(asked):
        members[item.kind, item.options].append(number)
    out: dict[str, list[list[bool]]] = {kind: [] for kind in KINDS}
    for (kind, _), numbers in members.items():
        table = np.array([scores[number] for number in numbers])
        if centred:
            table = table - table.mean(0)
        out[kind].append(
            [int(row.argmax()) == asked[n].answer for row, n in zip(table, numbers, strict=True)]
        )
    return out


def accuracy(groups: list[list[bool]]) -> dict[str, float | int]:
    """Return the share of right answers in percent with its interval."""
    right = np.array([sum(group) for group in groups])
    size = np.array([len(group) for group in groups])
    draws = np.random.default_rng(0).integers(0, len(groups), (10_000, len(groups)))
    sampled = 100 * right[draws].sum(1) / size[draws].sum(1)
    low, high = np.quantile(sampled, [0.025, 0.975])
    return {
        "value": round(float(100 * right.sum() / size.sum()), 1),
        "low": round(float(low), 1),
        "high": round(float(high), 1),
        "items": int(size.sum()),
        "groups": len(groups),
    }


def measure(folder: Path) -> dict[str, dict[str, object]]:
    """Return accuracy by kind, plain and centred, beside chance."""
    asked = items()
    scores = option_scores(folder, asked)
    sides = {
        "centred": grouped(asked, scores, centred=True),
        "plain": grouped(asked, scores, centred=False),
    }
    chance = {item.kind: round(100 * item.chance, 1) for item in asked}
    return {
        kind: {"chance": chance[kind]} | {side: accuracy(g[kind]) for side, g in sides.items()}
        for kind in KINDS
    }


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("src/fewtune/models/builtin"))
    parser.add_argument("--out", type=Path, default=Path(".pretrain/probes.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(options.model)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    for kind, row in found.items():
        print(kind, json.dumps(row))


if __name__ == "__main__":
    main()
