"""Renders a film: moving pictures, cross-fades and captions into one mp4 with its sound.

Works on plain data: shots (picture, path, when), captions, samples. One frame function writes every frame;
moviepy encodes and joins. Knows nothing about storyboards, voices or models.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import cv2
import numpy as np

from core.jobs import Clock, Progress
from core.project import replacing
from core.video.captions import Captions, Lettering, Look, blend, lettering, padding, safe_area
from core.video.check import boxes
from core.video.motion import Move, view
from core.video.sound import write_wav
from core.video.typesetting import least_size, wrapped

LABEL_SECONDS = 2.5
LABEL_LINES = 3
# Frames come as RGB; without the conversion ffmpeg's own default (BT.601) would shift the colours.
COLOUR = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic,format=yuv420p,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)


@dataclass(frozen=True)
class Shot:
    """One picture (uint8 [H, W, 3]) on the screen from `start` to `end` seconds, and how the camera moves.

    A cross-fade of `fade` seconds, centred on `start`, brings it in.
    """

    picture: np.ndarray
    path: Move
    start: float
    end: float
    fade: float = 0.0


@dataclass(frozen=True)
class Film:
    """What a film is made of; `sound` is float32 [n, 2] at 48 kHz or None, `label` a note at its start."""

    shots: tuple[Shot, ...]
    captions: Captions | None
    sound: np.ndarray | None
    seconds: float
    width: int
    height: int
    fps: int
    label: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Frames:
    """The frame function: seconds in, uint8 [height, width, 3] out."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.starts = np.array([shot.start for shot in film.shots])
        self.pictures = [cv2.cvtColor(shot.picture, cv2.COLOR_RGB2RGBA) for shot in film.shots]
        self.label = ai_label(film.label, film.width, film.height) if film.label else None

    def __call__(self, seconds: float) -> np.ndarray:
        """The frame of a moment."""
        shots = self.film.shots
        at = max(0, int(np.searchsorted(self.starts, seconds, side="right")) - 1)
        frame = self._view(at, seconds)
        for low, high in ((at - 1, at), (at, at + 1)):
            if low < 0 or high >= len(shots):
                continue
            shot = shots[high]
            share = (seconds - (shot.start - shot.fade / 2)) / shot.fade if shot.fade else 1.0
            if 0 < share < 1:
                other = self._view(low if high == at else high, seconds)
                one, other = (other, frame) if high == at else (frame, other)
                frame = cv2.addWeighted(one, 1 - share, other, share, 0)
        if self.label is not None and seconds < LABEL_SECONDS:
            blend(frame, self.label, min(1.0, (LABEL_SECONDS - seconds) / 0.3))
        if self.film.captions is not None:
            self.film.captions.blend(frame, seconds)
        return frame

    def _view(self, at: int, seconds: float) -> np.ndarray:
        shot = self.film.shots[at]
        after = self.film.shots[at + 1].fade if at + 1 < len(self.film.shots) else 0.0
        first, last = shot.start - shot.fade / 2, shot.end + after / 2
        share = (seconds - first) / (last - first)
        return view(self.pictures[at], shot.path, share, self.film.width, self.film.height)


def ai_label(text: str, width: int, height: int) -> Lettering | None:
    """The visible note that a film is generated, at the safe area's top; 5 % of the short side (GB 45438)."""
    size = max(0.052 * min(width, height), least_size(width, height))
    look, area = Look(size=size, back="box"), safe_area(width, height)
    room = (area.width - 2 * padding(look, size), float(height))
    lines, _, _ = wrapped([text], look.font, size, room, LABEL_LINES, least=size)
    colored = [[(word, look.color) for word in line] for line in lines]
    return lettering(colored, look, area, anchor=0.0, align="left")


def aigc(producer: str, produced: str) -> dict[str, str]:
    """The metadata key AIGC of GB 45438-2025: who made it with AI, and under which id."""
    names = (
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    )
    values = {"Label": "1", **dict.fromkeys(names, ""), "ContentProducer": producer, "ProduceID": produced}
    return {"AIGC": json.dumps(values, ensure_ascii=False)}


def render(film: Film, target: Path) -> Generator[Progress, None, None]:
    """Writes `target` (.mp4: H.264 High, yuv420p, BT.709, AAC, faststart), reporting progress.

    The file appears under its name only when it is complete; a stop leaves nothing behind.
    """
    reports: SimpleQueue[int] = SimpleQueue()
    stop = threading.Event()
    total = round(film.seconds * film.fps)
    failures: list[BaseException] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = tempfile.TemporaryDirectory(prefix=".render-", dir=target.parent)
    with temporary as folder, replacing(target) as part:
        writer = threading.Thread(
            target=_write,
            args=(film, part, Path(folder), reports, stop, failures),
            name="render",
            daemon=True,
        )
        writer.start()
        clock = Clock(total)
        try:
            while writer.is_alive():
                done = _newest(reports)
                if done is not None:
                    yield Progress("Rendering", done, total, seconds_left=clock.left(done))
        finally:
            stop.set()
            writer.join()
        if failures:
            raise failures[0]
    yield Progress("Rendering", total, total)


class _Stopped(Exception):
    """Raised between two frames to end moviepy's loop."""


def _write(
    film: Film,
    part: Path,
    folder: Path,
    reports: SimpleQueue[int],
    stop: threading.Event,
    failures: list[BaseException],
) -> None:
    """Runs moviepy on its own thread, so that the job can report and be stopped between two frames."""
    import proglog
    from moviepy import VideoClip

    class Reporter(proglog.ProgressBarLogger):
        def bars_callback(self, bar: str, attr: str, value: int, old_value: int | None = None) -> None:
            if stop.is_set():
                raise _Stopped
            if bar == "frame_index" and attr == "index":
                reports.put(value)

    try:
        sound = str(write_wav(film.sound, folder / "sound.wav")) if film.sound is not None else False
        clip = VideoClip(Frames(film), duration=film.seconds)
        clip.write_videofile(
            str(part),
            fps=film.fps,
            codec="libx264",
            preset="veryfast",
            audio=sound,
            audio_codec="aac",
            audio_bitrate="192k",
            temp_audiofile_path=str(folder),
            pixel_format="yuv420p",
            ffmpeg_params=encoding(film),
            logger=Reporter(),
        )
        if boxes(part)[:2] != ["ftyp", "moov"]:
            # moviepy doesn't ask what became of ffmpeg after the last frame: only the disk can fail it there
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except _Stopped:
        pass
    except BaseException as error:  # handed to the job's thread
        failures.append(error)


def encoding(film: Film) -> list[str]:
    """What ffmpeg is told beyond moviepy's own arguments: colours, profile, metadata, index in front."""
    extra = ["-vf", COLOUR, "-profile:v", "high", "-crf", "18", "-g", str(2 * film.fps)]
    extra += ["-movflags", "+faststart+use_metadata_tags", "-ar", "48000", "-ac", "2"]
    for key, value in film.metadata.items():
        extra += ["-metadata", f"{key}={value}"]
    return extra


def _newest(reports: SimpleQueue[int]) -> int | None:
    """The last number in the queue, None after a tenth of a second without one."""
    try:
        newest = reports.get(timeout=0.1)
        while not reports.empty():
            newest = reports.get()
        return newest
    except Empty:
        return None


def shots_for(
    pictures: Sequence[np.ndarray],
    starts: Sequence[float],
    seconds: float,
    paths: Sequence[Move],
    fade: float,
) -> tuple[Shot, ...]:
    """Shots that follow each other: each from its start to the next one's, the last to the end."""
    ends = [*starts[1:], seconds]
    shortest = min(end - start for start, end in zip(starts, ends, strict=True))
    fade = min(fade, shortest * 0.8)
    return tuple(
        Shot(picture, path, start, end, fade if at else 0.0)
        for at, (picture, path, start, end) in enumerate(zip(pictures, paths, starts, ends, strict=True))
    )
