"""Trains the starter LoRAs for pictures with the studio's own training code.

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
from core import terminal
from core.lora.train import train
from core.settings import presets, reading
from core.settings import training as settings_training

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
    "paper-cut": Starter("papercut", styles.paper_cut),
    "retro-print": Starter("retroprint", styles.retro_print),
}
RECIPE = {
    "target_modules": ["all"],
    "lora_rank": 4,
    "learning_rate": 2e-3,
    "epochs": 24,
    "caption_dropout": 0.0,
    "holdout": 0.0,
    "keep_loras": 0,
    "prove": False,
    "samples": 0,
}
PICTURES = {"tiny": 4, "full": 60}
FIRST = data.HELD_OUT + 5_000_000  # seeds that nothing else is trained or judged on


def paint(starter: Starter, size: str, seed: int, shape: str, scale: int = 2) -> tuple[Picture, str]:
    """A picture in the style, `scale` times the base's size, and its caption."""
    width, height = data.SHAPES[size][shape]
    scene = scenes.draw(seed, scale * width, scale * height)
    return starter.paint(scene.image, seed, scene.mask), f"{starter.trigger}, {scene.caption}"


def write_pictures(starter: Starter, size: str, folder: Path) -> None:
    """The style's pictures and metadata.csv, unless they stand: two of three in 9:16, the shape of videos."""
    if (folder / "metadata.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("file_name", "text")]
    for number, seed in enumerate(scenes.with_one_object(PICTURES[size], FIRST)):
        picture, caption = paint(starter, size, seed, "square" if number % 3 == 0 else "portrait")
        rows.append((f"{number:03}.png", caption))
        cv2.imwrite(str(folder / rows[-1][0]), picture[..., ::-1])
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def train_starter(name: str, size: str, models: Path, state: Path, changes: dict[str, Any]) -> Path:
    """Draws the pictures and trains; the new LoRA's file."""
    starter, work = STARTERS[name], state / "loras" / name
    write_pictures(starter, size, work / "pictures")
    values = reading.read_yaml(presets.preset("training", "image-thorough")) | RECIPE
    places = {"train_data_dir": work / "pictures", "output_dir": work, "base_model": str(models / "base")}
    chosen = settings_training.training(
        {**values, **places, "name": name, "trigger": starter.trigger, "seed": 1, **changes}
    )
    made = terminal.show(train(chosen))
    assert made is not None
    return made


def main() -> None:
    """Trains one starter LoRA, or all."""
    parser = argparse.ArgumentParser(description="Trains the starter LoRAs.")
    parser.add_argument("--style", choices=tuple(STARTERS), help="only this one")
    parser.add_argument("--size", choices=tuple(PICTURES), default="full")
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
            name, options.size, options.models, options.state, reading.parse_changes(options.changes)
        )
        shutil.copy2(made, options.output / f"{name}.safetensors")
        print(options.output / f"{name}.safetensors")


if __name__ == "__main__":
    main()
