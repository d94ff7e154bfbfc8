"""A picture cut to another shape about a point of it, and brought to an exact size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def window(
    size: tuple[int, int], width: int, height: int, cut: Sequence[float]
) -> tuple[float, float, float, float]:
    """Left, top, width and height of what is seen of a picture of `size` in the shape `width`×`height`.

    cut: the middle, x and y from 0 to 1, and a zoom from 1 on; empty: the picture's middle, as much as fits.
    """
    x, y, zoom = (*cut, *(0.5, 0.5, 1.0)[len(cut) :])
    wide, high = size
    scale = min(wide / width, high / height) / zoom
    seen_wide, seen_high = width * scale, height * scale
    left = min(max(x * wide - seen_wide / 2, 0), wide - seen_wide)
    top = min(max(y * high - seen_high / 2, 0), high - seen_high)
    return left, top, seen_wide, seen_high


def cut_to(picture: np.ndarray, width: int, height: int, cut: Sequence[float] = ()) -> np.ndarray:
    """What is seen of a picture, at exactly `width`×`height` pixels."""
    import cv2

    left, top, wide, high = window((picture.shape[1], picture.shape[0]), width, height, cut)
    scale = width / wide
    if scale < 1:
        box = picture[round(top) : round(top + high), round(left) : round(left + wide)]
        return cv2.resize(box, (width, height), interpolation=cv2.INTER_AREA)
    matrix = np.array(
        [[scale, 0, -left * scale + (scale - 1) / 2], [0, scale, -top * scale + (scale - 1) / 2]]
    )
    return cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )
