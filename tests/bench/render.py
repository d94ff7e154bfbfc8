"""Frames a second of the renderer at 1080×1920, whole and in parts.

    python tests/bench/render.py [seconds]

Prints wall-clock rates and, because other work on the machine stretches those, CPU milliseconds a frame.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.video import motion, music, sound, voice
from core.video.captions import Captions, Look, phrases
from core.video.render import Film, Frames, render, shots_for

WIDTH, HEIGHT, FPS = 1080, 1920, 30
TEXT = "Mist rises from the river before anyone wakes, and the old bridge keeps its own slow time."


def cpu_seconds() -> float:
    """CPU time of this process and of the encoders it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def picture(seed: int) -> np.ndarray:
    """A soft landscape of noise with edges, at the size that motion asks for."""
    import cv2

    coarse = np.random.default_rng(seed).integers(0, 256, (24, 14, 3), np.uint8)
    width, height = motion.cover_size(WIDTH, HEIGHT, 0.08)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(smooth // 32 * 32)


def film(seconds: float) -> Film:
    """A film of shots of two seconds with captions all the way, and music."""
    starts = list(np.arange(0, seconds, 2.0))
    paths = [motion.move(at, 0, 0.08) for at in range(len(starts))]
    look = Look("serif", 60)
    shown = phrases(voice.silent(TEXT).words, look, WIDTH, HEIGHT)
    return Film(
        shots=shots_for([picture(at) for at in range(len(starts))], starts, seconds, paths, 0.4),
        captions=Captions(shown, look, WIDTH, HEIGHT),
        sound=sound.mix(seconds, [], music.load("calm")),
        seconds=seconds,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
    )


def main(seconds: float) -> None:
    """Measures and prints."""
    made = film(seconds)
    frames, count = Frames(made), round(seconds * FPS)
    started, used = time.perf_counter(), cpu_seconds()
    for number in range(count):
        frames(number / FPS)
    wall, cpu = time.perf_counter() - started, cpu_seconds() - used
    print(f"frame function: {count / wall:.0f} frames/s, {cpu / count * 1000:.1f} ms CPU a frame")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "film.mp4"
        started, used = time.perf_counter(), cpu_seconds()
        for _ in render(made, target):
            pass
        wall, cpu = time.perf_counter() - started, cpu_seconds() - used
        size = target.stat().st_size / 1e6
    print(
        f"whole render:   {count / wall:.0f} frames/s, {cpu / count * 1000:.1f} ms CPU a frame, {size:.1f} MB"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 6.0)
