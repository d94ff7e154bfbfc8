"""Letters on a frame: their size, colour and outline, and the area that a platform's own buttons leave free.

Works on words and frames (uint8 [H, W, 3], RGB); where lines are broken stands in
core.video.picture.typesetting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from core.video.picture.signs import load_face, runs
from core.video.picture.typesetting import LEADING, MARKS, line_text, line_width, metrics


@dataclass(frozen=True)
class Look:
    """How captions look: font name (sans, serif, hand), size in pixels at 1080 wide, colours, backing.

    show: how what is being said is told: the word in the accent colour (mark), all that was said so far
    (fill), one word at a time (word), or not (plain). place: top, middle, lower or bottom. lines: at most.
    """

    font: str = "sans"
    size: float = 64
    color: str = "#ffffff"
    accent: str = "#ffd166"
    back: str = "outline"
    show: str = "mark"
    place: str = "bottom"
    lines: int = 2


@dataclass(frozen=True)
class Area:
    """A rectangle in pixels: left and top inside, right and bottom outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Its width in pixels."""
        return self.right - self.left


@dataclass(frozen=True)
class Row:
    """Where a line of drawn text stands in its own picture, in pixels, and each word from left to right."""

    top: int
    bottom: int
    left: int
    words: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Lettering:
    """Drawn text: premultiplied colour and the share (of 255) that the picture below keeps.

    Both are uint8 [h, w, 3]; left and top are where it stands in the film, in pixels; rows are its lines.
    """

    left: int
    top: int
    color: np.ndarray
    keep: np.ndarray
    rows: tuple[Row, ...] = ()


def safe_area(width: int, height: int) -> Area:
    """Where text may stand: x 60-910, y 250-1500 of 1080×1920 (the apps' buttons and texts cover the rest).

    A square or a wide film has no buttons over it: a margin of 7 %.
    """
    portrait = (60 / 1080, 250 / 1920, 910 / 1080, 1500 / 1920)
    left, top, right, bottom = portrait if height > width else (0.07, 0.07, 0.93, 0.93)
    return Area(
        int(np.ceil(left * width)), int(np.ceil(top * height)), int(right * width), int(bottom * height)
    )


def caption_area(width: int, height: int) -> Area:
    """The part of the safe area that is symmetric about the film's middle, so that captions stand centred."""
    safe = safe_area(width, height)
    half = min(width / 2 - safe.left, safe.right - width / 2)
    return replace(safe, left=int(np.ceil(width / 2 - half)), right=int(width / 2 + half))


def blend(frame: np.ndarray, text: Lettering, strength: float = 1.0) -> None:
    """Lays lettering over `frame` in place, at `strength` 0 to 1."""
    import cv2

    height, width = text.color.shape[:2]
    place = frame[text.top : text.top + height, text.left : text.left + width]
    over = cv2.add(cv2.multiply(place, text.keep, scale=1 / 255), text.color)
    if strength < 1:
        over = cv2.addWeighted(over, strength, place, 1 - strength, 0)
    place[:] = over


def lettering(
    lines: Sequence[Sequence[tuple[str, str]]], look: Look, area: Area, anchor: float, align: str = "center"
) -> Lettering | None:
    """Lines of (word, colour) drawn for a place inside `area`; nothing reaches out of it.

    `look.size` is in pixels of the film. `anchor` puts the block at the area's top (0) to its bottom (1).
    Each line gets the room of its font's ascent and descent, and the backing's. None where nothing can be
    drawn.
    """
    asked = lines
    drawn = [[pair for pair in line if _drawable(pair[0], look.font)] for line in lines]
    lines = [line for line in drawn if line]
    if not lines:
        return None
    size, pad = look.size, padding(look, look.size)
    ascent, descent = metrics((word for line in lines for word, _ in line), look.font, size)
    step = round((ascent + descent) * LEADING)
    widths = [line_width([word for word, _ in line], look.font, size) for line in lines]
    width = int(np.ceil(max(widths))) + 2 * pad
    height = step * (len(lines) - 1) + ascent + descent + 2 * pad
    letters = Image.new("RGBA", (width, height))
    back = Image.new("RGBA", (width, height))
    draw, shade = ImageDraw.Draw(letters), contrast(look.color)
    stroke = max(1, round(size * 0.085)) if look.back == "outline" else 0
    rows = []
    for row, (line, reach) in enumerate(zip(lines, widths, strict=True)):
        x = pad if align == "left" else (width - reach) / 2
        y = pad + ascent + row * step
        _draw_line(draw, line, (x, y), look.font, size)
        rows.append((y - ascent - pad, y + descent + pad, x))
        if stroke:
            _draw_line(ImageDraw.Draw(back), line, (x, y), look.font, size, stroke, (*shade, 255))
    if look.back == "box":
        radius = round(size * 0.35)
        box = (0, 0, width - 1, height - 1)
        ImageDraw.Draw(back).rounded_rectangle(box, radius, fill=(*shade, 150))
    elif look.back == "bar":
        ImageDraw.Draw(back).rectangle((0, 0, width - 1, height - 1), fill=(*shade, 170))
        ImageDraw.Draw(back).rectangle((0, 0, round(size * 0.11), height - 1), fill=look.accent)
    else:
        back = Image.alpha_composite(_shadow(letters, size, shade), back)
    whole = np.asarray(Image.alpha_composite(back, letters), np.float32)
    alpha = whole[..., 3:] / 255
    color = np.rint(whole[..., :3] * alpha).astype(np.uint8)
    keep = np.repeat(np.rint(255 - whole[..., 3:]), 3, 2).astype(np.uint8)
    free = area.bottom - area.top - height
    left = area.left if align == "left" else area.left + (area.width - width) // 2
    top = area.top + round(max(0, free) * anchor)
    return Lettering(left, top, color, keep, tuple(_rows(asked, rows, look.font, size)))


def _drawable(word: str, font: str) -> bool:
    return bool(runs(word.rstrip(MARKS), font))


def _rows(
    asked: Sequence[Sequence[tuple[str, str]]],
    drawn: Sequence[tuple[int, int, float]],
    font: str,
    size: float,
) -> Iterator[Row]:
    """Where each line that was asked for stands, and its words; what isn't drawn takes no room.

    drawn: top, bottom and left of the lines that are.
    """
    places = iter(drawn)
    for line in asked:
        words = [word for word, _ in line if _drawable(word, font)]
        top, bottom, x = next(places) if words else (0, 0, 0.0)
        spans, reached, found = _spans(words, x, font, size), x, []
        for word, _ in line:
            left, reached = next(spans) if _drawable(word, font) else (reached, reached)
            found.append((left, reached))
        yield Row(max(0, top), bottom, round(x), tuple(found))


def _spans(words: Sequence[str], x: float, font: str, size: float) -> Iterator[tuple[float, float]]:
    """From where to where each word of a line reaches that begins at `x`."""
    for at, word in enumerate(words):
        end = x + line_width(words[: at + 1], font, size)
        yield end - line_width([word], font, size), end


def padding(look: Look, size: float) -> int:
    """Pixels around the letters that the backing takes."""
    return round(size * {"box": 0.32, "bar": 0.36}.get(look.back, 0.22))


def _draw_line(
    draw: ImageDraw.ImageDraw,
    line: Sequence[tuple[str, str]],
    at: tuple[float, float],
    font: str,
    size: float,
    stroke: int = 0,
    ink: tuple[int, int, int, int] | None = None,
) -> None:
    """Words side by side on one baseline that starts `at`."""
    x, y = at
    spans = _spans([word for word, _ in line], x, font, size)
    for index, ((word, color), (left, _)) in enumerate(zip(line, spans, strict=True)):
        text = line_text([word]) if index == len(line) - 1 else word.rstrip(MARKS)
        for run, face in runs(text, font):
            letters = load_face(face, size)
            draw.text((left, y), run, ink or color, letters, anchor="ls", stroke_width=stroke)
            left += letters.getlength(run)


def contrast(color: str) -> tuple[int, int, int]:
    """What stands behind letters of a colour: dark behind light ones, light behind dark ones."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (16, 18, 24) if light > 110 else (250, 247, 240)


def _shadow(letters: Image.Image, size: float, shade: tuple[int, int, int]) -> Image.Image:
    """A soft shade around the letters that lifts them off any picture."""
    alpha = letters.getchannel("A").filter(ImageFilter.GaussianBlur(size * 0.08))
    shadow = Image.new("RGBA", letters.size, (*shade, 0))
    shadow.putalpha(alpha.point(lambda value: min(255, int(value * 0.9))))
    return shadow
