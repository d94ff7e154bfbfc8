"""One small film from a topic, with the real libraries, a tiny picture base and a tiny language model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.messages import Mistake
from core.progress import Progress
from core.settings.video import ComposeSettings, FilmSettings
from core.video import publish_check
from core.video.compose import Places, compose
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard
from core.video.timeline import timeline


@pytest.fixture(scope="module")
def settings(tiny_base: Path, tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> ComposeSettings:
    folder = tmp_path_factory.mktemp("films") / "小镇 的早晨 🎬"
    return ComposeSettings(
        topic="a boat on a quiet river",
        image_base=str(tiny_base),
        text_base=str(tiny_llm),
        output=folder / "video.mp4",
        scenes=3,
        seconds=6,
        width=108,
        height=192,
        fps=10,
        voice="none",
        ai_label=True,
    )


@pytest.fixture(scope="module")
def reports(settings: ComposeSettings) -> list[Progress]:
    return list(compose(settings))


def test_the_film_is_what_was_asked_for(settings: ComposeSettings, reports: list[Progress]) -> None:
    video = reports[-1].result
    assert video == settings.output
    found = publish_check.streams(video)
    assert (found.width, found.height, found.fps) == (108, 192, 10)
    assert (found.video_codec, found.profile, found.pixel_format) == ("h264", "High", "yuv420p")
    assert (found.audio_codec, found.audio_rate, found.channels) == ("aac", 48000, "stereo")
    assert found.faststart
    assert found.colour == "1 1 1 1"
    loudness, peak = publish_check.loudness(video)
    assert abs(loudness + 14) < 1
    assert peak <= -0.9


def test_everything_that_belongs_to_it_stands_beside_it(
    settings: ComposeSettings, reports: list[Progress]
) -> None:
    places = Places(settings.output)
    assert sorted(path.name for path in settings.output.parent.iterdir()) == [
        "cover.png",
        "post.txt",
        "report.json",
        "scenes",
        "storyboard.yaml",
        "video.ass",
        "video.mp4",
        "video.srt",
    ]
    assert Image.open(places.beside("cover.png")).size == (108, 192)
    board = file.read(places.beside("storyboard.yaml"))
    assert all(scene.say for scene in board.scenes)
    report = json.loads(places.beside("report.json").read_text(encoding="utf-8"))
    assert [scene["drawn_seed"] for scene in report["scenes"]] == [board.seed_of(at) for at in range(3)]
    assert Storyboard(**report["storyboard"]) == board
    assert abs(report["loudness_lufs"] + 14) < 1
    assert set(report["took_seconds"]) >= {"script", "voice", "frames", "rendering"}
    assert " --> " in places.srt.read_text(encoding="utf-8")


def test_every_step_reports(reports: list[Progress]) -> None:
    said = [report.message for report in reports]
    assert {"Planning the scenes", "Speaking", "Drawing", "Enlarging", "Rendering", "Done"} <= set(said)
    drawing = [report for report in reports if report.message == "Drawing"]
    assert not any(report.picture for report in drawing), "pages may not be sent what is kept in the cache"
    looks = [look for report in drawing if report.look and (look := report.look())]
    assert looks and all(look.startswith(b"\xff\xd8") for look in looks)


def test_the_same_seed_makes_the_same_frames_and_words(
    settings: ComposeSettings, reports: list[Progress]
) -> None:
    again: Any = compose(settings)
    for report in again:
        if report.message == "Checking the video":
            break
    first, second = Places(settings.output), Places(settings.output.with_name("video-2.mp4"))
    assert not second.video.exists(), "it appears with all that belongs to it, as a kill may come here"
    again.close()
    scenes = [
        [scene.say for scene in file.read(place.beside("storyboard.yaml")).scenes]
        for place in (first, second)
    ]
    assert scenes[0] == scenes[1]
    for path in first.beside("scenes").iterdir():
        other = second.beside("scenes") / path.name
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(other)))
    left = [path.name for path in settings.output.parent.iterdir()]
    assert "video-2.mp4" not in left, "stopped before it was checked: no film"
    assert not [name for name in left if name.startswith(".")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topic": "江南小镇的早晨", "text_base": "embedded"}, "English"),
        ({"lora": ("nowhere.safetensors",)}, "There is no LoRA"),
        ({"style": "no-such-style"}, "ink-wash"),
    ],
)
def test_a_mistake_is_said_before_anything_is_made(
    settings: ComposeSettings, tmp_path: Path, changes: dict, words: str
) -> None:
    wrong = settings.model_copy(update={"output": tmp_path / "x.mp4", **changes})
    with pytest.raises(Mistake, match=words):
        list(compose(wrong))
    assert not list(tmp_path.iterdir())


def test_a_timeline_has_no_overlaps_and_scenes_of_whole_frames() -> None:
    board = Storyboard(film=FilmSettings(fps=24), pause=1.0, scenes=[Scene(say="a")] * 3)
    speech = [2.0, 3.01, 2.5]
    when = timeline(board, speech)
    assert when.seconds == pytest.approx(sum(speech) + 3 + 0.9, abs=3 / 24)
    for at, said in enumerate(speech):
        start = when.starts[at] / 24
        assert start < when.spoken[at] and when.spoken[at] + said < start + when.length(at)
    longer = timeline(board, [2.0, 4.5, 2.5])
    assert longer.starts[:2] == when.starts[:2] and longer.length(2) == when.length(2)


def test_a_scene_without_words_has_the_length_it_asks_for() -> None:
    scenes = [Scene(seconds=2.5), Scene(), Scene(say="a", seconds=9)]
    when = timeline(Storyboard(film=FilmSettings(fps=10), scenes=scenes), [0.0, 0.0, 1.0])
    assert [when.length(at) for at in range(3)] == [2.5, 3.0, 9.9]
