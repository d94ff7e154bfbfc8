"""Makes a film's cover: its first picture with the topic as a title.

Works on one picture (uint8 [H, W, 3]) and a text; knows nothing about scenes.
"""

from __future__ import annotations

import numpy as np

from core.video.audio.speech import split_words
from core.video.picture.cutting import cut_to
from core.video.picture.lettering import Area, Look, blend, caption_area, lettering
from core.video.picture.typesetting import least_size, letter_size, wrapped

MOST_LINES = 5
LARGE = 104  # pixels at 1080 wide


def cover(picture: np.ndarray, title: str, look: Look, width: int, height: int) -> np.ndarray:
    """The cover, uint8 [height, width, 3]: the title large in the safe area's upper part, a line under it."""
    page = _dimmed(cut_to(picture, width, height))
    area = caption_area(width, height)
    lines, size, _ = title_lines(title, look, width, height)
    large = Look(look.font, size, look.color, look.accent, "none" if look.back == "none" else "outline")
    block = lettering([[(word, look.color) for word in line] for line in lines], large, area, anchor=0.04)
    if block is not None:
        blend(page, block)
        scale = min(width, height) / 1080
        _rule(page, block.top + block.color.shape[0] + round(18 * scale), area, look.accent, scale)
    return page


def title_lines(title: str, look: Look, width: int, height: int) -> tuple[list[list[str]], float, bool]:
    """The title's lines of words, the size of their letters in pixels, and whether all of it has room."""
    area = caption_area(width, height)
    size, least = letter_size(LARGE, width, height), least_size(width, height)
    room = (area.width * 0.94, 0.9 * (area.bottom - area.top))
    return wrapped(split_words(title_case(title)), look.font, size, room, MOST_LINES, least)


def title_case(title: str) -> str:
    """The topic as a title: its first letter large, no full stop."""
    text = " ".join(title.split()).rstrip(".。")
    return text[:1].upper() + text[1:]


def _dimmed(page: np.ndarray) -> np.ndarray:
    """The picture darker towards its top, where the title stands."""
    height = page.shape[0]
    dark = np.interp(np.arange(height), [0, 0.42 * height, 0.62 * height], [0.52, 0.34, 0.0])
    return np.rint(page * (1 - dark)[:, None, None]).astype(np.uint8)


def _rule(page: np.ndarray, top: int, area: Area, color: str, scale: float) -> None:
    """A short stroke in the accent colour, centred."""
    import cv2

    middle, half = (area.left + area.right) // 2, round(70 * scale)
    ink = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    thick = max(2, round(8 * scale))
    cv2.line(page, (middle - half, top), (middle + half, top), ink, thick, cv2.LINE_AA)
