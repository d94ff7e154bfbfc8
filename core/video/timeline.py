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

    Scenes begin on whole frames, so that a scene of the same length has the same frames wherever it stands.
    """

    starts: tuple[int, ...]
    spoken: tuple[float, ...]
    frames: int
    fps: int

    @property
    def seconds(self) -> float:
        """The film's length."""
        return self.frames / self.fps

    def length(self, at: int) -> float:
        """Seconds of a scene, counted from 0."""
        return ((*self.starts[1:], self.frames)[at] - self.starts[at]) / self.fps


def timeline(board: Storyboard, speech: Sequence[float], beats: Sequence[float] = ()) -> Timeline:
    """The film's times, where each scene's speech takes so many seconds.

    beats: seconds at which scenes may begin, the one before lasting till then; none: at any.
    """
    fps = board.film.fps
    least = [
        max(scene.seconds, board.pause + said if said else (0.0 if scene.seconds else UNSPOKEN))
        for scene, said in zip(board.scenes, speech, strict=True)
    ]
    least[-1] += TAIL
    least[-1] += max(0.0, LEAST_SECONDS - sum(least))
    lengths = [math.ceil(seconds * fps - 1e-6) for seconds in least]
    on_beat = [round(beat * fps) for beat in sorted(beats)]
    starts = [0]
    for length in lengths[:-1]:
        starts.append(next((beat for beat in on_beat if beat >= starts[-1] + length), starts[-1] + length))
    starts.append(starts[-1] + lengths[-1])
    spoken = tuple(start / fps + BEFORE * board.pause for start in starts[:-1])
    return Timeline(tuple(starts[:-1]), spoken, starts[-1], fps)
