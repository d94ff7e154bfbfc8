"""Makes the sample project's pictures: thirty ink washes of life in a river town.

Each is a scene (scenes.py) put into ink wash (styles.py) and saved as JPEG; the same command gives the same
bytes with the same libraries. Knows nothing about training.

    python -m assets.build.sample [--output assets/sample/pictures] [--sheet OUT.png]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from assets.build import scenes, styles

SIDE = 512
TALL = 896
QUALITY = 88


@dataclass(frozen=True)
class Subject:
    """One picture: its file's name, what it shows in scenes' words, its shape and seed."""

    name: str
    object: str
    setting: str
    time: str = "day"
    weather: str = "clear"
    tall: bool = False
    seed: int = 0
    more: dict = field(default_factory=dict)


SUBJECTS = (
    Subject("boat-at-dawn", "boat", "river", "morning", "fog", tall=True, seed=41),
    Subject("sailboat-on-the-lake", "sailboat", "lake", "morning", seed=64),
    Subject("fishing-boat", "fishing boat", "river", "morning", tall=True, seed=63),
    Subject("two-boats-in-town", "boat", "town", seed=44, more={"count": 2}),
    Subject("stone-bridge", "bridge", "river", "morning", tall=True, seed=62),
    Subject("red-bridge-in-town", "bridge", "town", seed=67),
    Subject("pagoda-in-the-hills", "pagoda", "hills", "morning", "fog", tall=True, seed=62),
    Subject("temple-by-the-lake", "temple", "lake", seed=64),
    Subject("house-by-the-river", "house", "river", seed=64),
    Subject("red-lantern", "lantern", "town", "evening", tall=True, seed=63),
    Subject("lamp-post-in-rain", "lamp post", "town", "day", "rain", tall=True, seed=64),
    Subject("cup-of-tea", "cup of tea", "table", "morning", seed=63),
    Subject("red-teapot", "teapot", "table", "day", seed=81, more={"color": "red"}),
    Subject("steamed-buns", "basket of steamed buns", "table", "morning", seed=62),
    Subject("bowl-of-rice", "bowl of rice", "table", seed=67),
    Subject("fish-in-the-pond", "fish", "underwater", seed=63, more={"color": "red"}),
    Subject("ducks-on-the-lake", "duck", "lake", seed=85, more={"count": 2}),
    Subject("swan", "swan", "lake", "morning", tall=True, seed=81),
    Subject("crane-by-the-river", "crane", "river", "morning", tall=True, seed=82),
    Subject("cat-in-the-town", "cat", "town", seed=81),
    Subject("ox-in-the-meadow", "ox", "meadow", seed=82),
    Subject("rooster", "rooster", "meadow", "morning", seed=82),
    Subject("willow-by-the-lake", "willow", "lake", tall=True, seed=82),
    Subject("bamboo", "bamboo", "hills", tall=True, seed=82),
    Subject("plum-tree", "plum tree", "hills", "morning", "clear", tall=True, seed=85),
    Subject("lotus", "lotus", "lake", seed=81),
    Subject("woman-with-umbrella", "woman with an umbrella", "town", "day", "rain", tall=True, seed=41),
    Subject("old-man-walking", "old man", "river", "morning", tall=True, seed=83),
    Subject("fisherman", "fisherman", "lake", "morning", "fog", seed=86),
    Subject("mountains-far-away", "mountain", "lake", "morning", "fog", tall=True, seed=81),
)


def paint(subject: Subject) -> np.ndarray:
    """The subject's ink wash: uint8 [H, W, 3]."""
    scene = scenes.compose(
        subject.seed,
        SIDE,
        TALL if subject.tall else SIDE,
        subject.object,
        subject.setting,
        subject.time,
        subject.weather,
        **subject.more,
    )
    return styles.ink_wash(scene.image, subject.seed, scene.mask)


def jpeg(picture: np.ndarray) -> bytes:
    """The picture as JPEG."""
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def sheet(pictures: list[np.ndarray], columns: int = 10) -> np.ndarray:
    """The pictures side by side at half size: uint8 [H, W, 3]."""
    cells = [np.full((TALL // 2, SIDE // 2 + 6, 3), 255, np.uint8) for _ in pictures]
    for cell, picture in zip(cells, pictures, strict=True):
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cell[: half.shape[0], : half.shape[1]] = half
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).parent.parent / "sample" / "pictures"
    parser.add_argument("--output", type=Path, default=here, help="folder for the pictures")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG) here too")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    pictures, total = [], 0
    for subject in SUBJECTS:
        pictures.append(paint(subject))
        data = jpeg(pictures[-1])
        (options.output / f"{subject.name}.jpg").write_bytes(data)
        total += len(data)
    if options.sheet:
        options.sheet.write_bytes(cv2.imencode(".png", sheet(pictures)[..., ::-1])[1].tobytes())
    print(f"{len(pictures)} pictures, {total / 1e6:.1f} MB, in {options.output}")


if __name__ == "__main__":
    main()
