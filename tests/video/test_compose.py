"""One small film from a topic, with the real libraries, a tiny picture base and a tiny language model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.jobs import Mistake, Progress
from core.settings import ComposeSettings
from core.video import check, storyboard
from core.video.compose import Places, compose, timeline


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
    found = check.streams(video)
    assert (found.width, found.height, found.fps) == (108, 192, 10)
    assert (found.video_codec, found.profile, found.pixel_format) == ("h264", "High", "yuv420p")
    assert (found.audio_codec, found.audio_rate, found.channels) == ("aac", 48000, "stereo")
    assert found.faststart
    assert "bt709" in found.colour
    loudness, peak = check.loudness(video)
    assert abs(loudness + 14) < 1
    assert peak <= -0.9


def test_everything_that_belongs_to_it_stands_beside_it(
    settings: ComposeSettings, reports: list[Progress]
) -> None:
    places = Places(settings.output)
    assert sorted(path.name for path in settings.output.parent.iterdir()) == [
        "cover.png",
        "report.json",
        "scenes",
        "storyboard.yaml",
        "video.mp4",
        "video.srt",
    ]
    assert Image.open(places.beside("cover.png")).size == (108, 192)
    board = storyboard.load(places.beside("storyboard.yaml"))
    assert all(scene.narration for scene in board.scenes)
    report = json.loads(places.beside("report.json").read_text(encoding="utf-8"))
    assert [scene["seed"] for scene in report["scenes"]] == [scene.seed for scene in board.scenes]
    assert abs(report["loudness_lufs"] + 14) < 1
    assert set(report["took_seconds"]) >= {"script", "voice", "frames", "rendering"}
    assert " --> " in places.srt.read_text(encoding="utf-8")


def test_every_step_reports(reports: list[Progress]) -> None:
    said = [report.message for report in reports]
    assert {"Planning the scenes", "Speaking", "Drawing", "Enlarging", "Rendering", "Done"} <= set(said)
    assert sum(report.picture is not None for report in reports if report.message == "Drawing") == 3


def test_the_same_seed_makes_the_same_frames_and_words(
    settings: ComposeSettings, reports: list[Progress]
) -> None:
    again: Any = compose(settings)
    for report in again:
        if report.message == "Rendering":
            break
    again.close()
    first, second = Places(settings.output), Places(settings.output.with_name("video-2.mp4"))
    scenes = [
        [scene.narration for scene in storyboard.load(place.beside("storyboard.yaml")).scenes]
        for place in (first, second)
    ]
    assert scenes[0] == scenes[1]
    for path in first.beside("scenes").iterdir():
        other = second.beside("scenes") / path.name
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(other)))
    left = [path.name for path in settings.output.parent.iterdir()]
    assert "video-2.mp4" not in left, "stopped while rendering: no half film"
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


def test_a_timeline_has_no_overlaps_and_the_length_asked_for() -> None:
    when = timeline([2.0, 3.0, 2.5], wanted=11, pause=0.5)
    assert when.seconds == pytest.approx(11, abs=0.01)
    for start, spoken, following, seconds in zip(
        when.starts, when.spoken, [*when.starts[1:], when.seconds], [2, 3, 2.5], strict=True
    ):
        assert start < spoken
        assert spoken + seconds < following
