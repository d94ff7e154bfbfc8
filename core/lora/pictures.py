"""Training pictures as a picture base sees them: cut to a bucket's shape, as posteriors of latents.

Knows the autoencoder; nothing about captions, the UNet or training. What it encodes is kept on disk.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, families
from core.families.family import Drawing
from core.images.captions import MIDDLE
from core.images.importing import Unreadable, open_picture
from core.jobs import Mistake, Progress, Sentence, Steps
from core.lora import cache
from core.lora.recipe import order
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image

HELD_OUT_EPOCH = 2**32  # seeds of held-out pictures and noise lie past those of any epoch
STEP_PX = 64  # between the sides of buckets, where nothing else is asked for
WIDEST = 2.0  # a bucket's longer side against its shorter


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


def bucket(size: tuple[int, int], area: int, unit: int) -> tuple[int, int]:
    """Width and height of a picture's bucket: its shape, at most `area`, sides multiples of `unit`.

    Shapes beyond 1:2 get 1:2.
    """
    shape = min(max(size[0] / size[1], 1 / WIDEST), WIDEST)
    fewer = max(1, int(math.sqrt(area * shape) / unit))
    widths = (fewer * unit, (fewer + 1) * unit)
    return nearest((shape, 1.0), [(width, max(unit, int(area / width / unit) * unit)) for width in widths])


def nearest(size: tuple[float, float], choices: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The choice whose shape is nearest to that of `size`."""
    return min(choices, key=lambda other: abs(math.log(size[0] * other[1] / (size[1] * other[0]))))


def fitted(size: tuple[int, int], side: int, unit: int, drawing: Drawing) -> tuple[int, int]:
    """The size at which a picture is trained: its bucket at `side`, with 0 at the base's own side.

    A base that knows a few sizes alone gets the nearest of them.
    """
    if drawing.only and not side:
        return nearest(size, (drawing.square, drawing.portrait, drawing.landscape))
    if side:
        return bucket(size, side * side, unit)
    return bucket(size, math.prod(drawing.square), math.lcm(unit, STEP_PX))


def kept_out(count: int, settings: ImageTraining) -> list[int]:
    """Numbers of the held-out pictures: the settings' share, rounded down, so that a small set gives none."""
    wanted = int(count * settings.holdout + 1e-9)
    return sorted(order(count, settings.seed, HELD_OUT_EPOCH)[:wanted])


def seen(repeats: Sequence[int], held_out: Sequence[int], regular: Sequence[int]) -> list[int]:
    """Numbers of the pictures of one epoch, each as often as it repeats, and as many regular ones."""
    numbers = [n for n, times in enumerate(repeats) if n not in held_out for _ in range(times)]
    return numbers + ([regular[at % len(regular)] for at in range(len(numbers))] if regular else [])


def cover(picture: Image.Image, size: tuple[int, int], focus: tuple[float, float] = MIDDLE) -> Image.Image:
    """The picture scaled until it covers `size`, cut as near to its `focus` as its edges allow."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    return ImageOps.fit(picture, size, Resampling.LANCZOS, centering=_centering(picture.size, size, focus))


def _centering(
    file: tuple[int, int], size: tuple[int, int], focus: tuple[float, float]
) -> tuple[float, float]:
    """The share of what is cut off that goes from the left and from the top."""
    scale = max(size[0] / file[0], size[1] / file[1])

    def share(at: int) -> float:
        whole = file[at] * scale
        room = whole - size[at]
        return min(max(0.5 + (focus[at] - 0.5) * whole / room, 0.0), 1.0) if room > 1e-6 else 0.5

    return share(0), share(1)


def framing(
    file: tuple[int, int], size: tuple[int, int], focus: tuple[float, float] = MIDDLE
) -> tuple[int, ...]:
    """SDXL's six numbers for a picture of `file` (width, height) cut to `size` by `cover`.

    Height and width of the file; top and left of the cut in the picture scaled to cover it; height and width
    of the cut (Podell 2023, 2.2).
    """
    scale = max(size[0] / file[0], size[1] / file[1])
    shares = _centering(file, size, focus)
    top, left = (round((file[at] * scale - size[at]) * shares[at]) for at in (1, 0))
    return file[1], file[0], top, left, size[1], size[0]


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
        size = fitted(opened.size, settings.resolution, unit, drawing)
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
