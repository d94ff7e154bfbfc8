"""Re-opens a finished film and tells what is really in it.

Works on an mp4 file; reads its boxes for the layout, the rest by ffmpeg's libraries (PyAV).
Knows nothing about how the film was made.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAFE_SECONDS = (
    0.25  # difference between asked and real length that rounding to frames and AAC blocks explains
)


@dataclass(frozen=True)
class Streams:
    """What a film holds; seconds, pixels, Hz. `audio_codec` is empty where it is silent."""

    seconds: float
    width: int
    height: int
    fps: float
    video_codec: str
    profile: str
    pixel_format: str
    colour: str
    audio_codec: str
    audio_rate: int
    channels: str
    faststart: bool


def streams(path: Path) -> Streams:
    """A film's streams. Raises ValueError for a file that can't be read as a film."""
    import av

    try:
        with av.open(str(path.absolute())) as film:
            [picture], sound = film.streams.video, next(iter(film.streams.audio), None)
            codec = picture.codec_context
            return Streams(
                seconds=(film.duration or 0) / av.time_base,
                width=codec.width,
                height=codec.height,
                fps=float(picture.average_rate or 0),
                video_codec=codec.name,
                profile=codec.profile or "",
                pixel_format=codec.pix_fmt or "",
                colour=colour(codec),
                audio_codec=sound.codec_context.name if sound else "",
                audio_rate=sound.codec_context.sample_rate if sound else 0,
                channels=sound.codec_context.layout.name if sound else "",
                faststart=boxes(path)[:2] == ["ftyp", "moov"],
            )
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"{path} is not a film: {error}") from None


def colour(codec: Any) -> str:
    """Range, matrix, primaries and curve of a stream's colours, by their numbers in ITU-T H.273."""
    said = (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc)
    return " ".join(str(int(number)) for number in said)


def boxes(path: Path) -> list[str]:
    """The names of an mp4's outermost boxes, in order (ISO 14496-12)."""
    names: list[str] = []
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, name = int.from_bytes(head[:4], "big"), head[4:].decode("latin-1")
            names.append(name)
            taken = 8
            if size == 1:
                size, taken = int.from_bytes(file.read(8), "big"), 16
            if size == 0:
                break
            file.seek(size - taken, 1)
    return names


def loudness(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP of a film's sound, by ffmpeg's EBU R128 meter.

    Raises ValueError where there is none.
    """
    import av

    with tempfile.TemporaryDirectory() as place, av.open(str(path.absolute())) as film:
        if not film.streams.audio:
            raise ValueError(f"{path} has no sound to measure")
        told, stream = Path(place) / "r128", film.streams.audio[0]
        graph = av.filter.Graph()
        chain = [
            graph.add_abuffer(template=stream),
            graph.add("ebur128", "metadata=1:peak=true"),
            graph.add("ametadata", f"mode=print:file={told}"),
            graph.add("abuffersink"),
        ]
        for one, following in itertools.pairwise(chain):
            one.link_to(following)
        graph.configure()
        for frame in film.decode(stream):
            graph.push(frame)
            with contextlib.suppress(BlockingIOError, EOFError):
                while True:
                    graph.pull()
        del graph, chain  # closes the file
        with told.open(encoding="utf-8") as lines:
            figures = dict(line.rstrip().split("=", 1) for line in lines if "=" in line)
    peak = float(figures["lavfi.r128.true_peak"])
    return float(figures["lavfi.r128.I"]), 20 * math.log10(max(1e-9, peak))


def problems(path: Path, width: int, height: int, fps: int, seconds: float, sound: bool) -> list[str]:
    """What keeps a film from being what was promised, in words; empty where it is."""
    try:
        found = streams(path)
    except (OSError, ValueError) as error:
        return [str(error)]
    checks = {
        f"size {found.width}×{found.height}": (found.width, found.height) == (width, height),
        f"{found.fps} frames a second": abs(found.fps - fps) < 0.01,
        f"{found.seconds} seconds": abs(found.seconds - seconds) < SAFE_SECONDS,
        f"codec {found.video_codec}": found.video_codec == "h264",
        f"pixel format {found.pixel_format}": found.pixel_format == "yuv420p",
        f"audio codec {found.audio_codec or 'none'}": found.audio_codec == ("aac" if sound else ""),
        "index at the end": found.faststart,
    }
    return [name for name, right in checks.items() if not right]
