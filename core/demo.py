"""The main job on the sample project, from pictures and texts to one video, as a single job."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from core import device, settings
from core.jobs import Job, Progress
from core.project import Home, Project
from core.settings import ROOT, ComposeSettings, ImageTraining, LabelSettings, TextTraining

SAMPLE = ROOT / "assets" / "sample"
TRIGGER = "inkwash"


def demo(home: Home, topic: str, seed: int) -> Iterator[Progress]:
    """Labels, trains both LoRAs and composes; the last report's result is the video.

    Each part is a whole job of its own; what was finished before a stop stays in the project.
    """
    from core.images.label import label
    from core.lora.train import train
    from core.video.compose import compose

    project = home.sample_project(SAMPLE)
    started = time.monotonic()
    yield from part(1, "Label", label(LabelSettings(pictures=project.images(), trigger=TRIGGER)))
    image_lora = yield from part(2, "Image LoRA", train(image_training(project, seed)))
    text_lora = yield from part(3, "Text LoRA", train(text_training(project, seed)))
    video = yield from part(
        4,
        "Compose",
        compose(
            ComposeSettings(
                topic=topic,
                style="ink-wash",
                lora=(str(image_lora),),
                text_lora=text_lora,
                output=project.new_video(topic) / "video.mp4",
                seed=seed,
            )
        ),
    )
    spent = time.monotonic() - started
    peak = device.peak_memory_bytes() / 1e9
    yield Progress("Done", text=f"whole demo: {spent / 60:.1f} min, {peak:.1f} GB of memory", result=video)


def part(number: int, title: str, job: Job) -> Generator[Progress, None, Path]:
    """Runs one of the four jobs under a heading; returns its result and says how long it took."""
    started = time.monotonic()
    yield Progress(title, text=f"{number}/4 {title}")
    made = None
    for progress in job:
        made = progress.result or made
        yield replace(progress, result=None)
    assert made is not None, f"{title} ended without a result"
    yield Progress(title, text=f"{made.name}, {time.monotonic() - started:.0f} s")
    return made


def image_training(project: Project, seed: int) -> ImageTraining:
    """The sample's image LoRA: the quick preset on the project's pictures."""
    values = settings.read_yaml(settings.preset("training", "image-quick"))
    return settings.make(
        ImageTraining,
        {
            **values,
            "train_data_dir": project.images(),
            "output_dir": project.new_run("ink-wash"),
            "lora_dir": project.loras(),
            "name": "ink_wash",
            "trigger": TRIGGER,
            "seed": seed,
        },
    )


def text_training(project: Project, seed: int) -> TextTraining:
    """The sample's text LoRA: the quick preset on the project's narration."""
    values = settings.read_yaml(settings.preset("training", "text-quick"))
    return settings.make(
        TextTraining,
        {
            **values,
            "train_data_path": project.texts(),
            "output_dir": project.new_run("river-voice"),
            "lora_dir": project.loras(),
            "name": "river_voice",
            "seed": seed,
        },
    )
