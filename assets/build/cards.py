"""Draws the pictures of the one-click styles: each style's `card` prompt in its look, by the embedded base.

Works by the studio's own drawing; knows nothing about training. The pictures are what a video in that style
looks like with nothing else chosen.

    python -m assets.build.cards
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from core import basemodels
from core.jobs import outcome
from core.lora import formats
from core.lora.artist import sampling
from core.settings import ComposeSettings, Style, load_style, preset_names
from core.video import compose, frames, storyboard
from core.video.enlarge import enlarge
from tabs.styles import PICTURES

WIDTH, HEIGHT = 320, 320  # px, twice what a card shows; square, as the base draws best
TAKES = 8


def card(style: Style, seed: int) -> np.ndarray:
    """The style's card, uint8 [HEIGHT, WIDTH, 3]."""
    brought = compose.chosen_loras(ComposeSettings(topic=style.card), style)
    how = sampling("embedded", brought, WIDTH, HEIGHT, takes=TAKES)
    triggers = [formats.trigger(path) for path, _ in brought]
    prompt = frames.framed_prompt(style.card, triggers, style.look, basemodels.vocabulary("embedded"))
    told = storyboard.read_topic(style.card)
    shown = {"object": told.things[:1], "setting": told.settings[:1]}
    facts = {kind: words[0] for kind, words in shown.items() if words}
    drawn = outcome(frames.Camera(how).take(prompt, seed, facts))
    return enlarge(drawn.picture, WIDTH, HEIGHT, basemodels.drawing("embedded").edges)


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
