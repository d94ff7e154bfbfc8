"""Renders a film: the pieces that are not there yet, then all of them and the sound into one mp4."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from core import kept
from core.progress import Progress, Steps
from core.project import replacing
from core.video.render import encoding, pieces
from core.video.render.film import Film
from core.video.render.frames import Frames
from core.video.render.pieces import Piece

EVERY = 10  # frames between two reports


def missing(every: Iterable[Piece]) -> list[Piece]:
    """Those of a film's pieces that have to be encoded."""
    return [piece for piece in every if not kept.there(piece.path)]


def shots_of(film: Film, wanted: Iterable[Piece]) -> list[int]:
    """The shots that are seen in some pieces, in order."""
    frames = Frames(film)
    seen = {at for piece in wanted for at in frames.showing(piece.middle) if at is not None}
    return sorted(seen)


def render(film: Film, target: Path, quality: str = "final") -> Generator[Progress, None, None]:
    """Writes `target` (.mp4), reporting progress.

    The file appears under its name only when it is complete; a stop leaves nothing of it, but the pieces that
    are done, which the next time finds.
    """
    left = missing(every := pieces.cut(film, quality))
    counting = Steps("Rendering", sum(piece.end - piece.first for piece in left) + 1)
    yield counting.report()
    frames, since = Frames(film), 0
    for piece in left:
        for _ in encoding.encode(frames, piece.first, piece.end, film, quality, piece.path):
            since += 1
            if since == EVERY:
                yield counting.report(since)
                since = 0
    yield counting.report(since)
    with replacing(target) as part:
        encoding.join([one.path for one in every], [one.end - one.first for one in every], film, part)
    yield counting.report(1)
