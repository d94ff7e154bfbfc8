"""Titles: words set large on a rule, a band or in a frame, for a film's start and for its cards.

Works on words, and on places in pixels; what is drawn are layers (core.video.picture.lettering) that are laid
over a frame one after another. Letters stay inside the area that is free, and none is smaller than `LEAST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from core.texts.letters import WIDE
from core.video.audio.speech import silent
from core.video.picture.cover import LARGE, title_case
from core.video.picture.lettering import Area, Lettering, Look, caption_area, contrast, lettering
from core.video.picture.phrasing import PAUSES, STOPS, in_words
from core.video.picture.signs import borrowed
from core.video.picture.typesetting import (
    LEADING,
    STEP,
    least_size,
    letter_size,
    line_width,
    metrics,
    wrapped,
)

LEAST = 0.034  # the smallest letters, of the film's shorter side
MOST_LINES = 5
FINE = 4  # how many times larger shapes are drawn, so that their edges are smooth
# Where a title stands in the free area, 0 its top, 1 its bottom, and the share of it that it may fill, by
# where captions stand.
PLACES = {"top": (0.8, 0.5), "middle": (0.0, 0.36), "lower": (0.28, 0.5), "bottom": (0.28, 0.5)}
PARTED = 0.66  # how much smaller letters become so that a sentence is parted at its commas
UNSET = "，、"  # not set at a line's end, which parts as they do and would stand askew
PARTICLES = "吧呢吗啊呀了的地得着过们"
NOTED = 0.14  # of the shorter side: what the note that a film is generated takes of the area's top


@dataclass(frozen=True)
class Title:
    """A title over a film's start: its words, how it looks, until which second.

    kind: rule, band or frame. look: the captions', whose letters and colours it has and which it leaves free.
    noted: whether the note that the film is generated stands above it.
    """

    words: str
    kind: str
    look: Look
    seconds: float
    noted: bool = False

    def told(self) -> list[Any]:
        """All that decides how it is drawn."""
        return [asdict(self), *borrowed(self.words, self.look.font)]


def over(title: Title, width: int, height: int) -> list[Lettering]:
    """A title's layers for a frame of the film's first scene."""
    area = caption_area(width, height)
    if title.noted:
        area = replace(area, top=area.top + round(NOTED * min(width, height)))
    anchor, share = PLACES[title.look.place]
    room = round((area.bottom - area.top) * share)
    block = words_block(title.words, title.kind, title.look, area, room, (width, height), across=True)
    if not block:
        return []
    free = area.bottom - area.top - reach(block)
    placed = moved(block, 0, area.top + round(max(0, free) * anchor))
    shade = contrast(title.look.color)
    return [_dusk(placed, width, height, shade), *placed] if title.kind == "rule" else placed


def words_block(
    text: str,
    kind: str,
    look: Look,
    area: Area,
    room: int,
    film: tuple[int, int],
    large: float = LARGE,
    across: bool = False,
) -> list[Lettering]:
    """Words in lines, and what holds them together, at the top of the frame; empty where nothing is drawn.

    room: pixels of height. film: its width and height. large: letters in pixels at 1080 wide, made smaller
    where there is no room for them. across: a band goes from one edge of the film to the other.
    """
    scale = min(film) / 1080
    gap = round((20 if kind == "rule" else 44) * scale)
    lines, size, _ = set_lines(text, look, area, room - 2 * gap, film, large)
    ink = look.color if kind != "band" else _hexed(contrast(look.accent))
    back = "outline" if kind == "rule" and look.back != "none" else "none"
    plain = Look(look.font, size, ink, look.accent, back)
    shown = [[*line[:-1], line[-1].rstrip(UNSET)] for line in lines[:-1]] + lines[-1:]
    letters = lettering([[(word, ink) for word in line] for line in shown], plain, area, 0.0)
    if letters is None:
        return []
    high, wide = letters.color.shape[:2]
    if kind == "rule":
        half, thick = round(64 * scale), max(2, round(9 * scale))
        rule = slab(2 * half, thick, look.accent, thick / 2)
        middle = letters.left + wide // 2 - half
        return moved([letters, replace(rule, left=middle, top=letters.top + high + gap // 2)])
    left, right = letters.left - gap, letters.left + wide + gap
    left, right = (
        (0, film[0]) if kind == "band" and across else (max(area.left, left), min(area.right, right))
    )
    inside = round(gap * 0.5)
    if kind == "band":
        back_slab = slab(right - left, high + 2 * inside, look.accent, 0 if across else 18 * scale, 0.94)
    else:
        back_slab = framed(right - left, high + 2 * inside, look, max(2, round(4 * scale)))
    return moved([replace(back_slab, left=left, top=letters.top - inside), letters])


def set_lines(
    text: str, look: Look, area: Area, room: float, film: tuple[int, int], large: float = LARGE
) -> tuple[list[list[str]], float, bool]:
    """A title's lines of words, the size of their letters in pixels, and whether all of it has room.

    What is one word in Chinese stays on one line, and so do the parts of a sentence where they can.
    """
    words = _whole_words(title_case(text))
    size, least = letter_size(large, *film), least_letters(*film)
    size, width = max(size, least), area.width * 0.92
    clauses = _clauses(words)
    at = size
    while 1 < len(clauses) <= MOST_LINES and at >= max(least, PARTED * size):
        line = sum(metrics(words, look.font, at))
        tall = line * (1 + LEADING * (len(clauses) - 1))
        if tall <= room and all(line_width(clause, look.font, at) <= width for clause in clauses):
            return clauses, at, True
        at *= STEP
    return wrapped(words, look.font, size, (width, room), MOST_LINES, least)


def _whole_words(text: str) -> list[str]:
    """A text's words; in Chinese with the little ones that belong to the word before."""
    words: list[str] = []
    for word in in_words(silent(text).words):
        if words and word.text[0] in PARTICLES and WIDE.match(words[-1][-1]):
            words[-1] += word.text
        else:
            words.append(word.text)
    return words


def _clauses(words: Sequence[str]) -> list[list[str]]:
    """Words in the parts of their sentence, each up to a comma or another sign that parts them."""
    parts: list[list[str]] = [[]]
    for word in words:
        if parts[-1] and parts[-1][-1][-1] in PAUSES + STOPS:
            parts.append([])
        parts[-1].append(word)
    return parts


def least_letters(width: int, height: int) -> float:
    """The smallest letters of titles and cards, in pixels."""
    return max(LEAST * min(width, height), least_size(width, height))


def moved(layers: Sequence[Lettering], left: int = 0, top: int | None = None) -> list[Lettering]:
    """Layers together, so many pixels to the right, the topmost at `top` (at the frame's top without it)."""
    down = (0 if top is None else top) - min(layer.top for layer in layers)
    return [replace(layer, left=layer.left + left, top=layer.top + down) for layer in layers]


def reach(layers: Iterable[Lettering]) -> int:
    """How far layers that begin at the frame's top reach down, in pixels."""
    return max(layer.top + layer.color.shape[0] for layer in layers)


def slab(width: int, height: int, color: str, radius: float = 0, strength: float = 1.0) -> Lettering:
    """A filled rectangle with round corners, at the frame's corner."""

    def draw(pen: ImageDraw.ImageDraw, fine: int) -> None:
        box = (0, 0, width * fine - 1, height * fine - 1)
        pen.rounded_rectangle(box, radius * fine, fill=(*rgb(color), round(255 * strength)))

    return drawn(width, height, draw, 1 if radius == 0 else FINE)


def framed(width: int, height: int, look: Look, thick: int) -> Lettering:
    """A frame of the accent's colour about a shaded ground, at the frame's corner."""

    def draw(pen: ImageDraw.ImageDraw, fine: int) -> None:
        box = (0, 0, width * fine - 1, height * fine - 1)
        pen.rectangle(box, (*contrast(look.color), 158), (*rgb(look.accent), 255), thick * fine)

    return drawn(width, height, draw, 1)


def drawn(width: int, height: int, draw: Callable[[ImageDraw.ImageDraw, int], None], fine: int) -> Lettering:
    """What `draw` draws with a pen at `fine` times the size, as a layer."""
    page = Image.new("RGBA", (width * fine, height * fine))
    draw(ImageDraw.Draw(page), fine)
    return layer(np.asarray(page.resize((width, height), Image.Resampling.BOX)))


def layer(pixels: np.ndarray) -> Lettering:
    """A picture, uint8 [h, w, 4], as a layer at the frame's corner."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    color = np.rint(pixels[..., :3] * alpha).astype(np.uint8)
    return Lettering(0, 0, color, np.repeat(np.rint(255 * (1 - alpha)), 3, 2).astype(np.uint8))


def rgb(color: str) -> tuple[int, int, int]:
    """A colour such as #ffd166 as red, green and blue."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _hexed(color: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)


def _dusk(block: Sequence[Lettering], width: int, height: int, shade: tuple[int, int, int]) -> Lettering:
    """A soft shade across the film behind a block, that goes out above and below it."""
    top, bottom = min(one.top for one in block), reach(block)
    soft = 0.7 * (bottom - top)
    first, last = max(0, round(top - soft)), min(height, round(bottom + soft))
    rows = np.arange(first, last)
    alpha = 0.5 * np.interp(rows, [top - soft, top, bottom, bottom + soft], [0, 1, 1, 0]) ** 1.5
    page = np.empty((last - first, width, 4), np.uint8)
    page[..., :3], page[..., 3] = shade, np.rint(255 * alpha)[:, None]
    return replace(layer(page), top=first)
