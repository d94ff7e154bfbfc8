"""Captions: which words stand together, where they stand, how they are drawn, and the .srt beside the film.

Works on timed words and on frames (uint8 [H, W, 3], RGB). Knows nothing about voices, scenes or encoders.
Text is drawn with Pillow from font files by their path, so a machine's own fonts never matter, and stays
inside the area that the platforms' own buttons leave free (`safe_area`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.settings import ROOT
from core.video.voice import CJK, Word

FONTS = ROOT / "assets" / "fonts"
MOST_LINES = 2
FADE = 0.12  # seconds in which a phrase appears
HOLD = 0.35  # seconds a phrase stays after its last word, where nothing follows
GAP = 0.8  # seconds of silence up to which a phrase stays until the next one
LEAD = 0.05  # seconds a phrase appears before its first word
PHRASE_CHARACTERS = 26  # a comfortable length at a glance
STOPS = ".!?…。！？"
PAUSES = ",;:—–，；：、"
WEAK_WORDS = (
    "a an the of to in on at by for and or but with from as into than that is are was were its his her their "
    "my your our this these those over under through"
)
WEAK = frozenset(WEAK_WORDS.split())


@dataclass(frozen=True)
class Look:
    """How captions look: font name (sans, serif, hand), size in pixels at 1080 wide, colours, backing."""

    font: str = "sans"
    size: float = 64
    color: str = "#ffffff"
    accent: str = "#ffd166"
    back: str = "outline"


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
class Phrase:
    """Words shown together: lines of words, and when it is shown, in seconds, in letters of `size`."""

    lines: tuple[tuple[Word, ...], ...]
    start: float
    end: float
    size: float

    @property
    def words(self) -> tuple[Word, ...]:
        """Its words in reading order."""
        return tuple(itertools.chain.from_iterable(self.lines))

    @property
    def text(self) -> str:
        """Its lines as text."""
        return "\n".join(joined([word.text for word in line]) for line in self.lines)


@dataclass(frozen=True)
class Lettering:
    """Drawn text: premultiplied colour and the share (of 255) that the picture below keeps.

    Both are uint8 [h, w, 3]; left and top are where it stands in the film, in pixels.
    """

    left: int
    top: int
    color: np.ndarray
    keep: np.ndarray


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


def phrases(words: Sequence[Word], look: Look, width: int, height: int) -> tuple[Phrase, ...]:
    """One scene's words as phrases of at most two lines that fit `caption_area`, broken where one breathes.

    The breaks are the cheapest of all: length near `PHRASE_CHARACTERS`, ends at punctuation, not after a
    weak word such as "the".
    """
    if not words:
        return ()
    size = look.size * min(width, height) / 1080
    room = caption_area(width, height).width - 2 * padding(look, size)
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(words) + 1):
        options: list[tuple[float, int]] = []
        for start in range(max(0, end - 24), end):
            if end - start > 1 and _lines(words[start:end], look.font, size, room) is None:
                continue
            options.append((best[start][0] + _cost(words[start:end], end == len(words)), start))
        best.append(min(options))
    cuts = [len(words)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    cuts.reverse()
    made = [_phrase(words[start:end], look.font, size, room) for start, end in itertools.pairwise(cuts)]
    return tuple(
        replace(phrase, end=_shown_until(phrase, made[at + 1] if at + 1 < len(made) else None))
        for at, phrase in enumerate(made)
    )


def shifted(phrase: Phrase, seconds: float) -> Phrase:
    """The same phrase later by `seconds`."""
    lines = tuple(
        tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in line)
        for line in phrase.lines
    )
    return replace(phrase, lines=lines, start=max(0.0, phrase.start + seconds), end=phrase.end + seconds)


def srt(shown: Sequence[Phrase]) -> str:
    """The phrases as SubRip text, times at their frames."""
    cues = [
        f"{number}\n{_stamp(phrase.start)} --> {_stamp(phrase.end)}\n{phrase.text}\n"
        for number, phrase in enumerate(shown, 1)
    ]
    return "\n".join(cues)


class Captions:
    """Draws the phrase of a moment into a frame, the spoken word in the accent colour."""

    def __init__(self, shown: Sequence[Phrase], look: Look, width: int, height: int) -> None:
        self.shown, self.look = tuple(shown), look
        self.area = caption_area(width, height)
        self._starts = np.array([phrase.start for phrase in self.shown])
        self._drawn = functools.lru_cache(maxsize=8)(self._draw)

    def blend(self, frame: np.ndarray, seconds: float) -> None:
        """Draws what is shown at `seconds` into `frame` (uint8 [H, W, 3]), in place."""
        at = int(np.searchsorted(self._starts, seconds, side="right")) - 1
        if at < 0 or seconds >= self.shown[at].end:
            return
        words = self.shown[at].words
        spoken = max((index for index, word in enumerate(words) if word.start <= seconds), default=-1)
        strength = min(1.0, (seconds - self.shown[at].start) / FADE + 0.25)
        blend(frame, self._drawn(at, spoken), strength)

    def _draw(self, at: int, spoken: int) -> Lettering:
        phrase, look = self.shown[at], self.look
        numbers = itertools.count()
        lines = [
            [(word.text, look.accent if next(numbers) == spoken else look.color) for word in line]
            for line in phrase.lines
        ]
        return lettering(lines, replace(look, size=phrase.size), self.area, anchor=1.0)


def blend(frame: np.ndarray, text: Lettering, strength: float = 1.0) -> None:
    """Lays lettering over `frame` in place, at `strength` 0 to 1."""
    height, width = text.color.shape[:2]
    place = frame[text.top : text.top + height, text.left : text.left + width]
    over = cv2.add(cv2.multiply(place, text.keep, scale=1 / 255), text.color)
    if strength < 1:
        over = cv2.addWeighted(over, strength, place, 1 - strength, 0)
    place[:] = over


def lettering(
    lines: Sequence[Sequence[tuple[str, str]]], look: Look, area: Area, anchor: float, align: str = "center"
) -> Lettering:
    """Lines of (word, colour) drawn for a place inside `area`; nothing reaches out of it.

    `look.size` is in pixels of the film. `anchor` puts the block at the area's top (0) to its bottom (1).
    Each line gets the room of its font's ascent and descent, and the backing's.
    """
    size, pad = look.size, padding(look, look.size)
    ascent, descent = metrics(look.font, size, any(CJK.search(word) for line in lines for word, _ in line))
    step = round((ascent + descent) * 1.08)
    widths = [line_width([word for word, _ in line], look.font, size) for line in lines]
    width = int(np.ceil(max(widths))) + 2 * pad
    height = step * (len(lines) - 1) + ascent + descent + 2 * pad
    letters = Image.new("RGBA", (width, height))
    back = Image.new("RGBA", (width, height))
    draw, shade = ImageDraw.Draw(letters), _contrast(look.color)
    stroke = max(1, round(size * 0.085)) if look.back == "outline" else 0
    for row, (line, reach) in enumerate(zip(lines, widths, strict=True)):
        x = pad if align == "left" else (width - reach) / 2
        y = pad + ascent + row * step
        _draw_line(draw, line, (x, y), look.font, size)
        if stroke:
            _draw_line(ImageDraw.Draw(back), line, (x, y), look.font, size, stroke, (*shade, 255))
    if look.back == "box":
        radius = round(size * 0.35)
        box = (0, 0, width - 1, height - 1)
        ImageDraw.Draw(back).rounded_rectangle(box, radius, fill=(*shade, 150))
    else:
        back = Image.alpha_composite(_shadow(letters, size, shade), back)
    whole = np.asarray(Image.alpha_composite(back, letters), np.float32)
    alpha = whole[..., 3:] / 255
    color = np.rint(whole[..., :3] * alpha).astype(np.uint8)
    keep = np.repeat(np.rint(255 - whole[..., 3:]), 3, 2).astype(np.uint8)
    free = area.bottom - area.top - height
    left = area.left if align == "left" else area.left + (area.width - width) // 2
    return Lettering(left, area.top + round(max(0, free) * anchor), color, keep)


def padding(look: Look, size: float) -> int:
    """Pixels around the letters that the backing takes."""
    return round(size * (0.32 if look.back == "box" else 0.22))


def wrapped(text: str, font: str, size: float, width: float, most: int) -> tuple[list[list[str]], float]:
    """A text's words in at most `most` lines of even length, and the size at which they fit `width`."""
    from core.video.voice import split_words

    words = split_words(text)
    while size > 1:
        for count in range(1, most + 1):
            lines = _balanced(words, font, size, count)
            if max(line_width(line, font, size) for line in lines) <= width:
                break
        else:
            size *= 0.94
            continue
        break
    return lines, size


def joined(words: Sequence[str]) -> str:
    """Words as one text: spaces between them, none next to Chinese."""
    text = words[0] if words else ""
    for before, word in itertools.pairwise(words):
        text += word if CJK.search(before[-1:] + before[:1]) or CJK.search(word[:1]) else f" {word}"
    return text


@functools.lru_cache(maxsize=32)
def load_font(name: str, size: float, wide: bool) -> ImageFont.FreeTypeFont:
    """The font of that name (sans, serif, hand) at a size in pixels; `wide`: its Chinese companion."""
    file = f"{'serif' if name == 'serif' else 'sans'}-zh.woff2" if wide else f"{name}.ttf"
    return ImageFont.truetype(FONTS / file, max(1.0, size))


def metrics(name: str, size: float, wide: bool) -> tuple[int, int]:
    """Ascent and descent in pixels, the larger ones where Chinese stands in the line."""
    pairs = [load_font(name, size, kind).getmetrics() for kind in {False, wide}]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def line_width(words: Sequence[str], font: str, size: float) -> float:
    """A line's width in pixels."""
    return _text_width(joined(words), font, size)


@functools.lru_cache(maxsize=4096)
def _text_width(text: str, font: str, size: float) -> float:
    return sum(load_font(font, size, wide).getlength(run) for run, wide in _runs(text, font))


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
    words = [word for word, _ in line]
    for index, (word, color) in enumerate(line):
        left = x + line_width([*words[:index], word], font, size) - line_width([word], font, size)
        for run, wide in _runs(word, font):
            face = load_font(font, size, wide)
            draw.text((left, y), run, ink or color, face, anchor="ls", stroke_width=stroke)
            left += face.getlength(run)


@functools.lru_cache(maxsize=4096)
def _runs(text: str, font: str) -> tuple[tuple[str, bool], ...]:
    """A text cut where the font changes between Latin and Chinese; signs in neither font are left out."""
    known = [(sign, _is_wide(sign)) for sign in text if _has(font, sign)]
    groups = itertools.groupby(known, key=lambda pair: pair[1])
    return tuple(("".join(sign for sign, _ in pairs), wide) for wide, pairs in groups)


def _is_wide(sign: str) -> bool:
    return bool(CJK.match(sign)) or "\u3000" <= sign <= "\u303f" or "\uff00" <= sign <= "\uffef"


@functools.lru_cache(maxsize=4096)
def _has(font: str, sign: str) -> bool:
    """Whether the font can draw a sign: its picture differs from that of a code that no font holds."""
    if sign.isspace():
        return True
    face = load_font(font, 32, _is_wide(sign))
    return bytes(face.getmask(sign)) != bytes(face.getmask("\U0010fffe"))


def _lines(words: Sequence[Word], font: str, size: float, room: float) -> list[list[str]] | None:
    """The words in as few even lines as fit `room`, None where two are not enough."""
    texts = [word.text for word in words]
    for count in range(1, MOST_LINES + 1):
        lines = _balanced(texts, font, size, count)
        if max(line_width(line, font, size) for line in lines) <= room:
            return lines
    return None


def _balanced(words: list[str], font: str, size: float, count: int) -> list[list[str]]:
    """Words in `count` lines (fewer for few words) whose longest is as short as can be."""
    reach = [line_width(words[:end], font, size) for end in range(len(words) + 1)]
    count = min(count, len(words))
    best: list[tuple[float, tuple[int, ...]]] = [(width, (end,)) for end, width in enumerate(reach)]
    for _ in range(count - 1):
        best = [
            min(
                ((max(best[cut][0], reach[end] - reach[cut]), (*best[cut][1], end)) for cut in range(1, end)),
                default=best[end],
            )
            for end in range(len(words) + 1)
        ]
    return [words[start:end] for start, end in itertools.pairwise((0, *best[-1][1]))]


def _cost(words: Sequence[Word], last: bool) -> float:
    """How ill these words stand together as one phrase; see `phrases`."""
    text = joined([word.text for word in words])
    wide = len(CJK.findall(text))
    cost = ((len(text) + wide) / PHRASE_CHARACTERS - 1) ** 2 + 0.35
    end = words[-1].text.rstrip("\"'”’)」』")
    if end[-1:] in STOPS:
        cost -= 0.8
    elif end[-1:] in PAUSES:
        cost -= 0.45
    elif end.lower() in WEAK and not last:
        cost += 0.5
    inner = [word.text.rstrip("\"'”’)」』")[-1:] for word in words[:-1]]
    cost += 1.2 * sum(mark != "" and mark in STOPS for mark in inner)
    cost += 0.25 * sum(mark != "" and mark in PAUSES for mark in inner)
    return cost + (0.5 if len(words) == 1 and not wide else 0.0)


def _phrase(words: Sequence[Word], font: str, size: float, room: float) -> Phrase:
    """Words as a phrase; a single word too wide for the room is drawn smaller."""
    lines = _lines(words, font, size, room)
    while lines is None and size > 1:
        size *= 0.94
        lines = _lines(words, font, size, room)
    at = 0
    rows: list[tuple[Word, ...]] = []
    for line in lines or [[word.text for word in words]]:
        rows.append(tuple(words[at : at + len(line)]))
        at += len(line)
    return Phrase(tuple(rows), max(0.0, words[0].start - LEAD), words[-1].end, size)


def _shown_until(phrase: Phrase, following: Phrase | None) -> float:
    if following is not None and following.start - phrase.end < GAP:
        return following.start
    return phrase.end + HOLD


def _contrast(color: str) -> tuple[int, int, int]:
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


def _stamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    rest, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(rest, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02},{milliseconds:03}"
