"""Cards: a title before a film's first scene, and words, a picture and a QR code after its last.

Both stand on a scene's picture, far out of focus, that comes slowly nearer. Works on words and on pictures
(uint8 [H, W, 3]); knows nothing about scenes or times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageDraw

from core import kept
from core.images.picture_file import open_picture
from core.video.audio.speech import split_words
from core.video.picture.cutting import cut_to
from core.video.picture.lettering import Area, Lettering, Look, blend, caption_area, contrast, lettering
from core.video.picture.signs import borrowed
from core.video.picture.titles import FINE, drawn, layer, least_letters, moved, reach, rgb, words_block
from core.video.picture.typesetting import letter_size, wrapped

DRAWN = 1  # what cards look like; another number makes their pieces of film anew
SHADED = 0.72  # how much of the ground is the shade that stands behind letters
TINTED = 0.12  # and how much of that is the accent's colour
NEARING = 0.012  # how much nearer the ground comes in a second
COMING = 0.45  # seconds in which a part of the end card appears, each `AFTER` the one before it
AFTER = 0.16
CODE = 0.38  # of the shorter side: a QR code with the white around it
EMPTY = 4  # modules of white around a QR code (ISO 18004)
LEAST_MODULE = 2  # pixels of a module below which no phone reads it
LETTERS, SMALL = 84, 42  # pixels at 1080 wide: the end card's words, and its address
WIDEST = 1.2  # width by height from which on a film's parts stand beside each other


@dataclass(frozen=True)
class Card:
    """What stands on a card, and how: as core.video.picture.titles has it.

    link: what the QR code says. ends: whether it is the film's last, whose parts come one after another.
    """

    words: str
    kind: str
    look: Look
    link: str = ""
    picture: Path | None = None
    ends: bool = False

    def named(self, ground: str) -> str:
        """What tells it from any other card; `ground` tells the picture that it stands on."""
        picture = kept.contents_hash(self.picture) if self.picture else ""
        told: list[Any] = [DRAWN, ground, self.words, self.kind, asdict(self.look), self.link]
        told += [picture, self.ends]
        return kept.place("", "", of=[*told, *borrowed(f"{self.words} {self.link}", self.look.font)]).name


def opened(
    card: Card, ground: Callable[[], np.ndarray], width: int, height: int, fps: int
) -> Callable[[int], np.ndarray]:
    """A card's frames by number, counted from the first that shows it; ground: the picture it stands on."""
    shade = np.array(contrast(card.look.color)) * (1 - TINTED) + np.array(rgb(card.look.accent)) * TINTED
    behind = far(ground(), width, height, shade)
    parts = laid_out(card, width, height)

    def frame(number: int) -> np.ndarray:
        page = _nearer(behind, 1 + NEARING * number / fps)
        for turn, layers in enumerate(parts):
            come = (number / fps - turn * AFTER) / COMING if card.ends else 1.0
            if come > 0:
                for one in layers:
                    blend(page, one, min(1.0, come) ** 0.7)
        return page

    return frame


def laid_out(card: Card, width: int, height: int) -> list[list[Lettering]]:
    """The layers of each of a card's parts, where they stand in the frame."""
    area, film = caption_area(width, height), (width, height)
    high = area.bottom - area.top
    if not card.ends:
        block = words_block(card.words, card.kind, card.look, area, round(0.8 * high), film, across=True)
        return [moved(block, 0, area.top + round(0.42 * (high - reach(block))))] if block else []
    beside = width >= WIDEST * height and bool(card.picture or card.link)
    gap = round(0.045 * min(film))
    half = (area.width - 2 * gap) // 2
    first = replace(area, right=area.left + half) if beside else area
    second = replace(area, left=area.right - half) if beside else area
    code = _code_block(card, second, film)
    left = high - (reach(code) + gap if code else 0)
    together = not beside or card.picture is not None  # the words stand over the code
    room = round(0.45 * high) if beside and not code else round((0.42 if card.picture else 0.8) * left)
    place = second if together else first
    words = words_block(card.words, card.kind, card.look, place, min(room, high), film, LETTERS)
    left = high if beside else left - (reach(words) + gap if words else 0)
    picture = _picture_block(card, first, min(left, round((0.8 if beside else 0.5) * min(film))), film)
    if not beside:
        return _stacked([picture, words, code], area, gap)
    columns = [([picture], [words, code])] if card.picture else [([words], [code])]
    return [one for left_ones, right_ones in columns for one in (
        *_stacked(left_ones, first, gap), *_stacked(right_ones, second, gap))]  # fmt: skip


def _stacked(blocks: Sequence[list[Lettering]], area: Area, gap: int) -> list[list[Lettering]]:
    """Blocks below each other, a little above the middle of an area."""
    blocks = [block for block in blocks if block]
    tall = sum(map(reach, blocks)) + gap * (len(blocks) - 1)
    top = area.top + round(0.47 * max(0, area.bottom - area.top - tall))
    placed = []
    for block in blocks:
        placed.append(moved(block, 0, top))
        top += reach(block) + gap
    return placed


def code_side(link: str, width: int, height: int) -> tuple[np.ndarray, int]:
    """A QR code's modules, bool [n, n], with the white around them, and the pixels of each; 0: no room."""
    import segno

    modules = np.array([[*row] for row in segno.make_qr(link, error="m").matrix], bool)
    modules = np.pad(modules, EMPTY)
    size = int(CODE * min(width, height) // len(modules))
    return modules, size if size >= LEAST_MODULE else 0


def _code_block(card: Card, area: Area, film: tuple[int, int]) -> list[Lettering]:
    """The QR code on white with its address below; nothing where it would be too small to be read."""
    if not card.link:
        return []
    modules, size = code_side(card.link, *film)
    layers: list[Lettering] = []
    scale = min(film) / 1080
    if size:
        side = len(modules) * size
        shown = np.kron(modules, np.ones((size, size), bool))
        page = np.empty((side, side, 4), np.uint8)
        page[..., :3] = np.where(shown, 16, 255)[..., None]
        page[..., 3] = _rounded(side, side, 22 * scale)
        middle = (area.left + area.right) // 2
        layers = [replace(layer(page), left=middle - side // 2)]
    text = _address(card.link, card.look, area, film)
    return moved([*layers, *moved(text, 0, reach(layers) + round(8 * scale) if layers else 0)])


def _address(link: str, look: Look, area: Area, film: tuple[int, int]) -> list[Lettering]:
    """An address as people write it: without what browsers add, its place alone where it is long."""
    size, least = letter_size(SMALL, *film), least_letters(*film)
    short = re.sub(r"(?i)^https?://(www\.)?|/$", "", link.strip())
    for text in (short, urlsplit(link).netloc or short):
        lines, at, whole = wrapped(
            split_words(text), look.font, max(size, least), (area.width, 3.2 * size), 2, least
        )
        if whole:
            break
    drawn_lines = [[(word, look.color) for word in line] for line in lines]
    made = lettering(drawn_lines, replace(look, size=at, back="none"), area, 0.0)
    return [made] if made is not None else []


def _picture_block(card: Card, area: Area, room: int, film: tuple[int, int]) -> list[Lettering]:
    """The picture with round corners, as large as there is room; nothing where that is very little."""
    if card.picture is None or room < 0.1 * min(film):
        return []
    image = open_picture(card.picture)
    scale = min(area.width / image.width, room / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    page = np.dstack([np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)),
                      _rounded(width, height, 26 * min(film) / 1080)])  # fmt: skip
    return [replace(layer(page), left=(area.left + area.right - width) // 2)]


def _rounded(width: int, height: int, radius: float) -> np.ndarray:
    """The share of each pixel, uint8 [h, w], that lies in a rectangle with round corners."""

    def draw(pen: ImageDraw.ImageDraw, fine: int) -> None:
        box = (0, 0, width * fine - 1, height * fine - 1)
        pen.rounded_rectangle(box, radius * fine, fill=(255, 255, 255, 255))

    return drawn(width, height, draw, FINE).color[..., 0]


def far(picture: np.ndarray, width: int, height: int, shade: np.ndarray) -> np.ndarray:
    """A picture far out of focus, mixed with a colour, and more so towards its edges."""
    import cv2

    scale = max(1.0, max(width, height) / 160)
    small = cut_to(picture, max(8, round(width / scale)), max(8, round(height / scale)))
    blurred = 0.055 * max(small.shape)
    soft = cv2.GaussianBlur(small.astype(np.float32), (0, 0), blurred, borderType=cv2.BORDER_REPLICATE)
    high, wide = small.shape[:2]
    y, x = np.mgrid[0:high, 0:wide]
    edge = ((x / max(1, wide - 1) - 0.5) ** 2 + (y / max(1, high - 1) - 0.5) ** 2).astype(np.float32)
    amount = np.clip(SHADED + 0.5 * edge, 0, 0.94)[..., None]
    mixed = soft * (1 - amount) + shade.astype(np.float32) * amount
    large = cv2.resize(mixed, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 1.1, (height, width, 1)).astype(np.float32)
    return np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)  # grain, or the slow shades show steps


def _nearer(page: np.ndarray, scale: float) -> np.ndarray:
    """A page's middle, a little enlarged; always another array."""
    import cv2

    high, wide = page.shape[:2]
    matrix = np.array([[scale, 0, (1 - scale) * wide / 2], [0, scale, (1 - scale) * high / 2]])
    return cv2.warpAffine(page, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
