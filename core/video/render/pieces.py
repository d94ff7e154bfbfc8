"""A film's pieces: stretches of frames, each named by all that is seen in it, so that only new ones are made.

A film is cut where its transitions begin and end: a scene that changes costs its own stretch and those beside
it. Pieces that only move, as an earlier scene became longer, keep their names.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import kept
from core.video.picture.signs import borrowed
from core.video.render.film import LABEL_SECONDS, Film
from core.video.render.frames import LABEL_SIZE, Frames

DRAWN = 1  # what frames look like; another number makes all pieces anew


@dataclass(frozen=True)
class Piece:
    """The frames from `first` up to `end`, and where they are kept once they are encoded."""

    first: int
    end: int
    path: Path

    @property
    def middle(self) -> int:
        """A frame that shows all that the piece shows."""
        return (self.first + self.end) // 2


def cut(film: Film, quality: str) -> list[Piece]:
    """The film's pieces in order, of some quality of encoding."""
    edges = {0, film.frames}
    for shot in film.shots[1:]:
        edges |= {shot.first - shot.fade // 2, shot.first + shot.fade // 2}
    if film.title is not None:
        edges |= {min(film.frames, math.ceil(film.title.seconds * film.fps - 1e-6))}
    frames = Frames(film)
    return [
        Piece(first, end, kept.place("pieces", ".mp4", **seen(film, frames, first, end), quality=quality))
        for first, end in itertools.pairwise(sorted(edges))
    ]


def seen(film: Film, frames: Frames, first: int, end: int) -> dict[str, Any]:
    """All that decides the frames from `first` up to `end`, in times from `first`."""
    at, faded = frames.showing((first + end) // 2)
    shots = []
    for number in (at, *([faded] if faded is not None else [])):
        shot = film.shots[number]
        since, until = frames.shown(number)
        shots.append(
            (shot.name, asdict(shot.path), shot.first - first, shot.fade, since - first, until - first)
        )
    join = film.shots[at].kind if faded is not None else ""
    labelled = bool(film.label) and first / film.fps < LABEL_SECONDS
    return {
        "drawn": DRAWN,
        "size": (film.width, film.height, film.fps, end - first),
        "shots": shots,
        "transition": join,
        "captions": _captions(film, first, end),
        "label": (film.label, LABEL_SIZE, first) if labelled else None,
        **_title(film, first),
    }


def _title(film: Film, first: int) -> dict[str, Any]:
    """The title seen in a piece; nothing where there is none."""
    if film.title is None or first / film.fps >= film.title.seconds:
        return {}
    return {"title": (film.title.told(), first)}


def _captions(film: Film, first: int, end: int) -> Any:
    """The captions seen in a piece, in milliseconds from its start; None where there are none."""
    if film.captions is None:
        return None
    start, stop = first / film.fps, end / film.fps

    def since(seconds: float) -> int:
        return round((seconds - start) * 1000)

    phrases = [
        (
            [[(word.text, since(word.start)) for word in line] for line in phrase.lines],
            since(phrase.start),
            since(phrase.end),
            phrase.size,
        )
        for phrase in film.captions.shown
        if phrase.start < stop and phrase.end > start
    ]
    if not phrases:
        return None
    look = film.captions.look
    faces = borrowed(" ".join(text for lines, *_ in phrases for line in lines for text, _ in line), look.font)
    return (asdict(look), phrases, *([faces] if faces else []))
