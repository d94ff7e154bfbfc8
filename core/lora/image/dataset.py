"""The pictures that an image LoRA learns from: which are held out, which are seen how often, and their
fingerprint.

Works on captions and files; opens no picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.images.caption_table import METADATA, name_for
from core.images.captions import MIDDLE, CaptionedImage, CaptionedSet, read_captions
from core.lora.engine.fingerprint import Data
from core.lora.engine.seeds import order
from core.project import file_hash
from core.settings.training import ImageTraining


def of_pictures(sets: Iterable[tuple[Path, Iterable[CaptionedImage]]]) -> Data:
    """Content, cut and caption of each captioned picture of (folder, pictures), by place in its folder."""
    return {
        f"{number}/{name_for(image.path, folder / METADATA)}": [_seen(image), image.caption]
        for number, (folder, images) in enumerate(sets)
        for image in images
    }


def _seen(image: CaptionedImage) -> str:
    """What of a picture's file is learnt: its content, and where it is cut if that was moved."""
    x, y = image.focus
    content = file_hash(image.path)[:16]
    return content if image.focus == MIDDLE else f"{content} {x:g} {y:g}"


def places(settings: ImageTraining) -> list[tuple[Path, Path | None]]:
    """The folder of the training pictures and its table, where one is named; then that of regular ones."""
    regular: list[tuple[Path, Path | None]] = [(settings.reg_data_dir, None)] if settings.reg_data_dir else []
    return [(settings.train_data_dir, settings.metadata_path), *regular]


def captioned_sets(settings: ImageTraining) -> list[tuple[Path, CaptionedSet]]:
    """The folder of the training pictures, and that of the regular ones where there is one, each read.

    Raises Mistake where a folder has no pictures.
    """
    outside = settings.outside_pictures
    return [(folder, read_captions(folder, table, outside=outside)) for folder, table in places(settings)]


HELD_OUT_EPOCH = 2**32  # seeds of held-out pictures and noise lie past those of any epoch


def kept_out(count: int, settings: ImageTraining) -> list[int]:
    """Numbers of the held-out pictures: the settings' share, rounded down, so that a small set gives none."""
    wanted = int(count * settings.holdout + 1e-9)
    return sorted(order(count, settings.seed, HELD_OUT_EPOCH)[:wanted])


def seen(repeats: Sequence[int], held_out: Sequence[int], regular: Sequence[int]) -> list[int]:
    """Numbers of the pictures of one epoch, each as often as it repeats, and as many regular ones."""
    numbers = [n for n, times in enumerate(repeats) if n not in held_out for _ in range(times)]
    return numbers + ([regular[at % len(regular)] for at in range(len(numbers))] if regular else [])
