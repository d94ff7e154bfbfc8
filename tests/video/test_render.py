"""Small films through ffmpeg's libraries: pieces, streams, colours, motion, stopping."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import kept
from core.messages import Mistake
from core.video import publish_check
from core.video.audio.speech import RATE, silent
from core.video.picture import motion
from core.video.picture.captions import Captions
from core.video.picture.cutting import cut_to
from core.video.picture.lettering import Look
from core.video.picture.phrasing import phrases
from core.video.render import encoding, pieces
from core.video.render.film import Film, Open, aigc, shots_for, still
from core.video.render.frames import Frames
from core.video.render.render import render
from tests.limits import posix, room

WIDTH, HEIGHT, FPS = 108, 192, 15


STARTS = [0, FPS, 2 * FPS]
KINDS = ("cut", "fade", "fade")
PATHS = motion.moves([("a", "push"), ("b", "left"), ("c", "rise")], 1, 0.08)


def shown(*pictures: np.ndarray) -> list[tuple[str, Open]]:
    """Pictures as shots open them, named by what they show."""
    return [(hashlib.sha256(one.tobytes()).hexdigest(), still(lambda one=one: one)) for one in pictures]


def flat(*color: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), color, np.uint8)


@pytest.fixture(scope="module")
def film() -> Film:
    pictures = shown(flat(200, 40, 30), flat(30, 160, 60), flat(20, 50, 190))
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    look = Look("sans", 80)
    return Film(
        shots=shots_for(pictures, STARTS, 3 * FPS, PATHS, KINDS, 6),
        captions=Captions(phrases(silent("Slow river").words, look, WIDTH, HEIGHT), look, WIDTH, HEIGHT),
        sound=np.repeat(tone[:, None], 2, 1).astype(np.float32),
        frames=3 * FPS,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        metadata={"title": "小镇", **aigc("LoRA Studio", "42")},
    )


@pytest.fixture(scope="module")
def rendered(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("render") / "雨 夜 🌧" / "film.mp4"
    reports = list(render(film, target))
    assert reports[-1].step == reports[-1].total == 46
    return target


def test_streams(rendered: Path) -> None:
    found = publish_check.streams(rendered)
    assert (found.width, found.height, found.fps) == (WIDTH, HEIGHT, FPS)
    assert found.seconds == pytest.approx(3, abs=0.1)
    assert (found.video_codec, found.profile, found.pixel_format) == ("h264", "High", "yuv420p")
    assert found.colour == "1 1 1 1", "limited range, BT.709 in matrix, primaries and curve"
    assert (found.audio_codec, found.audio_rate, found.channels) == ("aac", 48000, "stereo")
    assert publish_check.problems(rendered, WIDTH, HEIGHT, FPS, 3, True) == []
    assert publish_check.problems(rendered, WIDTH, HEIGHT, FPS, 9, False) == [
        "3.0 seconds",
        "audio codec aac",
    ]


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


def test_a_name_that_looks_like_an_address_is_a_file(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = Path("http: a film.mp4")
    list(render(replace(film, frames=6, shots=film.shots[:1]), target))
    assert publish_check.streams(target).width == WIDTH
    assert publish_check.loudness(target) is not None


def test_stopping_leaves_nothing(film: Film, tmp_path: Path) -> None:
    job: Any = render(replace(film, label="stopped"), tmp_path / "film.mp4")
    assert [next(job).step for _ in range(2)] == [0, 10]
    job.close()
    assert not list(tmp_path.iterdir()) and not list(kept.folder().rglob(".*"))


def test_what_was_rendered_before_a_stop_is_not_rendered_again(film: Film, tmp_path: Path) -> None:
    film = replace(film, label="gone on with")
    job: Any = render(film, tmp_path / "film.mp4")
    while next(job).step < 20:
        pass
    job.close()
    assert list(render(film, tmp_path / "film.mp4"))[-1].total < 46
    assert publish_check.streams(tmp_path / "film.mp4").seconds == pytest.approx(3, abs=0.05)


def test_a_changed_shot_costs_its_own_piece_and_its_fades(film: Film) -> None:
    edges = [(piece.first, piece.end) for piece in pieces.cut(film, "final")]
    assert edges == [(0, 12), (12, 18), (18, 27), (27, 33), (33, 45)]

    def names(film: Film) -> list[str]:
        return [piece.path.name for piece in pieces.cut(film, "final")]

    def differing(other: Film) -> list[int]:
        return [at for at, pair in enumerate(zip(names(film), names(other), strict=True)) if len({*pair}) > 1]

    first, middle, last = film.shots
    assert differing(replace(film, shots=(first, replace(middle, name="other"), last))) == [1, 2, 3]
    assert differing(replace(film, shots=(first, middle, replace(last, path=PATHS[0])))) == [3, 4]
    assert differing(replace(film, captions=None)) == [0, 1], "the words are said in the first second"
    assert differing(replace(film, label="AI")) == [0, 1, 2, 3, 4], "the last begins after 2.2 s"
    assert differing(replace(film, fps=10)) == differing(replace(film, width=100)) == [0, 1, 2, 3, 4]
    assert names(replace(film, metadata={}, sound=None)) == names(film), "not seen in any frame"


@pytest.mark.parametrize("lengths", [(1, 2, 3, 4, 5), (40, 1, 40), (2, 2, 2), (7,)])
def test_pieces_of_any_length_are_joined(lengths: tuple[int, ...], film: Film, tmp_path: Path) -> None:
    """Each frame at its time and in its order: they are grey, every one a little lighter."""
    import av

    total = sum(lengths)
    plain = replace(film, sound=None, captions=None, frames=total)

    def grey(number: int) -> np.ndarray:
        return np.full((HEIGHT, WIDTH, 3), 20 + number * 2, np.uint8)

    paths, first = [], 0
    for length in lengths:
        paths.append(tmp_path / f"{first}.mp4")
        list(encoding.encode(grey, first, first + length, plain, "final", paths[-1]))
        first += length
    encoding.join(paths, lengths, plain, tmp_path / "all.mp4")
    with av.open(str(tmp_path / "all.mp4")) as file:
        frames = [(float(one.time), one.to_ndarray(format="rgb24").mean()) for one in file.decode(video=0)]
    assert [time for time, _ in frames] == pytest.approx([number / FPS for number in range(total)], abs=1e-3)
    assert [mean for _, mean in frames] == pytest.approx([20 + number * 2 for number in range(total)], abs=2)


def test_a_piece_that_only_moves_is_the_same(film: Film) -> None:
    """The first shot becomes a second longer: all after its own piece stays, in name and in pixels."""
    first, middle, last = film.shots
    later = replace(
        film,
        frames=4 * FPS,
        captions=None,
        shots=(
            replace(first, end=first.end + FPS),
            replace(middle, first=middle.first + FPS, end=middle.end + FPS),
            replace(last, first=last.first + FPS, end=last.end + FPS),
        ),
    )
    plain = replace(film, captions=None)
    before, after = (pieces.cut(one, "final") for one in (plain, later))
    assert [one.path == other.path for one, other in zip(before, after, strict=True)] == [
        False, False, True, True, True,
    ]  # fmt: skip
    for number in (18, 25, 30, 44):
        assert np.array_equal(Frames(plain)(number), Frames(later)(number + FPS))


def test_a_failing_frame_fails_the_job_and_leaves_nothing(film: Film, tmp_path: Path) -> None:
    [wrong] = shown(np.zeros((2, 2, 5), np.uint8))
    broken = replace(film, shots=(replace(film.shots[0], name=wrong[0], open=wrong[1]), *film.shots[1:]))
    with pytest.raises(Exception, match="channels"):
        list(render(broken, tmp_path / "film.mp4"))
    assert not list(tmp_path.iterdir())


def test_a_cross_fade_is_even_and_centred(film: Film) -> None:
    frames = Frames(replace(film, captions=None))
    red = [float(frames(number)[..., 0].mean()) for number in (11, 13, 15, 17, 19)]
    assert red[0] == pytest.approx(200, abs=2) and red[-1] == pytest.approx(30, abs=2)
    assert red[2] == pytest.approx(115, abs=3)


def test_the_camera_never_shows_an_edge_and_never_jerks() -> None:
    """A picture framed in magenta: the view may touch the frame at most; a dot moves evenly."""
    big = np.zeros((HEIGHT * 2, WIDTH * 2, 4), np.uint8)
    big[..., :3] = 90
    yy, xx = np.mgrid[: HEIGHT * 2, : WIDTH * 2]
    big[..., 0] = (90 + 160 * np.exp(-((yy - 200) ** 2 + (xx - 100) ** 2) / 60)).astype(np.uint8)
    wishes = [(f"{number}", name) for number in range(4) for name in motion.NAMES]
    for path in motion.moves(wishes, 3, 0.1):
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
    assert cut_to(picture, 50, 50).min() > 250
    assert cut_to(picture, 210, 210)[:, 10:-10].min() > 250


@pytest.fixture(scope="module")
def noise(film: Film) -> Film:
    """A silent film that takes some hundred kilobytes."""
    pictures = [np.random.default_rng(at).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for at in range(3)]
    shots = shots_for(shown(*pictures), STARTS, 3 * FPS, PATHS, KINDS, 6)
    return replace(film, shots=shots, captions=None, sound=None)


@posix
@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_film_without_room_is_one_sentence(noise: Film, tmp_path: Path, limit: int) -> None:
    film = replace(noise, label=f"{limit}")  # so that no piece of it is there yet
    with pytest.raises(Mistake, match="no room left on the disk"), room(limit):
        list(render(film, tmp_path / "f.mp4"))
    assert list(tmp_path.iterdir()) == [] and not list(kept.folder().rglob(".*"))


@posix
def test_pieces_and_sound_without_room_for_both_are_one_sentence(film: Film, tmp_path: Path) -> None:
    list(render(film, tmp_path / "f.mp4"))
    with pytest.raises(Mistake, match="no room left on the disk") as caught, room(20_000):
        list(render(film, tmp_path / "g.mp4"))
    assert caught.value.values == {"folder": tmp_path}
    assert [path.name for path in tmp_path.iterdir()] == ["f.mp4"]


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
