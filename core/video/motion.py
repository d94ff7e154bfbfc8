"""Lets still pictures move: slow zooms and drifts, eased, at sub-pixel steps.

Works on one picture (uint8 [H, W, 3]) and a share of its time, 0 to 1; knows nothing about scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# Each pair: zoom (0 wide, 1 close) and the middle's shift (x, y), in shares of the amplitude, from → to.
MOVES: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((0.0, 0.0, 0.25), (1.0, 0.0, -0.35)),  # towards it
    ((0.7, -0.5, 0.0), (0.7, 0.5, 0.0)),  # past it, to the right
    ((1.0, 0.0, -0.3), (0.1, 0.0, 0.1)),  # away from it
    ((0.5, 0.1, 0.5), (0.9, -0.1, -0.5)),  # rising
    ((0.7, 0.5, 0.1), (0.8, -0.5, -0.1)),  # past it, to the left
    ((0.9, 0.2, -0.45), (0.4, -0.2, 0.4)),  # sinking back
)


@dataclass(frozen=True)
class Move:
    """A camera's path over a picture: zoom and shift at start and end; `amplitude` is a share of the side."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    amplitude: float


def move(number: int, seed: int, amplitude: float) -> Move:
    """The path of a film's scene `number` (from 0): neighbours differ, the seed picks the first."""
    start, end = MOVES[(number + seed) % len(MOVES)]
    if (seed // len(MOVES) + number // len(MOVES)) % 2:
        start, end = (start[0], -start[1], start[2]), (end[0], -end[1], end[2])
    return Move(start, end, amplitude)


def cover_size(width: int, height: int, amplitude: float) -> tuple[int, int]:
    """Size (width, height) a picture needs so that its closest view is still sharp at `width`×`height`."""
    return round(width * (1 + amplitude)), round(height * (1 + amplitude))


def covering(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture cropped about its middle to a ratio and resized to exactly `width`×`height`."""
    high, wide = picture.shape[:2]
    scale = max(width / wide, height / high)
    left, top = (wide - width / scale) / 2, (high - height / scale) / 2
    matrix = np.array(
        [[scale, 0, -left * scale + (scale - 1) / 2], [0, scale, -top * scale + (scale - 1) / 2]]
    )
    if scale < 1:
        box = picture[round(top) : round(high - top), round(left) : round(wide - left)]
        return cv2.resize(box, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )


def view(picture: np.ndarray, path: Move, share: float, width: int, height: int) -> np.ndarray:
    """What the camera sees after `share` (0 to 1) of its path: uint8 [height, width, 3].

    picture: uint8 [H, W, 4] of the film's ratio; the fourth channel is not looked at, but warping four takes
    5 ms where three take 11. At zoom 0 the picture fits whole; a shift never leaves it.
    """
    eased = ease(share)
    zoom, x, y = (a + (b - a) * eased for a, b in zip(path.start, path.end, strict=True))
    scale = 1 + path.amplitude * zoom
    high, wide = picture.shape[:2]
    fit = width / wide * scale
    room_x, room_y = (wide * fit - width) / 2, (high * fit - height) / 2
    left, top = room_x * (1 + 2 * x), room_y * (1 + 2 * y)
    matrix = np.array([[fit, 0, -left + (fit - 1) / 2], [0, fit, -top + (fit - 1) / 2]])
    seen = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB)


def ease(share: float) -> float:
    """Soft at both ends and never still: halfway between linear and a cosine."""
    share = min(1.0, max(0.0, share))
    return 0.5 * share + 0.25 * (1 - float(np.cos(np.pi * share)))
