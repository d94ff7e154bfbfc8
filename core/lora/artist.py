"""Draws pictures with a picture base and image LoRAs, each alone from its own seed.

Works on prompts and seeds; gives pictures (uint8 [H, W, 3]). Knows nothing about where prompts come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import basemodels, device
from core.lora import formats


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn: base, LoRAs with weights, size in pixels (width, height), steps, guidance."""

    base: str
    loras: tuple[tuple[Path, float], ...]
    width: int
    height: int
    steps: int
    guidance: float


def sampling(
    base: str,
    loras: Sequence[tuple[Path, float]],
    width: int,
    height: int,
    steps: int = 0,
    guidance: float = 0,
) -> Sampling:
    """How to draw pictures of the shape `width`×`height`; 0 steps or guidance takes the base's own."""
    own = basemodels.drawing(base)
    size = own.portrait if height > width else own.landscape if width > height else own.square
    return Sampling(base, tuple(loras), *size, steps or own.steps, guidance or own.guidance)


class Artist:
    """A loaded picture base with its LoRAs."""

    def __init__(self, how: Sampling) -> None:
        place = device.pick()
        self.how = how
        self.pipeline: Any = basemodels.load_pipeline(how.base)
        self.unused = formats.load_into(self.pipeline, how.loras)
        number = device.dtype("auto", place)
        self.pipeline.to(place)
        self.pipeline.unet.to(dtype=number)
        self.pipeline.text_encoder.to(dtype=number)

    def draw(self, prompt: str, seed: int) -> np.ndarray:
        """One picture, uint8 [H, W, 3] at the sampling's size.

        The autoencoder decodes in fp32: in bf16 smooth skies show bands.
        """
        import torch

        with torch.inference_mode():
            latents = self.pipeline(
                prompt,
                width=self.how.width,
                height=self.how.height,
                num_inference_steps=self.how.steps,
                guidance_scale=self.how.guidance,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="latent",
            ).images
            vae = self.pipeline.vae
            picture = vae.decode(
                latents.float() / vae.config.scaling_factor + (vae.config.shift_factor or 0)
            ).sample
        pixels = ((picture[0].clamp(-1, 1) + 1) * 127.5).round().byte()
        return pixels.permute(1, 2, 0).cpu().numpy()
