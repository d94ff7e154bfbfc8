"""Lets still pictures move: slow zooms and drifts, eased, at sub-pixel steps.

Works on one picture (uint8 [H, W, 3]) and a share of its time, 0 to 1; knows nothing about scenes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Each pair: zoom (0 wide, 1 close) and the middle's shift (x, y), in shares of the amplitude, from → to.
MOVES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "push": ((0.0, 0.0, 0.25), (1.0, 0.0, -0.35)),
    "right": ((0.7, -0.5, 0.0), (0.7, 0.5, 0.0)),
    "pull": ((1.0, 0.0, -0.3), (0.1, 0.0, 0.1)),
    "rise": ((0.5, 0.1, 0.5), (0.9, -0.1, -0.5)),
    "left": ((0.7, 0.5, 0.1), (0.8, -0.5, -0.1)),
    "sink": ((0.9, 0.2, -0.45), (0.4, -0.2, 0.4)),
}
STILL = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
NAMES = tuple(MOVES)
NEARING = ("push", "pull")
REACH = 2.5  # how far a near view leans towards what it is about; it never leaves the picture


@dataclass(frozen=True)
class Move:
    """A camera's path over a picture: zoom and shift at start and end; `amplitude` is a share of the side."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    amplitude: float


def moves(
    wishes: Sequence[tuple[str, str]],
    seed: int,
    amplitude: float,
    focus: Callable[[int], tuple[float, float]] = lambda at: (0.5, 0.5),
) -> list[Move]:
    """The paths of scenes, each (its own name, the wish): a name of `MOVES`, `still`, or `auto`.

    An automatic one is chosen by the scene's own name and the seed, so that it goes with the scene; it
    differs from its neighbour's before it. focus: where the picture of the scene `at` draws the eye, x and y
    from 0 to 1: what comes nearer comes nearer to that, what goes back from that; others aren't asked.
    """
    made: list[Move] = []
    before = ""
    for at, (name, wish) in enumerate(wishes):
        luck = random.Random(f"{seed} {name}")
        if wish == "auto":
            wish = luck.choice([one for one in NAMES if one != before])
        start, end = MOVES.get(wish, STILL)
        if wish in NEARING:
            near = focus(at)
            start, end = (_towards(near, view) if view[0] == 1 else view for view in (start, end))
        made.append(Move(start, end, amplitude if wish != "still" else 0.0))
        before = wish
    return made


def _towards(focus: tuple[float, float], view: tuple[float, float, float]) -> tuple[float, float, float]:
    """A near view's zoom and shift so that the focus comes towards the middle; as it was for one there."""
    x, y = (min(0.5, max(-0.5, REACH * (place - 0.5))) for place in focus)
    return view if (x, y) == (0, 0) else (view[0], x, y)


def cover_size(width: int, height: int, amplitude: float) -> tuple[int, int]:
    """Size (width, height) a picture needs so that its closest view is still sharp at `width`×`height`."""
    return round(width * (1 + amplitude)), round(height * (1 + amplitude))


def view(picture: np.ndarray, path: Move, share: float, width: int, height: int) -> np.ndarray:
    """What the camera sees after `share` (0 to 1) of its path: uint8 [height, width, 3].

    picture: uint8 [H, W, 4] of the film's ratio; the fourth channel is not looked at, but warping four takes
    5 ms where three take 11. At zoom 0 the picture fits whole; a shift never leaves it.
    """
    import cv2

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
