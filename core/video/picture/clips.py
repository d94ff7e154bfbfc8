"""A person's own clip: how long it is, its frames at the film's size and rate, its sound.

Read by moviepy, one frame after another, upright; a clip that is too short stays on its last frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Mistake
from core.video.audio.speech import RATE, Samples
from core.video.picture.cutting import cut_to

MOST_PIXELS = 4096 * 4096


def check(path: Path) -> float:
    """The clip's length in seconds. Raises Mistake where it can't be used."""
    with _opened(path) as file:
        return float(_length(file))


def _opened(path: Path) -> Any:
    import av

    try:
        # Absolute: a name such as `a: b.mp4` alone would be an address to ffmpeg.
        file = av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unusable(path, error) from None
    if not file.streams.video:
        file.close()
        raise Mistake("{path} has no picture in it; choose a clip or a picture.", path=path)
    context = file.streams.video[0].codec_context
    if context is None or not 0 < context.width * context.height <= MOST_PIXELS:
        file.close()
        raise Mistake("{path} is too large for a clip; make it smaller than 4096×4096.", path=path)
    return file


def _unusable(path: Path, error: object) -> Mistake:
    return Mistake(
        "{path} can't be read as a clip ({reason}); save it again as mp4.", path=path, reason=str(error)[:120]
    )


def _length(file: Any) -> float:
    import av

    stream = file.streams.video[0]
    if stream.duration:
        return stream.duration * stream.time_base
    return (file.duration or 0) / av.time_base


def first(path: Path, start: float) -> np.ndarray:
    """The picture with which a clip begins at a second, uint8 [H, W, 3]."""
    from moviepy import VideoFileClip

    check(path)
    with VideoFileClip(str(path.absolute()), audio=False) as clip:
        last = max(0.0, clip.duration - 1 / (clip.fps or 25))
        return np.ascontiguousarray(clip.get_frame(min(start, last))[..., :3])


class Clip:
    """A clip's frames as a scene shows them: frame number in, uint8 [height, width, 3] out, in rising order.

    A number lower than the last one begins anew.
    """

    def __init__(
        self, path: Path, start: float, cut: Sequence[float], width: int, height: int, fps: int
    ) -> None:
        from moviepy import VideoFileClip

        self.start, self.fps, self.shape = start, fps, (width, height, tuple(cut))
        self.clip = VideoFileClip(str(path.absolute()), audio=False)
        self.last = max(0.0, self.clip.duration - 1 / (self.clip.fps or fps))

    def __call__(self, number: int) -> np.ndarray:
        """What is seen at a frame of the scene."""
        width, height, cut = self.shape
        picture = self.clip.get_frame(min(self.last, self.start + number / self.fps))
        return cut_to(np.ascontiguousarray(picture[..., :3]), width, height, cut)

    def __del__(self) -> None:
        if hasattr(self, "clip"):
            self.clip.close()


def sound(path: Path, start: float, seconds: float) -> Samples | None:
    """The clip's own sound from `start` on, mono float32 [n] at 48 kHz; None where it has none."""
    from moviepy import VideoFileClip

    with VideoFileClip(str(path.absolute())) as clip:
        end = min(clip.duration, start + seconds)
        if clip.audio is None or end <= start:
            return None
        samples = clip.audio.subclipped(start, min(end, clip.audio.duration)).to_soundarray(fps=RATE)
    return samples.mean(1).astype(np.float32)
