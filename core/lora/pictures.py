"""Training pictures as a Stable Diffusion base sees them: cut to a bucket's shape, as posteriors of latents.

Knows the autoencoder; nothing about captions, the UNet or training. What it encodes is kept on disk.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels
from core.images.importing import Unreadable, open_picture
from core.jobs import Mistake, Progress
from core.lora import cache
from core.lora.recipe import order
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image

HELD_OUT_EPOCH = 2**32  # seeds of held-out pictures and noise lie past those of any epoch
WIDEST = 2.0  # a bucket's longer side against its shorter


@dataclass(frozen=True)
class Picture:
    """A training picture with what the frozen autoencoder makes of it: mean and spread, [2, C, H/8, W/8].

    `mirrored` is the same of the mirrored picture; None where pictures are not mirrored.
    """

    path: Path
    caption: str
    size: tuple[int, int]
    posterior: torch.Tensor
    mirrored: torch.Tensor | None


def bucket(size: tuple[int, int], area: int, unit: int) -> tuple[int, int]:
    """Width and height of a picture's bucket: its shape, at most `area`, sides multiples of `unit`.

    Shapes beyond 1:2 get 1:2.
    """
    shape = min(max(size[0] / size[1], 1 / WIDEST), WIDEST)
    width = max(unit, round(math.sqrt(area * shape) / unit) * unit)
    height = max(unit, int(area / width / unit) * unit)
    return width, height


def nearest(size: tuple[int, int], choices: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The choice whose shape is nearest to that of `size`."""
    return min(choices, key=lambda other: abs(math.log(size[0] * other[1] / (size[1] * other[0]))))


def unit_of(base: basemodels.Config) -> int:
    """Pixels that a picture's sides are multiples of: autoencoder's factor times the UNet's."""
    levels = len(base.vae["block_out_channels"]) - 1 + len(base.unet["block_out_channels"]) - 1
    return int(2**levels)


def fitted(size: tuple[int, int], side: int, unit: int, drawing: basemodels.Drawing) -> tuple[int, int]:
    """The size at which a picture is trained: its bucket at `side`, or with 0 the base's nearest own size."""
    if side:
        return bucket(size, side * side, unit)
    return nearest(size, (drawing.square, drawing.portrait, drawing.landscape))


def kept_out(count: int, settings: ImageTraining) -> list[int]:
    """Numbers of the held-out pictures: the settings' share, at least one of two where it isn't 0."""
    wanted = min(max(round(count * settings.holdout), 1), count - 1) if settings.holdout else 0
    return sorted(order(count, settings.seed, HELD_OUT_EPOCH)[:wanted])


def seen(repeats: Sequence[int], held_out: Sequence[int], regular: Sequence[int]) -> list[int]:
    """Numbers of the pictures of one epoch, each as often as it repeats, and as many regular ones."""
    numbers = [n for n, times in enumerate(repeats) if n not in held_out for _ in range(times)]
    return numbers + ([regular[at % len(regular)] for at in range(len(numbers))] if regular else [])


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled until it covers `size`, its middle cut out."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    return ImageOps.fit(picture, size, Resampling.LANCZOS)


def encode_pictures(
    folder: Path,
    images: Sequence[Any],
    pipeline: Any,
    settings: ImageTraining,
    drawing: basemodels.Drawing,
    where: torch.device,
) -> Generator[Progress, None, tuple[list[Picture], list[int]]]:
    """Each picture's posterior, and how often it repeats; one that can't be opened is named and left out.

    Raises Mistake where no picture of `folder` can be opened.
    """
    unit = unit_of(basemodels.Config(pipeline.unet.config, pipeline.vae.config))
    vae = pipeline.vae.to(where)
    kept = cache.Cache(vae, where)
    pictures: list[Picture] = []
    repeats: list[int] = []
    for number, image in enumerate(images):
        try:
            opened = open_picture(image.path)
        except Unreadable as problem:
            yield Progress("Encoding the pictures", number + 1, len(images), text=str(problem))
            continue
        size = fitted(opened.size, settings.resolution, unit, drawing)
        shown = cover(opened, size)
        posterior = _encoded(kept, vae, shown)
        mirrored = _encoded(kept, vae, _mirror(shown)) if settings.flip else None
        pictures.append(Picture(image.path, image.caption, size, posterior, mirrored))
        repeats.append(image.repeats)
        yield Progress("Encoding the pictures", number + 1, len(images))
    cache.trim()
    if kept.found:
        line = f"{kept.found} of {kept.found + kept.made} encodings are known from an earlier run"
        yield Progress("Encoding the pictures", len(images), len(images), text=line)
    if not pictures:
        raise Mistake("None of the pictures in {folder} can be opened; put others in it.", folder=folder)
    return pictures, repeats


def _encoded(kept: cache.Cache, vae: Any, picture: Image.Image) -> torch.Tensor:
    """`encode`, or what it gave in an earlier run for the same pixels."""
    given = f"{picture.width}x{picture.height}".encode() + picture.tobytes()
    return kept.get(given, lambda: encode(vae, picture))


def _mirror(picture: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.mirror(picture)


def encode(vae: Any, picture: Image.Image) -> torch.Tensor:
    """Mean and spread of a picture's latents as the UNet sees them, [2, C, H/f, W/f], fp32 on the CPU.

    An autoencoder that overflows in half precision (SDXL's does) is asked again in fp32.
    """
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    mean = (posterior.mean.float() - shift) * vae.config.scaling_factor
    both = torch.cat([mean, posterior.std.float() * vae.config.scaling_factor]).cpu()
    if not both.isfinite().all():
        if vae.dtype == torch.float32:
            raise Mistake("The base model's autoencoder gives no numbers; get the base model again.")
        held = vae.dtype
        try:
            return encode(vae.float(), picture)
        finally:
            vae.to(held)  # half → float → half is exact: a picture's numbers don't depend on those before it
    return both
