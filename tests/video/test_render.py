"""Small films through moviepy and ffmpeg: streams, colours, motion, stopping."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.jobs import Mistake
from core.video import check, motion
from core.video.captions import Captions, Look, phrases
from core.video.render import Film, Frames, aigc, render, shots_for
from core.video.voice import RATE, silent
from tests.limits import posix, room

WIDTH, HEIGHT, FPS = 108, 192, 15


def flat(*color: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), color, np.uint8)


@pytest.fixture(scope="module")
def film() -> Film:
    pictures = [flat(200, 40, 30), flat(30, 160, 60), flat(20, 50, 190)]
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    look = Look("sans", 80)
    return Film(
        shots=shots_for(pictures, [0, 1, 2], 3, [motion.move(at, 1, 0.08) for at in range(3)], 0.4),
        captions=Captions(phrases(silent("Slow river").words, look, WIDTH, HEIGHT), look, WIDTH, HEIGHT),
        sound=np.repeat(tone[:, None], 2, 1).astype(np.float32),
        seconds=3.0,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        metadata={"title": "小镇", **aigc("LoRA Studio", "42")},
    )


@pytest.fixture(scope="module")
def rendered(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("render") / "雨 夜 🌧" / "film.mp4"
    reports = list(render(film, target))
    assert reports[-1].step == reports[-1].total == 45
    return target


def test_streams(rendered: Path) -> None:
    found = check.streams(rendered)
    assert (found.width, found.height, found.fps) == (WIDTH, HEIGHT, FPS)
    assert found.seconds == pytest.approx(3, abs=0.1)
    assert (found.video_codec, found.profile, found.pixel_format) == ("h264", "High", "yuv420p")
    assert found.colour.startswith("tv, bt709")
    assert "unknown" not in found.colour
    assert (found.audio_codec, found.audio_rate, found.channels) == ("aac", 48000, "stereo")
    assert check.problems(rendered, WIDTH, HEIGHT, FPS, 3, True) == []
    assert check.problems(rendered, WIDTH, HEIGHT, FPS, 9, False) == ["3.0 seconds", "audio codec aac"]


def test_colours_come_out_as_they_went_in(rendered: Path) -> None:
    from moviepy import VideoFileClip

    with VideoFileClip(str(rendered)) as clip:
        for seconds, color in ((0.5, (200, 40, 30)), (1.5, (30, 160, 60)), (2.5, (20, 50, 190))):
            corner = clip.get_frame(seconds)[10:40, 10:60].mean((0, 1))
            assert np.abs(corner - color).max() < 6


def test_nothing_else_is_left(rendered: Path) -> None:
    assert [path.name for path in rendered.parent.iterdir()] == ["film.mp4"]


def test_it_says_that_it_is_generated(rendered: Path) -> None:
    assert b"ContentProducer" in rendered.read_bytes()


def test_stopping_leaves_nothing(film: Film, tmp_path: Path) -> None:
    job: Any = render(replace(film, seconds=60.0), tmp_path / "film.mp4")
    next(job)
    job.close()
    assert not list(tmp_path.iterdir())


def test_a_failing_frame_fails_the_job_and_leaves_nothing(film: Film, tmp_path: Path) -> None:
    broken = replace(
        film, shots=(replace(film.shots[0], picture=np.zeros((2, 2, 5), np.uint8)), *film.shots[1:])
    )
    with pytest.raises(Exception, match="channels"):
        list(render(broken, tmp_path / "film.mp4"))
    assert not list(tmp_path.iterdir())


def test_a_cross_fade_is_even_and_centred(film: Film) -> None:
    frames = Frames(replace(film, captions=None))
    red = [float(frames(t)[..., 0].mean()) for t in (0.79, 0.9, 1.0, 1.1, 1.21)]
    assert red[0] == pytest.approx(200, abs=2) and red[-1] == pytest.approx(30, abs=2)
    assert red[2] == pytest.approx(115, abs=3)


def test_the_camera_never_shows_an_edge_and_never_jerks() -> None:
    """A picture framed in magenta: the view may touch the frame at most; a dot moves evenly."""
    big = np.zeros((HEIGHT * 2, WIDTH * 2, 4), np.uint8)
    big[..., :3] = 90
    yy, xx = np.mgrid[: HEIGHT * 2, : WIDTH * 2]
    big[..., 0] = (90 + 160 * np.exp(-((yy - 200) ** 2 + (xx - 100) ** 2) / 60)).astype(np.uint8)
    for number in range(12):
        path = motion.move(number, 3, 0.1)
        places = []
        for share in np.linspace(0, 1, 60):
            seen = motion.view(big, path, share, WIDTH, HEIGHT)
            weight = seen[..., 0].astype(float) - 90
            places.append(
                [(weight * np.mgrid[:HEIGHT, :WIDTH][axis]).sum() / weight.sum() for axis in (0, 1)]
            )
            assert seen[..., 1].min() == 90
        jerk = np.abs(np.diff(places, n=2, axis=0))
        assert jerk.max() < 0.08


def test_covering_crops_about_the_middle() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    assert motion.covering(picture, 50, 50).min() > 250
    assert motion.covering(picture, 210, 210)[:, 10:-10].min() > 250


@pytest.fixture(scope="module")
def noise(film: Film) -> Film:
    """A silent film that takes some hundred kilobytes."""
    pictures = [np.random.default_rng(at).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for at in range(3)]
    shots = shots_for(pictures, [0, 1, 2], 3, [motion.move(at, 1, 0.08) for at in range(3)], 0.4)
    return replace(film, shots=shots, captions=None, sound=None)


@posix
@pytest.mark.parametrize(("part", "limit"), [("film", 100), ("film", 20_000), ("sound", 200_000)])
def test_a_film_or_its_sound_without_room_is_one_sentence(
    film: Film, noise: Film, tmp_path: Path, part: str, limit: int
) -> None:
    """ffmpeg is ended by the system's limit; libsndfile and moviepy keep the reason to themselves."""
    with pytest.raises(Mistake, match="no room left on the disk") as caught, room(limit):
        list(render(noise if part == "film" else film, tmp_path / "f.mp4"))
    assert caught.value.values == {"folder": tmp_path} and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_film_that_fills_its_disk_is_not_taken_for_whole(noise: Film, tmp_path: Path) -> None:
    """After the last frame nobody asks ffmpeg, which writes what it kept back only then."""
    small = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(tmp_path)]
    if subprocess.run(small, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(Mistake, match="no room left on the disk"):
            list(render(noise, tmp_path / "f.mp4"))
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
