"""Draws the pictures of the one-click styles: each style's `card` prompt in its look, by the embedded base.

Works by the studio's own drawing; knows nothing about training. The pictures are what a video in that style
looks like with nothing else chosen.

    python -m assets.build.cards
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from core.bases import picture_base
from core.lora.adapters import image_file
from core.lora.image.sampler import Shot, Wanted, sampling
from core.progress import outcome
from core.settings.presets import preset_names
from core.settings.style import Style, load_style
from core.settings.video import FilmSettings
from core.video import drawing
from core.video.picture import frames
from core.video.picture.enlarge import enlarge
from core.video.script import topic
from tabs.compose.styles import PICTURES

WIDTH, HEIGHT = 320, 320  # px, twice what a card shows; square, as the base draws best
TAKES = 8


def card(style: Style, seed: int) -> np.ndarray:
    """The style's card, uint8 [HEIGHT, WIDTH, 3]."""
    brought = frames.parse_loras(drawing.film_loras(FilmSettings(), style))
    how = sampling("embedded", brought, WIDTH, HEIGHT, Wanted(takes=TAKES))
    triggers = [image_file.trigger(path) for path, _ in brought]
    prompt = frames.framed_prompt(style.card, triggers, style.look, picture_base.vocabulary("embedded"))
    told = topic.read_topic(style.card)
    shown = {"object": told.things[:1], "setting": told.settings[:1]}
    facts = {kind: words[0] for kind, words in shown.items() if words}
    camera, sitting = frames.Camera(how), frames.Sitting(Shot(prompt, seed), facts)
    while not sitting.takes or not sitting.over(TAKES):
        outcome(camera.take([sitting]))
    return enlarge(sitting.best.picture, WIDTH, HEIGHT, picture_base.drawing("embedded").edges)


def main() -> None:
    """Writes assets/styles/NAME.jpg for every style that has a card."""
    parser = argparse.ArgumentParser(description="Draws the styles' cards.")
    parser.add_argument("--output", type=Path, default=PICTURES, help="folder that the pictures go to")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in preset_names("styles"):
        style = load_style(name)
        if style.card:
            path = options.output / f"{name}.jpg"
            Image.fromarray(card(style, options.seed)).save(path, quality=85)
            print(path)


if __name__ == "__main__":
    main()
