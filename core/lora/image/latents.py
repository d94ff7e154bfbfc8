"""Training pictures as a picture base sees them: cut to a bucket's shape, as posteriors of latents.

Knows the autoencoder; nothing about captions, the UNet or training. What it encodes is kept on disk.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, families
from core.families.family import Drawing
from core.images.kinds import Unreadable
from core.images.picture_file import open_picture
from core.lora.image import cache
from core.lora.image.buckets import cover, framing, training_size
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass(frozen=True)
class Picture:
    """A training picture with what the frozen autoencoder makes of it: mean and spread, [2, C, H/8, W/8].

    `size` is that of the cut, `framing` what a base may be told of it (families.family.Drawn). `mirrored`:
    the posterior of the mirrored picture; None where pictures are not mirrored.
    """

    path: Path
    caption: str
    size: tuple[int, int]
    framing: tuple[int, ...]
    posterior: torch.Tensor
    mirrored: torch.Tensor | None


def encode_pictures(
    folder: Path,
    images: Sequence[Any],
    pipeline: Any,
    settings: ImageTraining,
    drawing: Drawing,
    where: torch.device,
) -> Generator[Progress, None, tuple[list[Picture], list[int]]]:
    """Each picture's posterior, and how often it repeats; one that can't be opened is named and left out.

    Where memory runs out it is tried once more with what could be freed, on the CPU where that is another.
    Raises Mistake where no picture of `folder` can be opened, or memory is not enough for one.
    """
    unit = families.of(pipeline).side_unit(families.configs(pipeline))
    pipeline.vae.to(where)
    kept = cache.Cache(pipeline, ("vae",), where)
    pictures: list[Picture] = []
    repeats: list[int] = []
    steps = Steps("Encoding the pictures", len(images))
    for image in images:
        try:
            opened = open_picture(image.path)
        except Unreadable as problem:
            yield steps.report(1, text=problem.sentence)
            continue
        size = training_size(opened.size, settings.resolution, unit, drawing)
        shown = pixels(cover(opened, size, image.focus))
        ways = (shown, shown.flip(-1)) if settings.flip else (shown,)
        made = _encoded(kept, pipeline, ways)
        if made is None and pipeline.vae.device.type != "cpu":
            line = Sentence(
                "Memory ran out: pictures are encoded on the processor from here on, which is slower"
            )
            yield steps.report(text=line)
            pipeline.vae.to("cpu")
            kept = cache.Cache(pipeline, ("vae",), pipeline.vae.device)
        made = made or _encoded(kept, pipeline, ways)
        if made is None:
            raise Mistake("The memory is not enough to encode {path}; lower resolution.", path=image.path)
        cut = framing(opened.size, size, image.focus)
        mirrored = made[1] if settings.flip else None
        pictures.append(Picture(image.path, image.caption, size, cut, made[0], mirrored))
        repeats.append(image.repeats)
        yield steps.report(1)
    cache.trim()
    if kept.found:
        line = Sentence(
            "{found} of {all} encodings are known from an earlier run",
            found=kept.found,
            all=kept.found + kept.made,
        )
        yield steps.report(text=line)
    if not pictures:
        raise Mistake("None of the pictures in {folder} can be opened; put others in it.", folder=folder)
    return pictures, repeats


def _encoded(kept: cache.Cache, pipeline: Any, ways: Sequence[torch.Tensor]) -> list[torch.Tensor] | None:
    """What the family makes of pixels, or made of the same ones before; None where memory runs out."""
    family = families.of(pipeline)

    def one(shown: torch.Tensor) -> torch.Tensor:
        return kept.get({"pixels": shown}, lambda: {"posterior": family.encode(pipeline, shown)})["posterior"]

    return device.within_memory(lambda: [one(shown) for shown in ways])


def pixels(picture: Image.Image) -> torch.Tensor:
    """A picture as an autoencoder takes it: [1, 3, H, W], -1 to 1."""
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
