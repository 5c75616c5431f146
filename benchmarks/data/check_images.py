"""Checks of images on photos of hands: near copies, conflicts, flipped labels, far test images.

    python -m benchmarks.data.check_images [--model ../shared/models/mobilenet_v2]
        [--only near,clean,flips,far]

sign_digits has 2,062 photos of ten classes. Near copies: each planted file is a changed copy of one
photo; a pair is right if both files come from one photo, and so is a photo's copy that is named
with it. Limits of the search were chosen on the 700 photos that ``random.Random(0)`` draws; the
figures here are of the other 1,362. Flips: 10% of the labels; "named" are the rows that the check
names, "clean" those that it names before any label is flipped. Far: the photos of one class, taken
out of the training rows, and tiles of two other photos (scikit-learn's), as test images. What
depends on a model is only measured with ``--model``.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from benchmarks.common import save, shared
from benchmarks.data._check_common import flip_labels, said, wilson
from fewtune.checks._features import leave_one_out
from fewtune.checks.base import Context, ModelView
from fewtune.checks.run import run
from fewtune.data.load import load
from fewtune.data.near_images import near_images
from fewtune.records import Dataset, Example

EACH = 50
SEEDS = range(3)
PARTS = ("near", "clean", "flips", "far")


def cropped(image: Image.Image, draw: random.Random, most: float) -> Image.Image:
    """Return a part of the image at its size, from half of ``most`` to all of it cut away."""
    (width, height), kept = image.size, 1 - draw.uniform(most / 2, most)
    x, y = draw.uniform(0, 1 - kept) * width, draw.uniform(0, 1 - kept) * height
    box = tuple(round(v) for v in (x, y, x + kept * width, y + kept * height))
    return image.crop(box).resize(image.size, Image.Resampling.BICUBIC)


def recoloured(image: Image.Image, draw: random.Random) -> Image.Image:
    kind = draw.randrange(5)
    if kind == 0:
        return ImageEnhance.Brightness(image).enhance(draw.choice([0.6, 1.4]))
    if kind == 1:
        return ImageEnhance.Contrast(image).enhance(draw.choice([0.6, 1.5]))
    if kind == 2:
        return ImageEnhance.Color(image).enhance(draw.choice([0.2, 2.0]))
    if kind == 3:
        return ImageOps.grayscale(image).convert("RGB")
    hue, saturation, value = image.convert("HSV").split()
    turn = draw.randrange(20, 60)
    turned = Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value))
    return turned.convert("RGB")


def both(image: Image.Image, draw: random.Random) -> Image.Image:
    return recoloured(cropped(ImageOps.mirror(image), draw, 0.2), draw)


CHANGES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "compressed": lambda image, draw: image,
    "half size": lambda image, draw: image.resize((image.width // 2, image.height // 2)),
    "mirrored": lambda image, draw: ImageOps.mirror(image),
    "cropped by up to 10%": lambda image, draw: cropped(image, draw, 0.1),
    "cropped by up to 20%": lambda image, draw: cropped(image, draw, 0.2),
    "cropped by up to 30%": lambda image, draw: cropped(image, draw, 0.3),
    "recoloured": recoloured,
    "mirrored, cropped by up to 20%, recoloured": both,
}


def near_copies(data: Dataset, seed: int, folder: Path) -> dict:
    """Plant changed copies, and count which are found and which finds are wrong."""
    draw = random.Random(seed)
    paths = [e.input for e in data]
    family, how = list(range(len(paths))), [""] * len(paths)
    for name, change in CHANGES.items():
        for row in draw.sample(range(len(data)), EACH):
            path = folder / f"{seed}-{len(paths)}.jpg"
            with Image.open(paths[row]) as image:
                change(image.convert("RGB"), draw).save(path, quality=draw.choice([60, 75, 90]))
            paths.append(str(path))
            family.append(row)
            how.append(name)
    began = time.process_time()
    pairs = near_images(paths)
    seconds = time.process_time() - began
    right = [(i, j) for i, j, *_ in pairs if family[i] == family[j]]
    hit = {j for i, j in right if how[j] and i == family[j]}
    hits = Counter(how[j] for j in hit)
    planted = EACH * len(CHANGES)
    print(f"seed {seed}: {len(data):,} photos, {planted} copies, {seconds:.1f} s of CPU")
    print(f"  {said('recall', len(hit), planted)}, {said('precision', len(right), len(pairs))}")
    for name in CHANGES:
        print(f"    {said(name, hits[name], EACH)}")
    return {
        "seed": seed,
        "recall": wilson(len(hit), planted),
        "precision": wilson(len(right), len(pairs)),
        "by_change": {name: wilson(hits[name], EACH) for name in CHANGES},
        "cpu_seconds": round(seconds, 1),
    }


def copies(data: Dataset, folder: Path) -> dict:
    """Plant copies of files under the same and under another label, 5% each."""
    draw = random.Random(0)
    found = {}
    for check, same in (("exact_duplicates", True), ("conflicting_targets", False)):
        rows, wanted = list(data.examples), set()
        for number, example in enumerate(draw.sample(rows, len(data) // 20)):
            path = folder / f"{check}-{number}.jpg"
            path.write_bytes(Path(example.input).read_bytes())
            other = draw.choice([label for label in data.labels if label != example.target])
            label = example.target if same else other
            rows.append(Example(str(path), label, str(path)))
            wanted |= {example.source, str(path)}
        mixed = replace(data, examples=tuple(rows))
        named = {s for f in run(Context(mixed), [check]).findings for s in f.rows}
        print(f"{said(check + ' named', len(named & wanted), len(wanted))}, "
              f"{len(named - wanted)} others named")  # fmt: skip
        found[check] = {
            "recall": wilson(len(named & wanted), len(wanted)), "wrong": len(named - wanted)
        }  # fmt: skip
    return found


def flips(data: Dataset, seed: int, model: ModelView | None) -> dict:
    """Flip 10% of the labels, and count how many of the rows named were flipped."""

    def named_by(rows: Dataset) -> tuple[set[str], Context]:
        context = Context(rows, model=model)
        return {s for f in run(context, ["label_errors"]).findings for s in f.rows}, context

    clean = len(named_by(data)[0])
    mixed, flipped = flip_labels(data, 0.1, seed)
    named, context = named_by(mixed)
    held_out = leave_one_out(context)
    planted = np.array([mixed[int(i)].source in flipped for i in held_out.rows])
    own = held_out.probabilities[np.arange(len(held_out.rows)), held_out.given]
    k = int(planted.sum())
    at_k = int(planted[np.argsort(own, kind="stable")[:k]].sum())
    right = len(named & flipped)
    name = model.name if model else "no model"
    print(f"flips, {name}, seed {seed}: accuracy {held_out.accuracy:.2f}, "
          f"{said('precision@k', at_k, k)}, {said('named', right, len(named))}, "
          f"recall {right / k:.2f}, clean {clean} of {len(data):,}", flush=True)  # fmt: skip
    return {
        "model": name,
        "seed": seed,
        "accuracy": held_out.accuracy,
        "precision_at_k": wilson(at_k, k),
        "precision": wilson(right, len(named)),
        "recall": wilson(right, k),
        "clean": clean,
    }


def far(data: Dataset, model: ModelView | None, folder: Path) -> dict:
    """Count the test images named as far: of an unknown class, of another world, and usual ones."""
    draw = random.Random(0)
    test = set(draw.sample(range(len(data)), 400))
    unknown = data.labels[0]
    train = tuple(e for i, e in enumerate(data) if i not in test and e.target != unknown)
    asked = [e for i, e in enumerate(data) if i in test]
    for number, photo in enumerate(load_sample_images().images):
        for at in range(20):
            path = folder / f"tile-{number}-{at}.png"
            y, x = (draw.randrange(side - 100) for side in photo.shape[:2])
            Image.fromarray(photo[y : y + 100, x : x + 100]).save(path)
            asked.append(Example(str(path), "none", f"tile {number} {at}"))
    report = run(
        Context(
            replace(data, examples=train), Dataset(tuple(asked), data.shape, "test"), model
        ),
        ["coverage"],
    )  # fmt: skip
    named = {s for f in report.findings for s in f.rows if "test" in f.evidence}
    result = {}
    for kind, rows in (
        ("of an unknown class", [e for e in asked if e.target == unknown]),
        ("of another world", [e for e in asked if e.target == "none"]),
        ("usual", [e for e in asked if e.target not in (unknown, "none")]),
    ):
        hit = sum(e.source in named for e in rows)
        print(f"far, {model.name if model else 'no model'}: {said(kind, hit, len(rows))}")
        result[kind] = wilson(hit, len(rows))
    return result


def main() -> None:
    photos = load(shared("data", "sign_digits"))
    model = None
    if "--model" in sys.argv:
        from fewtune.models.view import view

        model = view(sys.argv[sys.argv.index("--model") + 1], "labelled_image")
    used = set(random.Random(0).sample(range(len(photos)), 700))
    others = tuple(e for i, e in enumerate(photos) if i not in used)
    name = "data/check_images" + ("_model" if model else "")
    kept = Path(__file__).with_name("results") / f"{name.rpartition('/')[2]}.json"
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else []
    results: dict[str, object] = json.loads(kept.read_text())["results"] if only else {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if model is None and "near" in (only or PARTS):
            rest = replace(photos, examples=others)
            results["near"] = [near_copies(rest, seed, folder) for seed in SEEDS]
            results["copies"] = copies(photos, folder)
        if model is None and "clean" in (only or PARTS):
            clean = run(Context(photos)).findings
            print("all checks on the photos as they are:", *(f"  {f.severity} {f.check}: "
                  f"{f.evidence}" for f in clean), sep="\n")  # fmt: skip
            results["clean"] = [f"{f.severity} {f.check}" for f in clean]
        if "flips" in (only or PARTS):
            results["flips"] = [flips(photos, seed, model) for seed in SEEDS]
        if "far" in (only or PARTS):
            results["far"] = far(photos, model, folder)
    save(name, results)


if __name__ == "__main__":
    main()
