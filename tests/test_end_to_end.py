"""Pictures and texts in, a video out: the whole path through files on disk, real libraries at tiny sizes."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from moviepy import VideoFileClip

from core import settings, terminal
from core.images.label import label
from core.jobs import Job
from core.lora.train import train
from core.settings import ROOT, ComposeSettings, ImageTraining, LabelSettings, TextTraining
from core.video.compose import compose

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
    image = made(train(settings.make(ImageTraining, {
        "train_data_dir": pictures, "base_model": str(tiny_base), "output_dir": home / "image", "name": "ink",
        "epochs": 1, "precision": "fp32"})))  # fmt: skip
    text = made(train(settings.make(TextTraining, {
        "train_data_path": SAMPLE / "texts", "base_model": str(tiny_llm), "output_dir": home / "text",
        "name": "voice", "epochs": 1, "precision": "fp32"})))  # fmt: skip
    video = made(compose(settings.make(ComposeSettings, {
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
    text = json.dumps(report)
    assert '"seed"' in text and studio["image"].name in text and studio["text"].name in text
