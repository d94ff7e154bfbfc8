"""Trains the starter LoRAs, ink wash and neon night, with the studio's own training code.

The pictures are drawn scenes with one object, put into the style by code (styles.py), each with the trigger
word and its scene's sentence as caption. Knows nothing about the training itself (core.lora.train).

    python -m assets.build.loras [--style ink-wash] [--models DIR] [--output assets/loras]
"""

import argparse
import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from assets.build import data, scenes, styles, training
from core import settings, terminal
from core.lora.train import train

Picture = NDArray[np.uint8]
LORAS = training.MODELS.parent / "loras"


@dataclass(frozen=True)
class Starter:
    """A starter LoRA: its trigger word, how a picture gets its style (picture, seed, mask)."""

    trigger: str
    paint: Callable[[Picture, int, Picture], Picture]


STARTERS = {
    "ink-wash": Starter("inkwash", styles.ink_wash),
    "neon-night": Starter("neonnight", styles.neon_night),
}
RECIPE = {
    "target_modules": ["all"],
    "lora_rank": 8,
    "learning_rate": 3e-3,
    "epochs": 20,
    "caption_dropout": 0.0,
    "keep_loras": 0,
    "prove": False,
    "sample_steps": 0,
}
PICTURES = {"tiny": 4, "small": 300, "full": 300}  # with 1,200 in as many steps it learnt less
FIRST = data.HELD_OUT + 5_000_000  # seeds that nothing else is trained or judged on


def paint(starter: Starter, size: str, seed: int, shape: str) -> tuple[Picture, str]:
    """A picture in the style, twice the base's size, and its caption."""
    width, height = data.SHAPES[size][shape]
    scene = scenes.draw(seed, 2 * width, 2 * height, data.vocabulary_size(size))
    return starter.paint(scene.image, seed, scene.mask), f"{starter.trigger}, {scene.caption}"


def write_pictures(starter: Starter, size: str, folder: Path) -> None:
    """The style's pictures and metadata.csv: two of three in 9:16, the shape of videos."""
    seeds = scenes.with_one_object(PICTURES[size], FIRST, data.vocabulary_size(size))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "text"))
        for number, seed in enumerate(seeds):
            picture, caption = paint(starter, size, seed, "square" if number % 3 == 0 else "portrait")
            name = f"{number:03}.png"
            cv2.imwrite(str(folder / name), picture[..., ::-1])
            rows.writerow((name, caption))


def train_starter(name: str, size: str, models: Path, state: Path, changes: dict[str, Any]) -> Path:
    """Draws the pictures and trains; the new LoRA's file."""
    starter, work = STARTERS[name], state / "loras" / name
    write_pictures(starter, size, work / "pictures")
    values = settings.read_yaml(settings.preset("training", "image-thorough")) | RECIPE
    places = {"train_data_dir": work / "pictures", "output_dir": work, "base_model": str(models / "base")}
    chosen = settings.training(
        {**values, **places, "name": name, "trigger": starter.trigger, "seed": 1, **changes}
    )
    made = terminal.show(train(chosen))
    assert made is not None
    return made


def main() -> None:
    """Trains one starter LoRA, or all."""
    parser = argparse.ArgumentParser(description="Trains the starter LoRAs.")
    parser.add_argument("--style", choices=tuple(STARTERS), help="only this one")
    parser.add_argument("--size", choices=tuple(PICTURES), default="small")
    parser.add_argument(
        "--state", type=Path, default=Path("build-state"), help="where the pictures and runs lie"
    )
    parser.add_argument("--models", type=Path, default=training.MODELS, help="folder of the finished base")
    parser.add_argument("--output", type=Path, default=LORAS, help="folder that the LoRAs go to")
    parser.add_argument(
        "changes", nargs="*", metavar="key=value", help="settings that go before the preset's"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in (options.style,) if options.style else STARTERS:
        made = train_starter(
            name, options.size, options.models, options.state, settings.parse_changes(options.changes)
        )
        shutil.copy2(made, options.output / f"{name}.safetensors")
        print(options.output / f"{name}.safetensors")


if __name__ == "__main__":
    main()
