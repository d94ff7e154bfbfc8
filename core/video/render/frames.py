"""The frame function of a film: a frame's number in, its picture out.

What a frame shows depends on where it stands in its shot and its caption, never on where these stand in the
film, so that a piece of film that moves as a whole stays the same.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.video.picture.lettering import Lettering, Look, blend, lettering, padding, safe_area
from core.video.picture.motion import view
from core.video.picture.titles import over
from core.video.picture.transitions import between
from core.video.picture.typesetting import least_size, wrapped
from core.video.render.film import LABEL_SECONDS, Film

LABEL_LINES = 3
GOING = 0.3  # seconds in which label and title fade away
LABEL_SIZE = 0.056  # of the shorter side; Chinese signs are then 5 % of it high
AT_ONCE = 3  # shots held open: those of a transition, and the next


class Frames:
    """A film's frames: number in, uint8 [height, width, 3] out."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.starts = np.array([shot.first for shot in film.shots])
        self.label = ai_label(film.label, film.width, film.height) if film.label else None
        self.title = over(film.title, film.width, film.height) if film.title else []
        self._opened = lru_cache(maxsize=AT_ONCE)(lambda at: film.shots[at].open())

    def __call__(self, number: int) -> np.ndarray:
        """The frame of that number, from 0."""
        seconds = number / self.film.fps
        at, faded = self.showing(number)
        frame = self._view(at, number)
        if faded is not None:
            share = (number - self.film.shots[at].first) / self.film.shots[at].fade + 0.5
            frame = between(self.film.shots[at].kind, self._view(faded, number), frame, share)
        if self.film.title is not None and seconds < (ends := self.film.title.seconds):
            for layer in self.title:
                blend(frame, layer, min(1.0, (ends - seconds) / GOING))
        if self.label is not None and seconds < LABEL_SECONDS:
            blend(frame, self.label, min(1.0, (LABEL_SECONDS - seconds) / GOING))
        if self.film.captions is not None:
            self.film.captions.blend(frame, seconds)
        return frame

    def showing(self, number: int) -> tuple[int, int | None]:
        """Which shot a frame shows, and which one still gives way to it."""
        shots = self.film.shots
        at = max(0, int(np.searchsorted(self.starts, number, side="right")) - 1)
        if at + 1 < len(shots) and number > shots[at + 1].first - shots[at + 1].fade / 2:
            return at + 1, at
        if at and number < shots[at].first + shots[at].fade / 2:
            return at, at - 1
        return at, None

    def shown(self, at: int) -> tuple[int, int]:
        """The frames during which a shot is seen, with its transitions: from the first up to the last."""
        shot = self.film.shots[at]
        after = self.film.shots[at + 1].fade if at + 1 < len(self.film.shots) else 0
        return shot.first - shot.fade // 2, shot.end + after // 2

    def _view(self, at: int, number: int) -> np.ndarray:
        shot = self.film.shots[at]
        first, last = self.shown(at)
        share = (number - first) / (last - first)
        picture = self._opened(at)(number - first)
        return view(picture, shot.path, share, self.film.width, self.film.height)


def ai_label(text: str, width: int, height: int) -> Lettering | None:
    """The visible note that a film is generated, at the safe area's top: 5 % of the short side (GB 45438)."""
    size = max(LABEL_SIZE * min(width, height), least_size(width, height))
    look, area = Look(size=size, back="box"), safe_area(width, height)
    room = (area.width - 2 * padding(look, size), float(height))
    lines, _, _ = wrapped([text], look.font, size, room, LABEL_LINES, least=size)
    colored = [[(word, look.color) for word in line] for line in lines]
    return lettering(colored, look, area, anchor=0.0, align="left")
