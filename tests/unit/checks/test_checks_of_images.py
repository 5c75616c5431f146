"""Near copies, leaks and wrong labels among images, on pictures drawn for the purpose."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from check_data import found
from PIL import Image, ImageEnhance, ImageOps

from fewtune.data.load import load
from fewtune.data.near_images import NearPair, near_images
from fewtune.data.split import split
from fewtune.data.thumbnails import thumbnail
from fewtune.records import Dataset


def drawing(seed: int, tall: bool) -> Image.Image:
    """Return a picture of soft random spots with a bright bar that stands or lies."""
    draw = np.random.default_rng(seed)
    spots = Image.fromarray(draw.integers(0, 200, (6, 6, 3), dtype=np.uint8))
    picture = spots.resize((64, 64), Image.Resampling.BICUBIC)
    place = int(draw.integers(8, 40))
    bar = (place, 4, place + 10, 60) if tall else (4, place, 60, place + 10)
    picture.paste((255, 255, 255), bar)
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("lying", "standing"):
        (tmp_path / "bars" / label).mkdir(parents=True)
        for i in range(40):
            drawing(i + 100 * (label == "standing"), label == "standing").save(
                tmp_path / "bars" / label / f"{i}.png"
            )
    return tmp_path / "bars"


CHANGES = {
    "compressed": lambda p: p,
    "smaller": lambda p: p.resize((40, 40)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.15),
    "contrast": lambda p: ImageEnhance.Contrast(p).enhance(1.2),
    "grey": lambda p: ImageOps.grayscale(p).convert("RGB"),
    "pale": lambda p: ImageEnhance.Color(p).enhance(0.3),
    "mirrored": ImageOps.mirror,
    "left cropped": lambda p: p.crop((10, 0, 64, 64)),
    "cropped to a corner": lambda p: p.crop((8, 6, 64, 62)).resize((64, 64)),
    "mirrored and cropped": lambda p: ImageOps.mirror(p.crop((0, 6, 58, 64))),
}


def nearness(path: str, other: str) -> NearPair | None:
    """Return how the second image is near to the first one."""
    return next(iter(near_images([other], [path])), None)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near_and_no_other_picture_is(folder: Path, change: str) -> None:
    paths = [e.input for e in load(folder)]
    copies = []
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            CHANGES[change](image.convert("RGB")).save(folder / f"{change}{i}.jpg", quality=60)
        copies.append(str(folder / f"{change}{i}.jpg"))
    pairs = {(i, j) for i, j, *_ in near_images(copies, paths)}
    assert len({i for i, j in pairs if i == j}) >= 76
    assert all(i == j for i, j in pairs)
    assert not near_images(paths)


def test_a_pair_says_how_the_pictures_differ(folder: Path) -> None:
    path = str(folder / "lying" / "5.png")
    with Image.open(path) as image:
        picture = image.convert("RGB")
    told = {}
    for change in CHANGES:
        CHANGES[change](picture).save(folder / f"{change}.png")
        pair = nearness(path, str(folder / f"{change}.png"))
        told[change] = pair and (pair.mirrored, pair.cropped, pair.recoloured)
    same = (False, False, False)
    assert told == {
        "compressed": same,
        "smaller": same,
        "brighter": same,
        "contrast": same,
        "grey": (False, False, True),
        "pale": (False, False, True),
        "mirrored": (True, False, False),
        "left cropped": (False, True, False),
        "cropped to a corner": (False, True, False),
        "mirrored and cropped": (True, True, False),
    }


def test_pictures_of_a_few_pixels_are_not_turned_or_cropped_until_they_fit(
    folder: Path, tmp_path: Path
) -> None:
    with Image.open(folder / "lying" / "5.png") as image:
        picture = image.convert("RGB").resize((20, 20))
    for name, changed in (("a", picture), ("b", ImageOps.mirror(picture)), ("c", picture)):
        changed.save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / f"{name}.png") for name in "abc"]
    assert [(i, j) for i, j, *_ in near_images(paths)] == [(0, 2)]


def test_a_mirrored_copy_under_another_label_is_a_note(folder: Path) -> None:
    with Image.open(folder / "lying" / "3.png") as image:
        ImageOps.mirror(image.convert("RGB")).save(folder / "standing" / "mirrored.png")
    data = load(folder)
    (finding,) = found("near_duplicates", data)
    assert finding.severity == "note"  # a left hand is no right hand
    assert "1 pair of images" in finding.evidence and "(1 mirrored)" in finding.evidence
    assert "two labels" not in finding.evidence
    where = {data[i].source: part for part in ("train", "test") for i in getattr(split(data), part)}
    assert len({where.get(row) for row in finding.rows}) == 1


def test_variations_of_images_are_no_news(folder: Path) -> None:
    data = load(folder)
    with Image.open(data[3].input) as image:
        ImageOps.mirror(image.convert("RGB")).save(folder / "lying" / "made.png")
    whole = load(folder)
    made = tuple(
        replace(e, parent=data[3].source) if e.input.endswith("made.png") else e for e in whole
    )
    assert found("near_duplicates", whole)
    assert not found("near_duplicates", replace(whole, examples=made))


def test_plain_and_broken_images_are_near_to_nothing(tmp_path: Path) -> None:
    for i, shade in enumerate((10, 10, 200)):
        Image.new("RGB", (50, 50), (shade,) * 3).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    assert not near_images(paths)
    assert thumbnail(paths[3]) is None
    assert np.all(thumbnail(paths[2]) == 200)


def test_near_copies_are_named_and_stay_together_in_a_split(folder: Path) -> None:
    assert not found("near_duplicates", load(folder))
    with Image.open(folder / "lying" / "3.png") as image:
        image.resize((50, 50)).save(folder / "standing" / "copy.png")
    data = load(folder)
    (finding,) = found("near_duplicates", data)
    assert finding.severity == "warning"  # one picture under two labels
    assert finding.rows == (f"{folder}/lying/3.png", f"{folder}/standing/copy.png")
    assert "1 pair of images" in finding.evidence and "two labels" in finding.evidence
    where = {data[i].source: part for part in ("train", "test") for i in getattr(split(data), part)}
    assert len({where.get(row) for row in finding.rows}) == 1


def test_exact_copies_are_left_to_the_other_check(folder: Path) -> None:
    copy = folder / "lying" / "copy.png"
    copy.write_bytes((folder / "lying" / "3.png").read_bytes())
    assert not found("near_duplicates", load(folder))
    assert found("exact_duplicates", load(folder))


def test_a_test_image_that_is_a_training_image_saved_again_leaks(
    folder: Path, tmp_path: Path
) -> None:
    for label in ("lying", "standing"):
        (tmp_path / "test" / label).mkdir(parents=True)
        drawing(900 + (label == "standing"), label == "standing").save(
            tmp_path / "test" / label / "new.png"
        )
    with Image.open(folder / "lying" / "7.png") as image:
        image.convert("RGB").save(tmp_path / "test" / "lying" / "old.jpg", quality=70)
    (finding,) = found("leakage", load(folder), test=load(tmp_path / "test"))
    assert finding.rows == (f"{tmp_path}/test/lying/old.jpg", f"{folder}/lying/7.png")
    assert "1 test input is nearly a training input" in finding.evidence


def test_a_copied_test_image_is_told_by_its_bytes_and_not_as_words_are(
    folder: Path, tmp_path: Path
) -> None:
    for label in ("lying", "standing"):
        (tmp_path / "test" / label).mkdir(parents=True)
        for i in range(4):
            drawing(900 + i, label == "standing").save(tmp_path / "test" / label / f"{i}.png")
    copy = tmp_path / "test" / "lying" / "another name.png"
    copy.write_bytes((folder / "lying" / "7.png").read_bytes())
    (finding,) = found("leakage", load(folder), test=load(tmp_path / "test"))
    assert finding.rows == (f"{tmp_path}/test/lying/another name.png", f"{folder}/lying/7.png")
    assert "1 test input is a copy of a training input (11% of 9): " in finding.evidence


def test_wrong_labels_of_pictures_that_pixels_tell_apart_are_named(folder: Path) -> None:
    wrong = {"lying": "standing", "standing": "lying"}
    for label in wrong:
        for i in range(40, 80):
            picture = drawing(i + 100 * (label == "standing"), label == "standing")
            picture.save(folder / label / f"{i}.png")
    data = load(folder)
    assert not found("label_errors", data)
    planted = set(random.Random(0).sample(range(160), 16))
    rows = tuple(
        replace(e, target=wrong[e.target or ""]) if i in planted else e for i, e in enumerate(data)
    )
    (finding,) = found("label_errors", replace(data, examples=rows))
    named = {data[i].source for i in planted} & set(finding.rows)
    assert len(named) >= 12
    assert len(finding.rows) <= len(named) + 1
    assert "by 16 × 16 pixels" in finding.evidence


def test_pixels_name_no_label_that_is_only_doubtful(folder: Path) -> None:
    wrong = {"lying": "standing", "standing": "lying"}
    planted = set(random.Random(0).sample(range(80), 4))
    data = load(folder)
    rows = tuple(
        replace(e, target=wrong[e.target or ""]) if i in planted else e for i, e in enumerate(data)
    )
    assert not any(f.rows for f in found("label_errors", replace(data, examples=rows)))


def test_it_abstains_where_pixels_say_nothing(folder: Path) -> None:
    draw = random.Random(1)
    data = load(folder)
    noise = Dataset(
        tuple(replace(e, target=draw.choice("ab")) for e in data), data.shape, data.name
    )
    (finding,) = found("label_errors", noise)
    assert "Abstains" in finding.evidence and not finding.rows


def test_one_file_under_two_labels_conflicts(folder: Path) -> None:
    assert not found("conflicting_targets", load(folder))
    for name in ("lying/same.png", "standing/other.png"):
        (folder / name).write_bytes((folder / "lying" / "3.png").read_bytes())
    (finding,) = found("conflicting_targets", load(folder))
    assert finding.severity == "warning"
    assert finding.rows == tuple(
        f"{folder}/{name}" for name in ("lying/3.png", "lying/same.png", "standing/other.png")
    )
    assert "“lying” and “standing”" in finding.evidence


def test_test_images_of_another_kind_are_far(folder: Path, tmp_path: Path) -> None:
    data = load(folder)
    for label in ("lying", "standing"):
        (tmp_path / "test" / label).mkdir(parents=True)
        for i in range(20):
            drawing(500 + i + 100 * (label == "standing"), label == "standing").save(
                tmp_path / "test" / label / f"{i}.png"
            )
    usual = load(tmp_path / "test")
    assert not found("coverage", data, test=usual)
    for i in range(4):
        # Stripes, which no training picture has.
        stripes = np.zeros((64, 64, 3), dtype=np.uint8)
        stripes[:, i * 2 :: 8] = 255
        Image.fromarray(stripes).resize((64, 64)).save(tmp_path / "test" / "lying" / f"s{i}.png")
    (finding,) = [f for f in found("coverage", data, test=load(tmp_path / "test"))
                  if "test rows" in f.evidence]  # fmt: skip
    assert finding.rows == tuple(f"{tmp_path}/test/lying/s{i}.png" for i in range(4))
    assert finding.severity == "warning" and "4 test rows are far" in finding.evidence


def test_thin_regions_of_images_are_told(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    slope = np.tile(np.linspace(0, 200, 64), (64, 1))
    board = 200 * (np.indices((64, 64)) // 16 % 2).sum(axis=0) % 400
    # 30 pictures rise from left to right, 30 from top to bottom, 2 are chess boards.
    for label, picture, many in (("across", slope, 30), ("down", slope.T, 30), ("odd", board, 2)):
        (tmp_path / "p" / label).mkdir(parents=True)
        for i in range(many):
            noisy = np.clip(picture + draw.normal(20, 10, (64, 64)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).convert("RGB").save(tmp_path / "p" / label / f"{i}.png")
    (finding,) = found("coverage", load(tmp_path / "p"))
    assert finding.severity == "note"
    assert finding.rows == (f"{tmp_path}/p/odd/0.png", f"{tmp_path}/p/odd/1.png")
    assert "1 region is thin, the thinnest with 2 rows" in finding.evidence
    assert "by 16 × 16 pixels" in finding.evidence
