"""Captions: which words stand together, where they stand, how they are drawn, and the .srt beside the film.

Works on timed words and on frames (uint8 [H, W, 3], RGB). Knows nothing about voices, scenes or encoders.
Text is drawn with Pillow and stays inside the area that the platforms' own buttons leave free (`safe_area`);
where its lines are broken stands in core.video.typesetting.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from core.video.typesetting import (
    LEADING,
    MARKS,
    SHRINK,
    STEP,
    fitted,
    joined,
    least_size,
    letter_size,
    line_width,
    load_font,
    metrics,
    parts,
    runs,
)
from core.video.voice import CJK, Word

MOST_LINES = 2
KEPT_WHOLE = 20  # letters up to which a word is drawn smaller before it is broken
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
    weak word such as "the" nor within a word. A word too wide for a line is drawn a little smaller where it
    is short and that is enough, else it comes in parts.
    """
    size = letter_size(look.size, width, height)
    least = max(least_size(width, height), SHRINK * size)
    room = caption_area(width, height).width - 2 * padding(look, size)
    words = [part for word in words for part in _parts(word, look.font, size, room, least)]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(words) + 1):
        options: list[tuple[float, int]] = []
        for start in range(max(0, end - 24), end):
            texts = [word.text for word in words[start:end]]
            if end - start > 1 and fitted(texts, look.font, size, room, MOST_LINES) is None:
                continue
            options.append((best[start][0] + _cost(words[start:end], end == len(words)), start))
        best.append(min(options))
    cuts = [len(words)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    cuts.reverse()
    made = [
        _phrase(words[start:end], look.font, size, room, least) for start, end in itertools.pairwise(cuts)
    ]
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
        text = self._drawn(at, spoken)
        if text is not None:
            blend(frame, text, strength)

    def _draw(self, at: int, spoken: int) -> Lettering | None:
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
) -> Lettering | None:
    """Lines of (word, colour) drawn for a place inside `area`; nothing reaches out of it.

    `look.size` is in pixels of the film. `anchor` puts the block at the area's top (0) to its bottom (1).
    Each line gets the room of its font's ascent and descent, and the backing's. None where nothing can be
    drawn, such as emoji alone.
    """
    drawn = [[pair for pair in line if runs(pair[0].rstrip(MARKS), look.font)] for line in lines]
    lines = [line for line in drawn if line]
    if not lines:
        return None
    size, pad = look.size, padding(look, look.size)
    ascent, descent = metrics(look.font, size, any(CJK.search(word) for line in lines for word, _ in line))
    step = round((ascent + descent) * LEADING)
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
        text = joined([word]) if index == len(line) - 1 else word.rstrip(MARKS)
        for run, wide in runs(text, font):
            face = load_font(font, size, wide)
            draw.text((left, y), run, ink or color, face, anchor="ls", stroke_width=stroke)
            left += face.getlength(run)


def _parts(word: Word, font: str, size: float, room: float, least: float) -> list[Word]:
    """The word where it is short and letters of `least` fit, else its parts, each said for its share."""
    fits = len(word.text) <= KEPT_WHOLE and line_width([word.text], font, least) <= room
    texts = [word.text] if fits else parts(word.text, font, size, room)
    reach = [0, *itertools.accumulate(len(text) for text in texts)]
    times = [word.start + (word.end - word.start) * letters / reach[-1] for letters in reach]
    return [Word(text, *when) for text, when in zip(texts, itertools.pairwise(times), strict=True)]


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
    cost += 0.6 if end.endswith(tuple(MARKS)) else 0.0
    return cost + (0.5 if len(words) == 1 and not wide else 0.0)


def _phrase(words: Sequence[Word], font: str, size: float, room: float, least: float) -> Phrase:
    """Words as a phrase; a single word too wide for the room is drawn smaller, down to `least`."""
    texts = [word.text for word in words]
    while (lines := fitted(texts, font, size, room, MOST_LINES)) is None and size > least:
        size = max(size * STEP, least)
    assert lines is not None, "a word that doesn't fit came in parts"
    ends = itertools.accumulate((len(line) for line in lines), initial=0)
    rows = tuple(tuple(words[start:end]) for start, end in itertools.pairwise(ends))
    return Phrase(rows, max(0.0, words[0].start - LEAD), words[-1].end, size)


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
