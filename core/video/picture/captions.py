"""Captions: what is seen of a film's phrases at a moment, drawn into its frames.

Works on phrases (core.video.picture.phrasing) and on frames (uint8 [H, W, 3], RGB). Knows nothing about
voices, scenes or encoders. Text is drawn with Pillow and stays inside the area that the platforms' own
buttons leave free (`safe_area`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.video.audio.speech import Word
from core.video.picture.lettering import Lettering, Look, blend, caption_area, lettering
from core.video.picture.phrasing import Phrase

FADE = 0.12  # seconds in which a phrase appears
POP = (0.0, 0.08, 0.16), (0.7, 1.07, 1.0)  # seconds that a word has been there, and how large it is then
PLACES = {"top": 0.1, "middle": 0.5, "lower": 0.86, "bottom": 1.0}  # in the area: 0 its top, 1 its bottom


class Captions:
    """Draws the phrase of a moment into a frame, as its look shows what is being said."""

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
        text = self._at(at, seconds)
        if text is not None:
            blend(frame, text, min(1.0, (seconds - self.shown[at].start) / FADE + 0.25))

    def text(self, at: int) -> Lettering | None:
        """The phrase of that number, from 0, while nothing of it is being said."""
        return self._drawn(at, frozenset())

    def _at(self, at: int, seconds: float) -> Lettering | None:
        words, show = self.shown[at].words, self.look.show
        if show == "mark":
            spoken = max((index for index, word in enumerate(words) if word.start <= seconds), default=-1)
            return self._drawn(at, frozenset({spoken}))
        text = self.text(at)
        if text is None or show == "plain":
            return text
        if show == "word":
            return scaled(text, float(np.interp(seconds - self.shown[at].start, *POP)))
        said = self._drawn(at, frozenset(range(len(words))))
        return text if said is None else filled(text, said, self.shown[at].lines, seconds)

    def _draw(self, at: int, spoken: frozenset[int]) -> Lettering | None:
        phrase, look = self.shown[at], self.look
        numbers = itertools.count()
        lines = [
            [(word.text, look.accent if next(numbers) in spoken else look.color) for word in line]
            for line in phrase.lines
        ]
        align = "left" if look.back == "bar" else "center"
        return lettering(lines, replace(look, size=phrase.size), self.area, PLACES[look.place], align)


def filled(text: Lettering, said: Lettering, lines: Sequence[Sequence[Word]], seconds: float) -> Lettering:
    """`text`, of which what was said by now is as in `said`: the word that is being said as far as it was."""
    color = text.color.copy()
    for row, line in zip(text.rows, lines, strict=True):
        reached = float(row.left)
        for word, (left, right) in zip(line, row.words, strict=True):
            if seconds > word.start:
                share = min(1.0, (seconds - word.start) / max(word.end - word.start, 1e-6))
                reached = left + share * (right - left)
        edge = round(reached)
        color[row.top : row.bottom, row.left : edge] = said.color[row.top : row.bottom, row.left : edge]
    return replace(text, color=color)


def scaled(text: Lettering, scale: float) -> Lettering:
    """The same about its middle, larger or smaller."""
    import cv2

    if abs(scale - 1) < 0.005:
        return text
    high, wide = text.color.shape[:2]
    size = round(wide * scale), round(high * scale)
    color, keep = (cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in (text.color, text.keep))
    return replace(
        text,
        left=text.left + (wide - size[0]) // 2,
        top=text.top + (high - size[1]) // 2,
        color=color,
        keep=keep,
    )
