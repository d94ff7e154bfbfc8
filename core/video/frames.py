"""What the scenes' frames are drawn from (LoRAs with weights, prompts), the best of several takes, enlarging.

Works on prompts and pictures (uint8 [H, W, 3]); core.lora.artist draws. Knows nothing about topics, voices
or captions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import basemodels, device
from core.jobs import Mistake
from core.lora.artist import Artist, Sampling
from core.project import at_home
from core.video.motion import covering


def parse_loras(specs: Sequence[str]) -> list[tuple[Path, float]]:
    """`FILE` or `FILE:weight` as path and weight (1 where none is given). Raises Mistake for a wrong one."""
    found: list[tuple[Path, float]] = []
    for spec in specs:
        name, _, number = spec.rpartition(":")
        try:
            path, weight = (at_home(name), float(number)) if name else (at_home(spec), 1.0)
        except ValueError:  # a colon of the path itself, as in C:\loras\ink.safetensors
            path, weight = at_home(spec), 1.0
        if not path.is_file():
            raise Mistake("There is no LoRA {path}; check the name.", path=path)
        if not -2 <= weight <= 2:
            raise Mistake(
                "The weight of {path} is {weight}; it must be between -2 and 2.", path=path, weight=weight
            )
        found.append((path, weight))
    return found


def framed_prompt(prompt: str, triggers: Sequence[str], look: str, vocabulary: dict[str, list[str]]) -> str:
    """What the base is asked for: trigger words, the scene, the style's look.

    Of a look, a base with a small vocabulary is told only the words it knows.
    """
    parts = [part.strip() for part in look.split(",") if part.strip()]
    if vocabulary:
        known = vocabulary.get("style", [])
        parts = [part for part in parts if part in known]
    return ", ".join([*filter(None, triggers), prompt, *parts])


@dataclass(frozen=True)
class Take:
    """One drawing of a frame: uint8 [H, W, 3], its seed, how sure the labeller is that it shows the scene."""

    picture: np.ndarray
    seed: int
    agreement: float


class Camera:
    """Draws a scene as often as its sampling says and keeps the drawing that shows the scene most plainly."""

    def __init__(self, how: Sampling) -> None:
        from core.images.tagging import Tagger

        self.how, self.artist = how, Artist(how)
        self.tagger = Tagger(basemodels.load_labeller()) if how.takes > 1 else None

    def take(self, prompt: str, seed: int, facts: Mapping[str, str]) -> Take:
        """The best of the takes from `seed`, `seed` + 1, …; facts: the words, by kind, that it shall show."""
        made = [self._one(prompt, seed + number, facts) for number in range(self.how.takes)]
        return max(made, key=lambda take: take.agreement)

    def _one(self, prompt: str, seed: int, facts: Mapping[str, str]) -> Take:
        picture = self.artist.draw(prompt, seed)
        sure = self.tagger.agreement(Image.fromarray(picture), facts) if self.tagger else 0.0
        return Take(picture, seed, sure)


def enlarge(pictures: Sequence[np.ndarray], width: int, height: int) -> Iterator[np.ndarray]:
    """Pictures cropped to the ratio of `width`×`height` and enlarged to it, one by one.

    Where the embedded upscaler stands, it does the large part; a cubic filter does the rest.
    """
    model = _upscaler()
    for picture in pictures:
        needed = max(width / picture.shape[1], height / picture.shape[0])
        if model is not None and needed > 1.25:
            from core.video.upscale import upscale

            factor = next((step for step in (2, 4, 8) if step >= needed * 0.85), 8)
            picture = upscale(picture[None], model, factor)[0]
        yield covering(picture, width, height)


def _upscaler() -> Any:
    from core.video.upscale import load_upscaler

    try:
        return load_upscaler(basemodels.upscaler() / "model.safetensors").to(device.pick())
    except Mistake:
        return None
