"""How one picture gives way to the next: cross-fade, slide, zoom, whip, wipe, flash.

Works on two frames of a size (uint8 [H, W, 3]) and a share of the transition's time, 0 to 1: at 0 the one
before is seen as it is, at 1 the one after. Knows nothing about shots or films.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

ZOOM = 0.6  # how much nearer the picture before comes while it zooms away
BLUR = 0.16  # of the width: how far a whip smears at its fastest
EDGE = 0.12  # of the way: how soft a wipe's edge is
SLANT = 0.35  # of the way: how far a wipe's edge leans


def between(kind: str, before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """The frame that is seen after `share` of a transition of some kind (a name of `KINDS`)."""
    return KINDS[kind](before, after, min(1.0, max(0.0, share)))


def fade(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """Both lie over each other."""
    import cv2

    return cv2.addWeighted(before, 1 - share, after, share, 0)


def slide(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """The next one pushes from the right."""
    at = round(_smooth(share) * before.shape[1])
    return np.concatenate([before[:, at:], after[:, :at]], 1)


def whip(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """A camera swung to the side, smeared while it is fast."""
    import cv2

    fastest = 4 * share * (1 - share)
    width = 2 * round(BLUR * before.shape[1] * fastest / 2) + 1
    return cv2.blur(slide(before, after, share), (width, 1), borderType=cv2.BORDER_REPLICATE)


def zoom(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """A camera that rushes into the picture before and settles in the next."""
    eased = _smooth(share)
    near, settling = _nearer(before, 1 + ZOOM * eased), _nearer(after, 1 + ZOOM / 2 * (1 - eased))
    return fade(near, settling, _smooth(min(1.0, max(0.0, 2 * share - 0.5))))


def wipe(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """A soft, leaning edge that goes from left to right."""
    import cv2

    way = _way(*before.shape[:2])
    shown = np.clip((np.float32(share * (1 + EDGE)) - way) / np.float32(EDGE), 0, 1)
    return cv2.blendLinear(after, before, shown, 1 - shown)


def flash(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """A camera's flash: white in the middle, quick to come and slower to go."""
    import cv2

    seen, light = (before, (share / 0.3) ** 2) if share < 0.3 else (after, ((1 - share) / 0.7) ** 2)
    return cv2.addWeighted(seen, 1 - light, np.full_like(seen, 255), light, 0)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "fade": fade,
    "slide": slide,
    "zoom": zoom,
    "whip": whip,
    "wipe": wipe,
    "flash": flash,
}


def _smooth(share: float) -> float:
    """Slow at both ends."""
    return share * share * (3 - 2 * share)


def _nearer(picture: np.ndarray, scale: float) -> np.ndarray:
    """The picture's middle, enlarged."""
    import cv2

    high, wide = picture.shape[:2]
    matrix = np.array([[scale, 0, (1 - scale) * wide / 2], [0, scale, (1 - scale) * high / 2]])
    return cv2.warpAffine(picture, matrix, (wide, high), borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=2)
def _way(high: int, wide: int) -> np.ndarray:
    """When a wipe's edge comes by each pixel: float32 [H, W], 0 to 1."""
    x, y = np.linspace(0, 1, wide, dtype=np.float32), np.linspace(0, 1, high, dtype=np.float32)
    return (x[None] + SLANT * y[:, None]) / np.float32(1 + SLANT)
