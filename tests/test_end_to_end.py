"""Pictures and texts in, a video out: the whole path through files on disk, real libraries at tiny sizes."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from moviepy import VideoFileClip

from core import terminal
from core.images.label import label
from core.lora.train import train
from core.progress import Job
from core.project import ROOT
from core.settings import reading
from core.settings.data import LabelSettings
from core.settings.training import ImageTraining, TextTraining
from core.settings.video import ComposeSettings
from core.video.compose import compose
from core.video.storyboard import file
from core.video.storyboard.board import Storyboard

SAMPLE = ROOT / "assets" / "sample"
UNITS = (3600, 60, 1, 0.001)  # seconds in an hour, a minute, a second, a millisecond


def made(job: Job) -> Path:
    path = terminal.show(job)
    assert path and path.exists()
    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, tiny_llm: Path) -> dict[str, Path]:
    """Runs the four steps once in a folder with a space and Chinese in its name."""
    home = tmp_path_factory.mktemp("水 乡")
    pictures = home / "pictures"
    pictures.mkdir()
    for path in sorted((SAMPLE / "pictures").iterdir())[:8]:
        shutil.copy2(path, pictures)
    captions = made(label(LabelSettings(pictures=pictures, trigger="inkwash")))
    image = made(train(reading.make(ImageTraining, {
        "train_data_dir": pictures, "base_model": str(tiny_base), "output_dir": home / "image", "name": "ink",
        "epochs": 1, "precision": "fp32"})))  # fmt: skip
    text = made(train(reading.make(TextTraining, {
        "train_data_path": SAMPLE / "texts", "base_model": str(tiny_llm), "output_dir": home / "text",
        "name": "voice", "epochs": 1, "precision": "fp32"})))  # fmt: skip
    video = made(compose(reading.make(ComposeSettings, {
        "topic": "a quiet morning in a river town", "image_base": str(tiny_base), "text_base": str(tiny_llm),
        "lora": (f"{image}:0.8",), "text_lora": text, "output": home / "视 频.mp4", "scenes": 3, "seconds": 9,
        "width": 216, "height": 384, "fps": 10})))  # fmt: skip
    return {"captions": captions, "image": image, "text": text, "video": video}


def test_labelling_writes_a_caption_for_every_picture(studio: dict[str, Path]) -> None:
    rows = studio["captions"].read_text(encoding="utf-8").splitlines()
    assert rows[0] == "file_name,text" and len(rows) == 9
    assert all("inkwash" in row for row in rows[1:])


def test_both_loras_have_the_promised_names(studio: dict[str, Path]) -> None:
    assert studio["image"].name == "lora_v1_ink_r8_ep1.safetensors"
    assert studio["image"].with_suffix(".yaml").is_file()
    assert (studio["text"] / "adapter_model.safetensors").is_file()


def test_the_video_has_the_promised_streams(studio: dict[str, Path]) -> None:
    with VideoFileClip(str(studio["video"])) as clip:
        assert clip.size == [216, 384] and clip.fps == 10
        assert 6 <= clip.duration <= 14
        sound = clip.audio.to_soundarray(fps=48000)
        first, last = clip.get_frame(0.5), clip.get_frame(clip.duration - 0.5)
    assert sound.shape[1] == 2 and 0.01 < np.abs(sound).max() <= 1.0
    assert first.std() > 1 and np.abs(first.astype(int) - last.astype(int)).mean() > 1


def test_subtitles_cover_the_narration_in_order(studio: dict[str, Path]) -> None:
    text = studio["video"].with_suffix(".srt").read_text(encoding="utf-8")
    stamps = [re.findall(r"(\d+):(\d+):(\d+),(\d+)", line) for line in text.splitlines() if "-->" in line]
    times = [[sum(int(n) * u for n, u in zip(t, UNITS, strict=True)) for t in pair] for pair in stamps]
    assert len(times) >= 3 and all(start < end for start, end in times)
    assert all(end <= start + 1e-6 for (_, end), (start, _) in itertools.pairwise(times))


def test_the_sound_is_as_loud_as_platforms_want(studio: dict[str, Path]) -> None:
    import pyloudnorm

    with VideoFileClip(str(studio["video"])) as clip:
        sound = clip.audio.to_soundarray(fps=48000)
    assert pyloudnorm.Meter(48000).integrated_loudness(sound) == pytest.approx(-14, abs=1)
    assert np.abs(sound).max() <= 10 ** (-0.5 / 20)


def test_the_report_names_every_seed_and_lora(studio: dict[str, Path]) -> None:
    report = json.loads(studio["video"].with_suffix(".report.json").read_text(encoding="utf-8"))
    board = file.read(studio["video"].with_suffix(".storyboard.yaml"))
    assert Storyboard(**report["storyboard"]) == board
    seeds, takes = [board.seed_of(at) for at in range(3)], report["drawing"]["takes"]
    drawn = [scene["drawn_seed"] for scene in report["scenes"]]
    assert len(set(seeds)) == 3
    assert all(one - seed in range(max(takes, 3)) for one, seed in zip(drawn, seeds, strict=True))
    (image,), (text,) = report["drawing"]["loras"], report["text_loras"]
    assert (image["file"], image["weight"]) == (studio["image"].name, 0.8)
    assert image["sha256"] == hashlib.sha256(studio["image"].read_bytes()).hexdigest()
    weights = (studio["text"] / "adapter_model.safetensors").read_bytes()
    assert (text["folder"], text["sha256"]) == (studio["text"].name, hashlib.sha256(weights).hexdigest())
