"""The main job on the sample project, from pictures and texts to one video, as a single job."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from core import device
from core.progress import Job, Progress
from core.project import ROOT, Home, Project
from core.settings import presets, reading, training
from core.settings.data import LabelSettings
from core.settings.training import Training
from core.settings.video import ComposeSettings

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
    look = preset_training(
        project, "image-quick", "ink_wash", seed, train_data_dir=project.images(), trigger=TRIGGER
    )
    image_lora = yield from part(2, "Image LoRA", train(look))
    voice = preset_training(project, "text-many", "river_voice", seed, train_data_path=project.texts())
    text_lora = yield from part(3, "Text LoRA", train(voice))
    video = yield from part(
        4,
        "Compose",
        compose(
            ComposeSettings(
                topic=topic,
                style="ink-wash",
                lora=(str(image_lora),),
                text_lora=(text_lora,),
                output=project.new_video(topic) / "video.mp4",
                seed=seed,
            )
        ),
        last=True,
    )
    spent = time.monotonic() - started
    peak = device.peak_memory_bytes() / 1e9
    yield Progress("Done", text=f"whole demo: {spent / 60:.1f} min, {peak:.1f} GB of memory", result=video)


def part(number: int, title: str, job: Job, last: bool = False) -> Generator[Progress, None, Path]:
    """Runs one of the four jobs under a heading; returns its result and says how long it took.

    The last one's result is the whole demo's.
    """
    started = time.monotonic()
    yield Progress(title, text=f"{number}/4 {title}")
    made = None
    for progress in job:
        made = progress.result or made
        yield progress if last else replace(progress, result=None)
    assert made is not None, f"{title} ended without a result"
    yield Progress(title, text=f"{made.name}, {time.monotonic() - started:.0f} s")
    return made


def preset_training(project: Project, preset: str, name: str, seed: int, **data: object) -> Training:
    """A preset on the project's own data, kept in the project under `name`."""
    values = reading.read_yaml(presets.preset("training", preset))
    places = {"output_dir": project.new_run(name.replace("_", "-")), "lora_dir": project.loras()}
    return training.training({**values, **places, **data, "name": name, "seed": seed})
