"""What the scenes' frames are drawn from (LoRAs with weights, prompts), the best of several takes.

Works on prompts and pictures (uint8 [H, W, 3]); core.lora.artist draws. Knows nothing about topics, voices
or captions.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core import basemodels
from core.jobs import Mistake
from core.lora.artist import Artist, Sampling
from core.project import at_home


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


SURE = math.log(0.5)  # agreement from which the labeller rather sees what shall be shown than anything else


@dataclass(frozen=True)
class Take:
    """One drawing of a frame: uint8 [H, W, 3], its seed, how sure the labeller is that it shows the scene."""

    picture: np.ndarray
    seed: int
    agreement: float


class Camera:
    """Draws a scene until the labeller sees it, as often as the sampling says at most; keeps the plainest."""

    def __init__(self, how: Sampling) -> None:
        from core.images.tagging import Tagger

        self.how, self.artist = how, Artist(how)
        self.tagger = Tagger(basemodels.load_labeller()) if how.takes > 1 else None

    @property
    def steps(self) -> int:
        """Denoising steps of a scene, in all takes that it may get."""
        return self.how.takes * self.how.steps

    def take(self, prompt: str, seed: int, facts: Mapping[str, str]) -> Generator[None, None, Take]:
        """The best of the takes from `seed`, `seed` + 1, …; facts: the words, by kind, that it shall show.

        It stops after each denoising step, to be told of.
        """
        made: list[Take] = []
        for number in range(self.how.takes):
            picture = yield from self.artist.drawing(prompt, seed + number)
            sure = self.tagger.agreement(Image.fromarray(picture), facts) if self.tagger else 0.0
            made.append(Take(picture, seed + number, sure))
            if sure >= SURE:
                break
        return max(made, key=lambda take: take.agreement)
