"""A person's own pictures and clips in a film: cut where they wish, moving, heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.messages import Mistake
from core.video.audio.speech import RATE
from core.video.picture import clips, own
from core.video.picture.cutting import cut_to, window


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 10 frames a second, each brighter than the one before; a tone from the middle on."""
    import av

    path = tmp_path_factory.mktemp("clips") / "my 视频.mp4"
    with av.open(str(path), "w") as file:
        video, audio = file.add_stream("libx264", rate=10), file.add_stream("aac", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        for number in range(20):
            grey = np.full((90, 160, 3), 20 + 10 * number, np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
        tone[:RATE] = 0
        frame = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE
        file.mux(audio.encode(frame))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))
    return path


def test_a_clip_plays_from_where_it_is_told_and_stays_on_its_last_frame(clip: Path) -> None:
    played = clips.Clip(clip, 0.5, (), 54, 96, 10)
    grey = [float(played(number).mean()) for number in (0, 5, 14, 40)]
    assert played(40).shape == (96, 54, 3)
    assert grey == pytest.approx([70, 120, 210, 210], abs=4)
    assert float(played(0).mean()) == pytest.approx(70, abs=4), "asked for an earlier frame it begins anew"
    assert clips.check(clip) == pytest.approx(2, abs=0.1)


def test_a_clips_sound_begins_where_its_picture_does(clip: Path) -> None:
    heard = clips.sound(clip, 0.8, 1.0)
    assert heard is not None and len(heard) == pytest.approx(RATE, rel=0.02)
    assert np.abs(heard[: int(0.1 * RATE)]).max() < 0.05 < np.abs(heard[int(0.4 * RATE) :]).max()


def test_what_is_no_clip_is_told(tmp_path: Path, clip: Path) -> None:
    for name, data, words in (
        ("a.mp4", b"no film at all", "can't be read as a clip"),
        ("b.mp4", clip.read_bytes()[:900], "can't be read as a clip"),
        ("c.png", b"", "empty"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Mistake, match=words):
            own.check(tmp_path / name)
    with pytest.raises(Mistake, match="There is no picture"):
        own.check(tmp_path / "nowhere.png")


def test_a_cut_shows_the_part_that_it_is_about() -> None:
    assert window((300, 100), 50, 50, ()) == (100, 0, 100, 100)
    assert window((300, 100), 50, 50, (0.0, 0.5)) == (0, 0, 100, 100), "as near to it as the picture goes"
    assert window((300, 100), 50, 50, (0.5, 0.5, 2.0)) == (125, 25, 50, 50)
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 200:] = 255
    assert cut_to(picture, 40, 40, (1.0, 0.5)).min() > 250
    assert cut_to(picture, 40, 40, (0.2, 0.5)).max() < 5
    assert cut_to(picture, 300, 300, (0.85, 0.5, 2.0)).min() > 250


def test_a_photo_is_upright(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), "teal").save(path, exif=exif)
    assert own.picture(path).shape == (80, 40, 3)
