"""Images that show one picture: scaled, compressed, lit otherwise, recoloured, mirrored or cropped.

An image's light and dark, on 8 × 8 fields, is compared with windows of every other image, and with
their mirror images; the best window is moved and stretched until it fits best; and what then is
alike is compared again by its edges, which two photos of one scene do not share and two copies do.
Limits were chosen on 700 photos of hands and 180 changed copies of them
(``python -m benchmarks.data.check_images`` measures on others).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewtune.data.thumbnails import SIDE, small_image, thumbnail
from fewtune.data.windows import (
    LEAST_SIDE,
    UNITS,
    Floats,
    Windows,
    first_windows,
    moves,
    seen,
    unit,
)

__all__ = ["MOST_REFRAMED", "NearPair", "near_images"]

FIELDS = 8
LIKELY = 0.87
"""Least correlation of 8 × 8 fields from which on a window is looked at closely."""

STEPS = ((8, 8, 0.89), (4, 16, 0.9), (2, 16, 0.92), (1, 16, 0.92))
"""How many units a window is moved, how many fields a side are compared, and the correlation that
must be reached by then."""

EDGES_ALIKE = 0.85
"""Least correlation of the edges of one picture: of 245,000 pairs of photos of hands the most alike
have 0.76, and nine of ten changed copies 0.92 or more."""

RECOLOURED_ALIKE = 0.9
"""The same where the colours differ, which speaks against it."""

SAME_LIGHT, BLURRED_ALIKE = 0.97, 0.75
"""Where frame and colours are the same and the light is as much alike, edges may be so much less:
a copy made small and compressed has lost its faint ones. Photos of hands have 0.96 at most."""

FAINT = 0.7
"""Power of an edge's height, so that one bar that two pictures have does not drown all the rest."""

CROPPED = 156
"""Units of a side from which on a window is the whole image, as far as can be told."""

LEAST_PIXELS = 24
"""Smaller pictures have too few edges: they are compared as they stand and no otherwise."""

MOST_REFRAMED = 10_000
"""Images from which on crops are not looked for: the work grows with the square of the images."""

NEAREST = 10
"""Images that are looked at closely for one, at most."""

OTHER_COLOURS = 0.1
"""Part of the picture's contrast by which the colours of copies differ that were recoloured."""

BLOCK = 500


class NearPair(NamedTuple):
    """Two images that show one picture, by their places in the list.

    ``second`` is a place in the other list where two lists were compared.
    """

    first: int
    second: int
    alike: float
    """Correlation of their edges."""
    mirrored: bool
    cropped: bool
    recoloured: bool


@dataclass(frozen=True)
class _Candidates:
    """Images of one list and windows of images of another; all of one length."""

    whole: NDArray[np.intp]
    windowed: NDArray[np.intp]
    windows: Windows
    mirrored: NDArray[np.bool_]

    def take(self, at: Any) -> _Candidates:
        return _Candidates(self.whole[at], self.windowed[at], self.windows[at], self.mirrored[at])


def near_images(paths: Sequence[str], others: Sequence[str] | None = None) -> list[NearPair]:
    """Return the pairs of images that show one picture, sorted.

    Parameters
    ----------
    paths
        Files of images; those that cannot be read, or are of one colour, are near to nothing.
        Beyond ``MOST_REFRAMED`` of them, crops are not looked for.
    others
        Compare ``paths`` with these instead of with each other.
    """
    return list(_near_images(tuple(paths), None if others is None else tuple(others)))


@lru_cache(maxsize=4)
def _near_images(paths: tuple[str, ...], others: tuple[str, ...] | None) -> tuple[NearPair, ...]:
    """Return the pairs; remembered, for a check and a split of one data set both ask."""
    one = _greys(paths)
    two = one if others is None else _greys(others)
    found: dict[tuple[int, int], NearPair] = {}
    if not len(one) or not len(two):
        return ()
    reframed = max(len(one), len(two)) <= MOST_REFRAMED
    for back in (False, True) if others is not None else (False,):
        wholes, windowed = (two, one) if back else (one, two)
        files = (others or paths, paths) if back else (paths, others or paths)
        for pair in _compared(wholes, windowed, files, others is None, reframed):
            first, second = pair.first, pair.second
            if back or (others is None and first > second):
                first, second = second, first
            known = found.get((first, second))
            if known is None or pair.alike > known.alike:
                found[first, second] = pair._replace(first=first, second=second)
    return tuple(found[key] for key in sorted(found))


def _compared(
    wholes: Floats,
    windowed: Floats,
    files: tuple[Sequence[str], Sequence[str]],
    same: bool,
    reframed: bool,
) -> Iterator[NearPair]:
    """Return pairs of a whole image and one of which a window is like it."""
    for candidates in _candidates(wholes, windowed, same, reframed):
        fitted = _fitted(wholes, windowed, candidates)
        for at in range(len(fitted.whole)):
            i, j = int(fitted.whole[at]), int(fitted.windowed[at])
            pair = _verified(files[0][i], files[1][j], fitted.take(slice(at, at + 1)))
            if pair is not None:
                yield pair._replace(first=i, second=j)


def _greys(paths: Sequence[str]) -> Floats:
    """Return the light of each image on 32 × 32 fields; zero for unreadable or plain ones."""
    found = np.zeros((len(paths), SIDE, SIDE), dtype=np.float32)
    for at, path in enumerate(paths):
        small = thumbnail(path)
        if small is not None and np.ptp(small.reshape(-1, 3), axis=0).max() >= 8:
            found[at] = _light(small)
    return found


def _light(pixels: NDArray[np.uint8]) -> Floats:
    return pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def _candidates(
    wholes: Floats, windowed: Floats, same: bool, reframed: bool
) -> Iterator[_Candidates]:
    """Return, block by block, the images that may be a window of another one, or of its mirror."""
    windows = first_windows(reframed)
    parts = [
        unit(seen(windowed, np.tile(window, (len(windowed), 1)), FIELDS)) for window in windows
    ]
    upright = unit(seen(wholes, np.tile(windows[0], (len(wholes), 1)), FIELDS))
    turned = upright.reshape(-1, FIELDS, FIELDS)[:, :, ::-1].reshape(len(wholes), -1)
    for start in range(0, len(wholes), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(wholes)))
        best = np.full((len(rows), len(windowed)), -1.0, dtype=np.float32)
        which = np.zeros(best.shape, dtype=np.int16)
        for mirrored, described in enumerate((upright, turned)):
            for number, part in enumerate(parts):
                alike = described[rows] @ part.T
                better = alike > best
                best[better] = alike[better]
                which[better] = number + mirrored * len(parts)
        if same:
            best[np.arange(len(rows)), rows] = -1.0
        if best.shape[1] > NEAREST:
            far = np.argpartition(-best, NEAREST, axis=1)[:, NEAREST:]
            np.put_along_axis(best, far, -1.0, axis=1)
        row, column = np.nonzero(best >= LIKELY)
        kind = which[row, column]
        yield _Candidates(row + start, column, windows[kind % len(parts)], kind >= len(parts))


def _fitted(wholes: Floats, windowed: Floats, given: _Candidates) -> _Candidates:
    """Return the candidates whose windows, moved and stretched, are like the whole image."""
    for step, fields, limit in STEPS:
        whole = np.tile(first_windows(False), (len(given.whole), 1))
        target = seen(wholes[given.whole], whole, fields)
        target = unit(np.where(given.mirrored[:, None, None], target[:, :, ::-1], target))
        images, windows = windowed[given.windowed], given.windows
        alike = (unit(seen(images, windows, fields)) * target).sum(axis=1)
        for _ in range(2):
            around, windows = windows, windows.copy()
            for move in moves(step):
                tried = around + move
                tried[:, 2:] = np.clip(tried[:, 2:], LEAST_SIDE, UNITS)
                tried[:, :2] = np.clip(tried[:, :2], 0, UNITS - tried[:, 2:])
                now = (unit(seen(images, tried, fields)) * target).sum(axis=1)
                better = now > alike
                alike[better], windows[better] = now[better], tried[better]
        kept = alike >= limit
        given = _Candidates(given.whole, given.windowed, windows, given.mirrored).take(kept)
    return given


def _verified(path: str, other: str, fitted: _Candidates) -> NearPair | None:
    """Return the pair if its edges are alike too, looked at more closely.

    As they stand first: where that is enough, no crop is made out of noise.
    """
    one, two = _detail(path), _detail(other)
    if one is None or two is None:
        return None
    mirrored = bool(fitted.mirrored[0])
    few_edges = min(_least_side(path), _least_side(other)) < LEAST_PIXELS
    if mirrored and few_edges:
        return None
    if mirrored:
        one = one[:, ::-1]
    for window in (first_windows(False), fitted.windows):
        cropped = bool(window[0, 2:].min() < CROPPED)
        if not (cropped and few_edges):
            found = _judged(one, two, window)
            if found is not None:
                return found._replace(mirrored=mirrored, cropped=cropped)
    return None


def _judged(one: NDArray[np.uint8], two: NDArray[np.uint8], window: Windows) -> NearPair | None:
    """Return a pair if a picture is like a window of another one."""
    looks = [
        seen(np.moveaxis(picture, 2, 0).astype(np.float32), part.repeat(3, axis=0), SIDE)
        for picture, part in ((one, first_windows(False)), (two, window))
    ]
    lights = [np.einsum("c,cyx->yx", (0.299, 0.587, 0.114), look) for look in looks]
    edges = [np.stack([np.diff(x)[:-1], np.diff(x, axis=0)[:, :-1]]).ravel() for x in lights]
    edges = [np.sign(edge) * np.abs(edge) ** FAINT for edge in edges]
    alike = float(edges[0] @ edges[1] / max(np.prod([np.linalg.norm(e) for e in edges]), 1e-3))
    recoloured = _other_colours(looks, lights)
    limit = RECOLOURED_ALIKE if recoloured else EDGES_ALIKE
    if not recoloured and window[0, 2:].min() == UNITS and _correlation(*lights) >= SAME_LIGHT:
        limit = BLURRED_ALIKE
    return NearPair(0, 0, min(1.0, alike), False, False, recoloured) if alike >= limit else None


@lru_cache(maxsize=1_000)
def _detail(path: str) -> NDArray[np.uint8] | None:
    return small_image(path, 2 * SIDE)


def _correlation(one: Floats, other: Floats) -> float:
    return float(unit(one[None])[0] @ unit(other[None])[0])


def _other_colours(looks: list[Floats], lights: list[Any]) -> bool:
    """Return whether the colours differ, whatever the light: hue or saturation were changed.

    On 8 × 8 fields, for compression blurs colours.
    """
    tints = [look - light for look, light in zip(looks, lights, strict=True)]
    apart = tints[0] - tints[1]
    apart = apart.reshape(3, FIELDS, SIDE // FIELDS, FIELDS, SIDE // FIELDS).mean(axis=(2, 4))
    contrast = np.mean([light.std() for light in lights])
    return bool(np.abs(apart).mean() > OTHER_COLOURS * contrast)


def _least_side(path: str) -> int:
    """Return the smaller side of an image that was read before, in pixels."""
    from PIL import Image

    with Image.open(path) as image:
        return min(image.size)
