"""What in a picture set would hurt training: blurred, small, dark, empty, doubled pictures, clashing names.

Works on decoded pictures; says each finding in one sentence that names the remedy, and changes nothing. Knows
nothing about captions or models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESOLUTION = 256
LOOKED_AT = 512
BLURRED = 0.08
DARK = 0.08
FLAT = 0.06
HASH_BITS = 4
THUMBNAIL = 0.05


@dataclass(frozen=True)
class Look:
    """What was measured of a picture.

    `sharpness`: strongest edges (99.5th percentile of the Laplacian) at 512 px as a share of the contrast:
    about 1 for hard edges, 0.06 for edges blurred by 2 px; `brightness`: mean grey, 0 to 1; `contrast`: 1st
    to 99th percentile of grey, 0 to 1; `bits`: perceptual hash, 63 booleans; `thumbnail`: [16, 16, 3].
    """

    path: Path
    width: int
    height: int
    sharpness: float
    brightness: float
    contrast: float
    bits: NDArray[np.bool_]
    thumbnail: NDArray[np.float32]


@dataclass(frozen=True)
class Flag:
    """A finding about a picture: `kind` for filters, `template` and `values` as in `Mistake`."""

    path: Path
    kind: str
    template: str
    values: dict[str, object]

    def __str__(self) -> str:
        return self.template.format(**self.values)


def look(path: Path, picture: Image.Image, size: tuple[int, int] | None = None) -> Look:
    """Measures an RGB picture; `size` is the original's where `picture` was decoded smaller."""
    import cv2

    width, height = size or picture.size
    scale = min(1.0, LOOKED_AT / max(picture.size))
    small = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    shrunk = cv2.resize(np.asarray(picture), small, interpolation=cv2.INTER_AREA)
    pixels = shrunk.astype(np.float32) / 255
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    edges = float(np.percentile(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), 99.5))
    # Zauner 2010: signs of the lowest frequencies against their median, without the mean brightness.
    waves = cv2.dct(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA))[:8, :8].ravel()[1:]
    return Look(
        path=path,
        width=width,
        height=height,
        sharpness=edges / max(float(high - low), FLAT),
        brightness=float(grey.mean()),
        contrast=float(high - low),
        bits=waves > np.median(waves),
        thumbnail=cv2.resize(pixels, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32),
    )


def flags(looks: Sequence[Look], resolution: int = RESOLUTION) -> list[Flag]:
    """Findings in the order of the pictures; `resolution` is the side in pixels that will be trained."""
    pairs = defaultdict(list)
    for flag in (*alike(looks), *clashing([one.path for one in looks])):
        pairs[flag.path].append(flag)
    found: list[Flag] = []
    for one in looks:
        found += _alone(one, resolution)
        found += pairs[one.path]
    return found


def _alone(one: Look, resolution: int) -> Iterator[Flag]:
    name: dict[str, object] = {"name": one.path.name}
    if one.brightness < DARK:
        yield Flag(one.path, "dark", "{name} is very dark; brighten it or leave it out.", name)
    elif one.contrast < FLAT:
        yield Flag(one.path, "flat", "{name} is nearly one colour; there is little to learn from it.", name)
    elif one.sharpness < BLURRED:
        yield Flag(one.path, "blurred", "{name} is blurred; a sharp picture teaches more.", name)
    if min(one.width, one.height) < resolution:
        yield Flag(
            one.path,
            "small",
            "{name} is {width}×{height} pixels; its shorter side should have {resolution} or more.",
            {**name, "width": one.width, "height": one.height, "resolution": resolution},
        )


def alike(looks: Sequence[Look]) -> list[Flag]:
    """Pictures that are nearly the same as an earlier one: hash and colours must both say so."""
    if not looks:
        return []
    bits = np.stack([one.bits for one in looks])
    thumbnails = np.stack([one.thumbnail.ravel() for one in looks])
    found = []
    for at in range(1, len(looks)):
        near = np.flatnonzero((bits[:at] != bits[at]).sum(1) <= HASH_BITS)
        differ = np.abs(thumbnails[near] - thumbnails[at]).mean(1)
        same = near[differ <= THUMBNAIL]
        if len(same):
            values: dict[str, object] = {"name": looks[at].path.name, "other": looks[same[0]].path.name}
            template = "{name} looks almost the same as {other}; keep one, or it counts twice."
            found.append(Flag(looks[at].path, "alike", template, values))
    return found


def clashing(paths: Sequence[Path]) -> list[Flag]:
    """Pictures whose names differ only in their endings: they would share one caption file."""
    first: dict[tuple[Path, str], Path] = {}
    found = []
    for path in paths:
        other = first.setdefault((path.parent, path.stem.casefold()), path)
        if other != path:
            values: dict[str, object] = {"name": path.name, "other": other.name}
            template = "{name} and {other} would share one caption file; rename one of them."
            found.append(Flag(path, "clash", template, values))
    return found
