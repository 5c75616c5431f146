"""E2E, 200 training pairs: loss per byte of stories260K on the test file, before and after.

The 200 pairs come from 100 meaning representations; the test rows are E2E's own test file.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from benchmarks.common import command, read_csv, save, shared, write_csv

SEED = 0
TEST_ROWS = 1000


def main() -> None:
    """Print the figures and keep the raw results."""
    model = shared("models", "stories260K")
    rows = read_csv(shared("data", "e2e", "devset.csv"))
    test = read_csv(shared("data", "e2e", "testset_w_refs.csv"))
    drawn = random.Random(SEED)
    meanings = sorted({row["mr"] for row in rows})
    drawn.shuffle(meanings)
    few = [row for meaning in meanings[:100] for row in [r for r in rows if r["mr"] == meaning][:2]]
    drawn.shuffle(test)
    with tempfile.TemporaryDirectory() as folder:
        train_file = write_csv(Path(folder) / "train.csv", few)
        test_file = write_csv(Path(folder) / "test.csv", test[:TEST_ROWS])
        run = Path(folder) / "run"
        answer, seconds = command(
            "fit",
            str(train_file),
            "--test",
            str(test_file),
            "--model",
            str(model),
            "--effort",
            "quick",
            "--seed",
            str(SEED),
            "-o",
            str(run),
        )
        paired = json.loads((run / "scores.json").read_text())["paired"]["base"]
        samples = [json.loads(line) for line in (run / "predictions.jsonl").open()]
    ended = [s["ended"] for s in samples if s.get("output") is not None]
    tuned, base = answer["scores"]["loss_per_byte"], answer["controls"]["base"]["loss_per_byte"]
    for name, score in (("tuned", tuned), ("base", base), ("tuned − base", paired)):
        print(
            f"{name:13} {score['value']:+.4f} nats/byte [{score['low']:+.4f}, {score['high']:+.4f}]"
            f" n = {score['n']}, seed {SEED}"
        )
    print(f"{sum(ended)} of {len(ended)} sampled answers end by themselves; {seconds:.0f} s")
    results = {"tuned": tuned, "base": base, "paired": paired, "ended": ended, "seconds": seconds}
    print(save("fit/e2e", results))


if __name__ == "__main__":
    main()
