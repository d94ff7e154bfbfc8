"""The sizes that training pictures are cut to, and where they are cut.

Works on widths and heights in pixels; knows no models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.families.family import Drawing
from core.images.captions import MIDDLE

if TYPE_CHECKING:
    from PIL import Image


STEP_PX = 64  # between the sides of buckets, where nothing else is asked for


WIDEST = 2.0  # a bucket's longer side against its shorter


def bucket(size: tuple[int, int], area: int, unit: int) -> tuple[int, int]:
    """Width and height of a picture's bucket: its shape, at most `area`, sides multiples of `unit`.

    Shapes beyond 1:2 get 1:2.
    """
    shape = min(max(size[0] / size[1], 1 / WIDEST), WIDEST)
    fewer = max(1, int(math.sqrt(area * shape) / unit))
    widths = (fewer * unit, (fewer + 1) * unit)
    return nearest((shape, 1.0), [(width, max(unit, int(area / width / unit) * unit)) for width in widths])


def nearest(size: tuple[float, float], choices: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The choice whose shape is nearest to that of `size`."""
    return min(choices, key=lambda other: abs(math.log(size[0] * other[1] / (size[1] * other[0]))))


def training_size(size: tuple[int, int], side: int, unit: int, drawing: Drawing) -> tuple[int, int]:
    """The size at which a picture is trained: its bucket at `side`, with 0 at the base's own side.

    A base that knows a few sizes alone gets the nearest of them.
    """
    if drawing.only and not side:
        return nearest(size, (drawing.square, drawing.portrait, drawing.landscape))
    if side:
        return bucket(size, side * side, unit)
    return bucket(size, math.prod(drawing.square), math.lcm(unit, STEP_PX))


def cover(picture: Image.Image, size: tuple[int, int], focus: tuple[float, float] = MIDDLE) -> Image.Image:
    """The picture scaled until it covers `size`, cut as near to its `focus` as its edges allow."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    return ImageOps.fit(picture, size, Resampling.LANCZOS, centering=_centering(picture.size, size, focus))


def _centering(
    file: tuple[int, int], size: tuple[int, int], focus: tuple[float, float]
) -> tuple[float, float]:
    """The share of what is cut off that goes from the left and from the top."""
    scale = max(size[0] / file[0], size[1] / file[1])

    def share(at: int) -> float:
        whole = file[at] * scale
        room = whole - size[at]
        return min(max(0.5 + (focus[at] - 0.5) * whole / room, 0.0), 1.0) if room > 1e-6 else 0.5

    return share(0), share(1)


def framing(
    file: tuple[int, int], size: tuple[int, int], focus: tuple[float, float] = MIDDLE
) -> tuple[int, ...]:
    """SDXL's six numbers for a picture of `file` (width, height) cut to `size` by `cover`.

    Height and width of the file; top and left of the cut in the picture scaled to cover it; height and width
    of the cut (Podell 2023, 2.2).
    """
    scale = max(size[0] / file[0], size[1] / file[1])
    shares = _centering(file, size, focus)
    top, left = (round((file[at] * scale - size[at]) * shares[at]) for at in (1, 0))
    return file[1], file[0], top, left, size[1], size[0]
