"""Images come out as the model's own processor gives them, and variations are what they say."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from fewtune.data.images import Pixels, Variation, open_image, vary
from fewtune.errors import DataError, ModelError


def picture(width=20, height=12, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def processor():
    return ViTImageProcessorPil(
        size={"height": 8, "width": 10}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.5]
    )


class TestReading:
    def test_equals_the_processor_to_rounding(self, tmp_path, processor):
        picture().save(tmp_path / "a.png")
        pixels = Pixels(processor)
        image = pixels.of(str(tmp_path / "a.png"), "a:1")
        assert image.dtype == np.uint8
        ours = pixels.normalized([image, image])
        theirs = processor(images=picture(), return_tensors="np")["pixel_values"][0]
        assert ours.shape == (2, 3, 8, 10)
        np.testing.assert_allclose(ours[1], theirs, atol=1e-5)

    def test_an_image_is_decoded_once_within_the_budget_only(self, tmp_path, processor):
        for name in ("a.png", "b.png"):
            picture().save(tmp_path / name)
        pixels = Pixels(processor, budget=3 * 8 * 10)
        first = pixels.of(str(tmp_path / "a.png"), "a:1")
        assert pixels.of(str(tmp_path / "a.png"), "a:1") is first
        second = pixels.of(str(tmp_path / "b.png"), "b:1")
        assert pixels.of(str(tmp_path / "b.png"), "b:1") is not second

    def test_a_camera_turn_is_undone(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # the top of the picture is on the right of the stored one
        stored = Image.new("RGB", (30, 10), "black")
        stored.paste("white", (0, 0, 10, 10))
        stored.save(tmp_path / "a.png", exif=exif)
        upright = open_image(str(tmp_path / "a.png"), "a:1")
        assert upright.size == (10, 30)
        assert upright.getpixel((5, 5)) == (255, 255, 255)
        assert upright.getpixel((5, 25)) == (0, 0, 0)

    def test_what_is_seen_through_is_white(self, tmp_path):
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
        assert open_image(str(tmp_path / "a.png"), "a:1").getpixel((0, 0)) == (255, 255, 255)

    @pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 20])
    def test_a_broken_file_is_named(self, tmp_path, content):
        path = tmp_path / "bad.png"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"rows\.csv:7: bad\.png"):
            open_image(str(path), "rows.csv:7")

    def test_a_truncated_file_is_named(self, tmp_path):
        picture(200, 200).save(tmp_path / "whole.jpg")
        (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
        with pytest.raises(DataError, match=r"cut\.jpg"):
            open_image(str(tmp_path / "cut.jpg"), "x:1")

    def test_a_bomb_is_refused_before_it_is_unpacked(self, tmp_path):
        def chunk(kind, body):
            return struct.pack(">I", len(body)) + kind + body + struct.pack(
                ">I", zlib.crc32(kind + body)
            )  # fmt: skip

        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        with pytest.raises(DataError, match="Bomb"):
            open_image(str(tmp_path / "bomb.png"), "x:1")

    def test_images_of_several_sizes_are_refused(self, tmp_path):
        class Untouched:
            def __call__(self, images, **_):
                return {"pixel_values": [np.asarray(images).transpose(2, 0, 1)]}

        picture(8, 8).save(tmp_path / "a.png")
        picture(9, 8).save(tmp_path / "b.png")
        pixels = Pixels(Untouched())
        pixels.of(str(tmp_path / "a.png"), "a:1")
        with pytest.raises(ModelError, match="one size"):
            pixels.of(str(tmp_path / "b.png"), "b:1")


def plane(height=16, width=24):
    return np.asarray(picture(width, height)).transpose(2, 0, 1).copy()


class TestVariation:
    def test_nothing_asked_changes_nothing(self):
        image = plane()
        assert vary(image, Variation(), "s") is image

    def test_a_flip_mirrors_exactly_and_only_half_the_time(self):
        image = plane()
        flips = [vary(image, Variation(flip=True), f"s/{n}") for n in range(200)]
        mirrored = [np.array_equal(f, image[:, :, ::-1]) for f in flips]
        same = [np.array_equal(f, image) for f in flips]
        assert all(m != s for m, s in zip(mirrored, same, strict=True))
        assert 70 < sum(mirrored) < 130

    def test_a_crop_shows_a_part_of_the_image_larger(self):
        # A ramp along the width: a part of it, brought to the same width, is a flatter ramp.
        ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (3, 16, 1))
        for n in range(20):
            found = vary(ramp, Variation(crop=0.5), f"s/{n}")
            slope = float(found[0, 8, 20]) - float(found[0, 8, 4])
            assert 80 - 2 <= slope <= 160 + 2
            assert found.min() >= 0 and found.max() <= 230

    def test_a_rotation_keeps_the_middle_and_shows_ground_in_the_corners(self):
        image = np.zeros((3, 33, 33), dtype=np.uint8)
        image[:, 13:20, 13:20] = 250
        turned = [
            vary(image, Variation(rotation=45), f"s/{n}", ground=(10, 20, 30)) for n in range(20)
        ]
        assert all((t[:, 16, 16] == 250).all() for t in turned)
        assert any((t[:, 0, 0] == (10, 20, 30)).all() for t in turned)

    def test_a_rotation_of_a_quarter_turn_is_one(self, monkeypatch):
        image = plane(16, 16)
        monkeypatch.setattr("random.Random.uniform", lambda self, a, b: b)
        # Every uniform draw at its upper end: 90 degrees one way, and nothing cropped.
        found = vary(image, Variation(rotation=90), "s")
        # PIL cuts fractions off, so a value may be one less.
        np.testing.assert_allclose(found.astype(int), np.rot90(image, k=1, axes=(1, 2)), atol=1)

    def test_colour_changes_tones_not_places(self):
        grey = np.full((3, 8, 8), 100, dtype=np.uint8)
        tones = [vary(grey, Variation(color=0.5), f"s/{n}") for n in range(30)]
        assert all(len(np.unique(t)) == 1 for t in tones)
        assert {int(t[0, 0, 0]) for t in tones} != {100}
        assert all(50 <= t[0, 0, 0] <= 150 for t in tones)

    @settings(max_examples=25, deadline=None)
    @given(
        st.booleans(), st.floats(0, 0.9), st.floats(0, 180), st.floats(0, 1), st.text(max_size=5)
    )
    def test_it_is_a_function_of_image_and_seed(self, flip, crop, rotation, color, seed):
        image, how = plane(), Variation(flip, crop, rotation, color)
        kept = image.copy()
        first = vary(image, how, seed)
        assert np.array_equal(first, vary(image.copy(), how, seed))
        assert np.array_equal(image, kept)
        assert first.shape == image.shape and first.dtype == np.uint8
