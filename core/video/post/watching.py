"""Looks at every moment of a finished film: where it is black, and where nothing moves.

Works on an mp4 file, read by ffmpeg's libraries (PyAV) and looked at small; knows nothing about scenes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.progress import Progress, Steps

LOOKS = 6  # a second
SIDE = 160  # pixels of the longer side that is looked at
DARK, DARK_SHARE = 36, 0.88  # luma from 16 to 235 up to which a pixel is black; of so many a frame is
MOVED, MOVED_SHARE = 5, 0.002  # steps of luma by which a pixel has changed; fewer such pixels are no motion


@dataclass(frozen=True)
class Span:
    """From when to when, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.end - self.start

    def within(self, start: float, end: float) -> Span:
        """The part of it between two seconds; of no length where there is none."""
        first = max(self.start, start)
        return Span(first, max(first, min(self.end, end)))


@dataclass(frozen=True)
class Looked:
    """A film's black spans, and those in which the picture stands still."""

    black: tuple[Span, ...] = ()
    frozen: tuple[Span, ...] = ()


def look(
    video: Path, starts: Sequence[float], hidden: Sequence[tuple[float, float]] = ()
) -> Generator[Progress, None, Looked]:
    """Looks through a film; what stands still over one of the `starts` counts anew from there.

    hidden: shares of the height, from and to, where captions stand, which don't count as motion.
    """
    dark, still = _Run(), _Run()
    before: np.ndarray | None = None
    cuts, end = iter([*starts, float("inf")]), 0.0
    cut = next(cuts)
    for second, luma, step, progress in _seen(video):
        end = second + step
        dark.take(second, float((luma <= DARK).mean()) >= DARK_SHARE)
        seen = np.delete(luma, _rows(hidden, len(luma)), axis=0).astype(np.int16)
        begun = False
        while second >= cut - 1e-6:
            cut, begun = next(cuts), True
        moved = before is None or float((np.abs(seen - before) > MOVED).mean()) >= MOVED_SHARE
        if begun or moved:
            still.take(second, False)
            before = seen
        still.take(second, True)
        if progress is not None:
            yield progress
    return Looked(dark.ended(end), still.ended(end))


class _Run:
    """Spans in which something is so, from moment to moment."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.since: float | None = None

    def take(self, second: float, so: bool) -> None:
        if so and self.since is None:
            self.since = second
        elif not so and self.since is not None:
            self.spans.append(Span(self.since, second))
            self.since = None

    def ended(self, second: float) -> tuple[Span, ...]:
        self.take(second, False)
        return tuple(self.spans)


def _rows(hidden: Sequence[tuple[float, float]], height: int) -> list[int]:
    """The rows of a picture that are covered; none where that would be nearly all."""
    covered = [
        row
        for row in range(height)
        if any(top * height <= row + 1 and row <= end * height for top, end in hidden)
    ]
    return covered if len(covered) <= 0.8 * height else []


def _seen(video: Path) -> Iterator[tuple[float, np.ndarray, float, Progress | None]]:
    """Moments of a film: when, its luma small (uint8 [h, w]), until the next one, a report each second."""
    import av

    with av.open(str(video.absolute())) as film:
        stream = film.streams.video[0]
        stream.thread_type = "AUTO"
        rate = float(stream.average_rate or 30)
        every, scale = max(1, round(rate / LOOKS)), SIDE / max(stream.width, stream.height)
        width, height = (max(2, round(side * scale / 2) * 2) for side in (stream.width, stream.height))
        looking = Steps("Looking through the film", max(1, round(float((film.duration or 0) / av.time_base))))
        for number, frame in enumerate(film.decode(stream)):
            if number % every:
                continue
            small = frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
            due = int(number / rate) > looking.done
            report = looking.report(1, result=video) if due and looking.done < looking.total else None
            yield number / rate, small.to_ndarray()[:height], every / rate, report
