"""200 front-desk chats on the built-in model: loss per byte on held-out chats, before and after."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from benchmarks.common import command, save

SEED = 0
CHATS = 200
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "front_desk"


def main() -> None:
    """Print the figures and keep the raw results."""
    lines = (EXAMPLE / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    random.Random(SEED).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "chats.jsonl", Path(folder) / "run"
        data.write_text("\n".join(lines[:CHATS]) + "\n", encoding="utf-8")
        test = EXAMPLE / "conversations_test.jsonl"
        answer, seconds = command(
            "fit", str(data), "--test", str(test), "--model", "builtin",
            "--effort", "quick", "--seed", str(SEED), "-o", str(run),
        )  # fmt: skip
        paired = json.loads((run / "scores.json").read_text())["paired"]["base"]
        samples = [json.loads(line) for line in (run / "predictions.jsonl").open()]
    told = [s for s in samples if s.get("output") is not None]
    tuned, base = answer["scores"]["loss_per_byte"], answer["controls"]["base"]["loss_per_byte"]
    for name, score in (("tuned", tuned), ("base", base), ("tuned − base", paired)):
        print(
            f"{name:13} {score['value']:+.4f} nats/byte [{score['low']:+.4f}, {score['high']:+.4f}]"
            f" n = {score['n']}, seed {SEED}"
        )
    print(f"{100 * (1 - tuned['value'] / base['value']):.1f}% below base; {seconds:.0f} s in all")
    print(f"{sum(s['ended'] for s in told)} of {len(told)} sampled answers end by themselves")
    for sample in told[:5]:
        print(f"  wanted: {sample['target']}\n  tuned:  {sample['output']}")
    results = {
        "tuned": tuned, "base": base, "paired": paired, "seconds": seconds,
        "samples": [{k: s[k] for k in ("target", "output", "base_output", "ended")} for s in told],
    }  # fmt: skip
    print(save("fit/front_desk_chats", results))


if __name__ == "__main__":
    main()
