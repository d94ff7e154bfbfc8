"""Draws the scenes' frames with a picture base and image LoRAs, and enlarges them for the film.

Works on prompts and seeds; gives pictures (uint8 [H, W, 3]). Knows nothing about topics, voices or captions.
Each frame is drawn alone from its own seed, so that drawing one again gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import basemodels, device, families
from core.jobs import Mistake
from core.lora import formats
from core.video.motion import covering


@dataclass(frozen=True)
class Recipe:
    """How frames are drawn: base, LoRAs with weights, size in pixels (width, height), steps, guidance.

    takes: drawings of each frame, of which one is kept.
    """

    base: str
    loras: tuple[tuple[Path, float], ...]
    width: int
    height: int
    steps: int
    guidance: float
    takes: int = 1
    prediction: str = "auto"


def recipe(
    base: str,
    loras: Sequence[tuple[Path, float]],
    width: int,
    height: int,
    steps: int = 0,
    guidance: float = 0,
    takes: int = 0,
    prediction: str = "auto",
) -> Recipe:
    """The recipe for a film of `width`×`height`; 0 steps, guidance or takes are the base's own."""
    own = basemodels.drawing(base)
    size = own.portrait if height > width else own.landscape if width > height else own.square
    return Recipe(
        base,
        tuple(loras),
        *size,
        steps or own.steps,
        guidance or own.guidance,
        takes or own.takes,
        prediction,
    )


def parse_loras(specs: Sequence[str]) -> list[tuple[Path, float]]:
    """`FILE` or `FILE:weight` as path and weight (1 where none is given). Raises Mistake for a wrong one."""
    found: list[tuple[Path, float]] = []
    for spec in specs:
        name, _, number = spec.rpartition(":")
        try:
            path, weight = (Path(name), float(number)) if name else (Path(spec), 1.0)
        except ValueError:  # a colon of the path itself, as in C:\loras\ink.safetensors
            path, weight = Path(spec), 1.0
        if not path.is_file():
            raise Mistake("There is no LoRA {path}; check the name.", path=path)
        if not -2 <= weight <= 2:
            raise Mistake(
                "The weight of {path} is {weight}; it must be between -2 and 2.", path=path, weight=weight
            )
        found.append((path, weight))
    return found


def trigger(path: Path) -> str:
    """The trigger phrase in a LoRA's metadata, empty where it names none."""
    return formats.read(path).metadata.get("modelspec.trigger_phrase", "")


def framed_prompt(prompt: str, triggers: Sequence[str], look: str, vocabulary: dict[str, list[str]]) -> str:
    """What the base is asked for: trigger words, the scene, the style's look.

    Of a look, a base with a small vocabulary is told only the words it knows.
    """
    parts = [part.strip() for part in look.split(",") if part.strip()]
    if vocabulary:
        known = vocabulary.get("style", [])
        parts = [part for part in parts if part in known]
    return ", ".join([*filter(None, triggers), prompt, *parts])


class Artist:
    """A loaded picture base with its LoRAs."""

    def __init__(self, how: Recipe) -> None:
        place = device.pick()
        self.how = how
        self.pipeline: Any = basemodels.load_pipeline(how.base, prediction=how.prediction)
        self.family = families.of(self.pipeline)
        self.unused = formats.load_into(self.pipeline, how.loras)
        number = device.dtype("auto", place)
        for model in families.models(self.pipeline).values():
            model.to(dtype=number)
        self.pipeline.to(place)

    def draw(self, prompt: str, seed: int) -> np.ndarray:
        """One picture, uint8 [H, W, 3] at the recipe's size.

        The autoencoder decodes in fp32: in bf16 smooth skies show bands.
        """
        import torch

        how, family, place = self.how, self.family, self.pipeline.device
        ids = family.tokenize(self.pipeline, [prompt, ""])
        with torch.inference_mode():
            text = family.embed(self.pipeline, {name: rows.to(place) for name, rows in ids.items()})
        return family.sample(self.pipeline, text, (how.width, how.height), how.steps, how.guidance, seed)


@dataclass(frozen=True)
class Take:
    """One drawing of a frame: uint8 [H, W, 3], its seed, how sure the labeller is that it shows the scene."""

    picture: np.ndarray
    seed: int
    agreement: float


class Camera:
    """Draws a scene as often as its recipe says and keeps the drawing that shows the scene most plainly."""

    def __init__(self, how: Recipe) -> None:
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
