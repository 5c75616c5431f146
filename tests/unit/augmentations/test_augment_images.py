"""Images by hand: a mirror, and how far the other changes go."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from fewtune.augmentations.run import augment, build
from fewtune.errors import DataError, PlanError
from fewtune.records import Example


def saved(path, pixels):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Example(str(path), "x", str(path.name), digest=digest)


def run(name, rows, folder, per_row=1, **options):
    parts = build([(name, options)])
    return augment(rows, parts, shape="labelled_image", folder=folder, per_row=per_row)


def pixels(example):
    with Image.open(example.input) as image:
        return np.asarray(image)


def test_a_flip_is_a_mirror_and_a_symmetric_image_has_none(tmp_path):
    left = [[[9, 0, 0], [0, 9, 0]], [[1, 2, 3], [4, 5, 6]]]
    rows = [saved(tmp_path / "a.png", left), saved(tmp_path / "b.png", np.zeros((2, 2, 3)))]
    made = run("image_flip", rows, tmp_path / "new", per_row=3)
    (new,) = made.examples
    assert pixels(new).tolist() == [row[::-1] for row in left]
    assert made.dropped == {"nothing in the row to change": 1}
    assert [p.name for p in (tmp_path / "new").iterdir()] == [new.input.rsplit("/", 1)[-1]]


@pytest.mark.parametrize("name", ["image_crop", "image_rotation", "image_colour"])
def test_size_stays_and_variations_differ(name, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (10, 14, 3))
    made = run(name, [saved(tmp_path / "a.png", noise)], tmp_path / "new", per_row=3)
    assert len(made.examples) == 3
    found = [pixels(e) for e in made.examples]
    assert {p.shape for p in found} == {(10, 14, 3)}
    assert len({p.tobytes() for p in found}) == 3


def test_colour_keeps_within_its_bound(tmp_path):
    grey = saved(tmp_path / "a.png", np.full((4, 4, 3), 100))
    made = run("image_colour", [grey], tmp_path / "new", per_row=8, most=0.1)
    # One grey: contrast and saturation change nothing, brightness a tenth at most.
    assert all(89 <= pixels(e).min() <= pixels(e).max() <= 111 for e in made.examples)


def test_equal_images_of_two_rows_give_one_variation(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3))
    rows = [saved(tmp_path / "a.png", noise), saved(tmp_path / "b.png", noise)]
    made = run("image_rotation", rows, tmp_path / "new")
    (new,) = made.examples
    assert made.dropped == {"copy of another row": 1}
    assert pixels(new).shape == (6, 6, 3)


def test_faults_are_said(tmp_path):
    with pytest.raises(PlanError, match="a folder for the images"):
        run("image_flip", [], None)
    missing = Example(str(tmp_path / "no.png"), "x", "f.csv:3")
    with pytest.raises(DataError, match=r"f\.csv:3"):
        run("image_flip", [missing], tmp_path / "new")
