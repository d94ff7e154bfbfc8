"""The renderer at 1080×1920 beside moviepy's documented way and beside the encoder alone.

    python tests/bench/render.py [seconds] [rounds]

Arms, interleaved round by round, each in a process of its own, so that each has its own peak of memory:

- ours: pieces of frames with motion, cross-fades and captions, encoded and joined (core.video.render)
- changed: the same film again after one of its shots has changed
- moviepy: CompositeVideoClip of ImageClips that are resized over time and cross-faded, with TextClips
- encoder: x264 with the same settings, fed one ready frame again and again: the floor

Prints medians of frames a second and megabytes at the peak.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core import kept
from core.video.audio import mix, music, speech
from core.video.picture import motion
from core.video.picture.captions import Captions
from core.video.picture.lettering import Look
from core.video.picture.phrasing import Phrase, phrases, shifted
from core.video.render import encoding
from core.video.render.film import Film, shots_for, still
from core.video.render.render import render

WIDTH, HEIGHT, FPS, SHOT = 1080, 1920, 30, 5
TEXT = "Mist rises from the river before anyone wakes, and the old bridge keeps its own slow time."
FONT = Path(__file__).resolve().parents[2] / "assets" / "fonts"
ARMS = ("ours", "changed", "moviepy", "encoder")


def picture(seed: int) -> np.ndarray:
    """A soft landscape of noise with edges, at the size that motion asks for."""
    import cv2

    coarse = np.random.default_rng(seed).integers(0, 256, (24, 14, 3), np.uint8)
    width, height = motion.cover_size(WIDTH, HEIGHT, 0.08)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(smooth // 32 * 32)


def said(seconds: float) -> tuple[Phrase, ...]:
    """Captions all the way."""
    look, one = Look("serif", 60), speech.silent(TEXT)
    shown = phrases(one.words, look, WIDTH, HEIGHT)
    starts = np.arange(0, seconds - one.seconds, one.seconds)
    return tuple(shifted(phrase, float(start)) for start in starts for phrase in shown)


def film(seconds: float) -> Film:
    """A film of shots of five seconds with captions all the way, and music."""
    frames = round(seconds * FPS)
    starts = list(range(0, frames, SHOT * FPS))
    paths = motion.moves([(f"{at}", "auto") for at in range(len(starts))], 0, 0.08)
    seen = [(f"{at}", still(lambda at=at: picture(at))) for at in range(len(starts))]
    return Film(
        shots=shots_for(seen, starts, frames, paths, ["fade"] * len(starts), 12),
        captions=Captions(said(seconds), Look("serif", 60), WIDTH, HEIGHT),
        sound=mix.mix(seconds, [], music.load("calm")),
        frames=frames,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
    )


def ours(seconds: float, target: Path, changed: bool) -> None:
    """Renders; `changed`: what is measured is the second time, with another second shot."""
    made = film(seconds)
    if changed:
        list(render(made, target.with_name("before.mp4")))
        shots = [replace(shot, name="new") if at == 1 else shot for at, shot in enumerate(made.shots)]
        made = replace(made, shots=tuple(shots))
    began = time.perf_counter()
    list(render(made, target))
    tell(began)


def moviepy(seconds: float, target: Path) -> None:
    """The way that moviepy's documentation shows."""
    from moviepy import AudioFileClip, CompositeVideoClip, ImageClip, TextClip, vfx

    font = str(next(FONT.glob("*erif*.ttf"), next(FONT.glob("*.?t?"))))
    began = time.perf_counter()
    clips = []
    for at, start in enumerate(np.arange(0, seconds, SHOT)):
        length = min(SHOT, seconds - start) + 0.4
        zoomed = ImageClip(picture(at)).with_duration(length).with_start(start)
        zoomed = zoomed.with_effects(
            [vfx.Resize(lambda t, length=length: 0.93 + 0.07 * t / length), vfx.CrossFadeIn(0.4)]
        )
        clips.append(zoomed.with_position("center"))
    for phrase in said(seconds):
        text = TextClip(font, phrase.text, font_size=60, color="white", stroke_color="black", stroke_width=3)
        clips.append(text.with_start(phrase.start).with_end(phrase.end).with_position(("center", 1300)))
    sound = mix.write_wav(mix.mix(seconds, [], music.load("calm")), target.with_suffix(".wav"))
    whole = CompositeVideoClip(clips, size=(WIDTH, HEIGHT)).with_duration(seconds)
    whole.with_audio(AudioFileClip(str(sound))).write_videofile(
        str(target), fps=FPS, codec="libx264", preset="veryfast", audio_codec="aac", logger=None,
        ffmpeg_params=["-crf", "18"],
    )  # fmt: skip
    tell(began)


def encoder(seconds: float, target: Path) -> None:
    """The encoder's own time, for frames that move as the film's do but are there already."""
    ready = [np.roll(picture(0)[:HEIGHT, :WIDTH], shift, 0) for shift in range(0, 40, 2)]
    made, frames = film(seconds), round(seconds * FPS)
    began = time.perf_counter()
    for _ in encoding.encode(lambda number: ready[number % len(ready)], 0, frames, made, "final", target):
        pass
    tell(began)


def tell(began: float) -> None:
    """Says what an arm took: seconds, and megabytes at its peak, its children's too."""
    took = time.perf_counter() - began
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps([took, peak / 1000]))


def arm(name: str, seconds: float) -> None:
    """Runs one arm in this process, with nothing kept from another run."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDIO_CACHE"] = folder
        assert kept.size() == 0
        target = Path(folder) / "film.mp4"
        if name in ("ours", "changed"):
            ours(seconds, target, name == "changed")
        else:
            {"moviepy": moviepy, "encoder": encoder}[name](seconds, target)


def main(seconds: float, rounds: int) -> None:
    """Measures and prints."""
    took: dict[str, list[list[float]]] = {name: [] for name in ARMS}
    for _ in range(rounds):
        for name in ARMS:
            done = subprocess.run(
                [sys.executable, __file__, "--arm", name, str(seconds)], stdout=subprocess.PIPE, check=True
            )
            took[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{seconds:g} s of film at {WIDTH}×{HEIGHT}, {FPS} frames a second; medians of {rounds} rounds")
    for name, figures in took.items():
        wall, peak = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:8} {wall:7.1f} s  {seconds * FPS / wall:6.1f} frames/s  {peak:6.0f} MB")


if __name__ == "__main__":
    if "--arm" in sys.argv:
        arm(sys.argv[2], float(sys.argv[3]))
    else:
        main(*(float(one) for one in sys.argv[1:2] or ["15"]), *(int(one) for one in sys.argv[2:3] or ["3"]))
