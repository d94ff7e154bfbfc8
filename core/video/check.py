"""Re-opens a finished film and tells what is really in it.

Works on an mp4 file; reads its boxes for the layout, ffmpeg's own words for the streams and the loudness.
Knows nothing about how the film was made.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

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
    """A film's streams. Raises ValueError for a file that ffmpeg can't read as a film."""
    text = _ffmpeg("-i", str(path))
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    picture = re.search(
        r"Video: (\w+)(?: \(([\w :]+)\))?[^,]*, (\w+)\(?([^)]*)\)?[^\n]*?, (\d+)x(\d+)[^\n]*?, ([\d.]+) fps",
        text,
    )
    if not length or not picture:
        raise ValueError(f"{path} is not a film: {text.strip().splitlines()[-1]}")
    hours, minutes, seconds = length.groups()
    sound = re.search(r"Audio: (\w+)[^\n]*?, (\d+) Hz, (\w+)", text)
    return Streams(
        seconds=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
        video_codec=picture[1],
        profile=picture[2] or "",
        pixel_format=picture[3],
        colour=picture[4],
        width=int(picture[5]),
        height=int(picture[6]),
        fps=float(picture[7]),
        audio_codec=sound[1] if sound else "",
        audio_rate=int(sound[2]) if sound else 0,
        channels=sound[3] if sound else "",
        faststart=boxes(path)[:2] == ["ftyp", "moov"],
    )


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
    """Integrated loudness in LUFS and true peak in dBTP of a film's sound, by ffmpeg's EBU R128 meter."""
    text = _ffmpeg("-nostats", "-i", str(path), "-vn", "-af", "ebur128=peak=true", "-f", "null", "-")
    summary = text[text.rindex("Summary:") :]
    integrated = re.search(r"I:\s+(-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", summary)
    if not integrated or not peak:
        raise ValueError(f"{path} has no sound to measure")
    return float(integrated[1]), float(peak[1])


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


def _ffmpeg(*arguments: str) -> str:
    """What ffmpeg says on stderr."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stderr.decode("utf-8", "replace")
