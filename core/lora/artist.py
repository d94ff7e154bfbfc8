"""Draws pictures with a picture base and image LoRAs, each alone from its own seed.

Works on prompts and seeds; gives pictures (uint8 [H, W, 3]). Knows nothing about where prompts come from.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import basemodels, device, families
from core.jobs import Sentence, outcome, within
from core.lora import formats


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn: base, LoRAs with weights, size in pixels (width, height), steps, guidance.

    takes: drawings of each picture, of which one is kept. prediction: what the base predicts.
    """

    base: str
    loras: tuple[tuple[Path, float], ...]
    width: int
    height: int
    steps: int
    guidance: float
    takes: int
    prediction: str


def sampling(
    base: str,
    loras: Sequence[tuple[Path, float]],
    width: int,
    height: int,
    steps: int = 0,
    guidance: float = 0,
    takes: int = 0,
    prediction: str = "auto",
) -> Sampling:
    """How to draw pictures of the shape `width`×`height`; 0 steps, guidance or takes are the base's own."""
    own = basemodels.drawing(base)
    size = own.portrait if height > width else own.landscape if width > height else own.square
    return Sampling(
        base,
        tuple(loras),
        *size,
        steps or own.steps,
        guidance or own.guidance,
        takes or own.takes,
        prediction,
    )


class Artist:
    """A loaded picture base with its LoRAs."""

    def __init__(self, how: Sampling) -> None:
        import torch

        place = device.pick()
        self.how = how
        number = device.dtype("auto", place)
        self.pipeline: Any = basemodels.load_pipeline(how.base, number, how.prediction, torch.float32)
        self.family = families.of(self.pipeline)
        self.unused = formats.load_into(self.pipeline, how.loras)
        self.pipeline.to(place)

    def unread(self, prompts: Sequence[str]) -> Iterator[Sentence]:
        """What is to be told of prompts that are too long for the base."""
        for prompt in prompts:
            if rest := self.family.chunked(self.pipeline.tokenizer, prompt)[1]:
                yield Sentence("A prompt is too long; this of it is not drawn: {rest}", rest=rest)

    def draw(self, prompt: str, seed: int) -> np.ndarray:
        """One picture, uint8 [H, W, 3] at the sampling's size."""
        return outcome(self.drawing(prompt, seed))

    def drawing(self, prompt: str, seed: int) -> Generator[None, None, np.ndarray]:
        """The same, a denoising step at a time, to be told of.

        The autoencoder decodes in fp32: in bf16 smooth skies show bands.
        """
        import torch

        how, family, place = self.how, self.family, self.pipeline.device
        ids = family.tokenize(self.pipeline, [prompt, ""])
        with torch.inference_mode():
            text = family.embed(self.pipeline, {name: rows.to(place) for name, rows in ids.items()})
        size = (how.width, how.height)
        steps = family.sample(self.pipeline, text, size, how.steps, how.guidance, seed)
        return (yield from within(torch.inference_mode, steps))
