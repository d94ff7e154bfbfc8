"""When everything of a film happens. Works on lengths of speech; knows no models, pictures or sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.video.script.write import TAIL
from core.video.storyboard.board import Storyboard

BEFORE = 0.4  # the share of a pause that comes before a scene's voice; the rest follows the one before it
UNSPOKEN = 3.0  # seconds of a scene that says nothing and asks for no length
LEAST_SECONDS = 3.0  # what the platforms take


@dataclass(frozen=True)
class Timeline:
    """Where scenes start, in frames; where their voices start, in seconds; the film's length in frames.

    ends: the frame at which the last scene does; what is left is a card's. Scenes begin on whole frames, so
    that a scene of the same length has the same frames wherever it stands.
    """

    starts: tuple[int, ...]
    spoken: tuple[float, ...]
    frames: int
    fps: int
    ends: int

    @property
    def seconds(self) -> float:
        """The film's length."""
        return self.frames / self.fps

    def length(self, at: int) -> float:
        """Seconds of a scene, counted from 0."""
        return ((*self.starts[1:], self.ends)[at] - self.starts[at]) / self.fps


def timeline(
    board: Storyboard,
    speech: Sequence[float],
    beats: Sequence[float] = (),
    before: float = 0.0,
    after: float = 0.0,
) -> Timeline:
    """The film's times, where each scene's speech takes so many seconds.

    beats: seconds at which scenes may begin, the one before lasting till then; none: at any. before, after:
    seconds of a card ahead of the first scene and of one behind the last.
    """
    fps = board.film.fps
    least = [
        max(scene.seconds, board.pause + said if said else (0.0 if scene.seconds else UNSPOKEN))
        for scene, said in zip(board.scenes, speech, strict=True)
    ]
    least[-1] += TAIL
    least[-1] += max(0.0, LEAST_SECONDS - sum(least))
    on_beat = [round(beat * fps) for beat in sorted(beats)]

    def counted(seconds: float) -> int:
        return math.ceil(seconds * fps - 1e-6)

    def from_beat(frame: int) -> int:
        return next((beat for beat in on_beat if beat >= frame), frame)

    starts = [from_beat(counted(before)) if before else 0]
    for seconds in least[:-1]:
        starts.append(from_beat(starts[-1] + counted(seconds)))
    ends = starts[-1] + counted(least[-1])
    ends = from_beat(ends) if after else ends
    spoken = tuple(start / fps + BEFORE * board.pause for start in starts)
    return Timeline(tuple(starts), spoken, ends + counted(after), fps, ends)
