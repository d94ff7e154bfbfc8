"""Prepares the training of an image LoRA: from settings to the recipe, with all that is frozen computed.

Pictures are grouped by shape, and what the frozen parts of the base make of them is kept: the posterior's
mean and spread of each picture and the text encoders' output for each caption, in memory for this run and on
disk for the next.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from core import basemodels, device, families
from core.images.captions import read_captions
from core.jobs import Progress, Sentence
from core.lora import adapter, changes, formats, wordings
from core.lora.image import ImageRecipe
from core.lora.pictures import Picture, encode_pictures, kept_out, seen
from core.project import file_hash
from core.settings import ImageTraining


def prepare(settings: ImageTraining) -> Generator[Progress, None, ImageRecipe]:
    """Reads pictures and captions, loads the base, caches what is frozen and puts the LoRA on; the recipe.

    Raises Mistake for a folder without pictures, a base that is none, and unknown target modules.
    """
    import torch

    sets = [(settings.train_data_dir, read_captions(settings.train_data_dir, settings.metadata_path))]
    if settings.reg_data_dir:
        sets.append((settings.reg_data_dir, read_captions(settings.reg_data_dir)))
    for _, found in sets:
        yield from (Progress("Reading the pictures", text=problem.sentence) for problem in found.problems)
    yield Progress("Loading the base model")
    unknown = basemodels.image_config(settings.base_model) is None
    where = device.pick()
    dtype = device.dtype(settings.precision, where)
    pipeline = basemodels.load_pipeline(settings.base_model, dtype, settings.prediction)
    family = families.of(pipeline)
    if unknown:  # else the pre-flight has told it
        images = [image for _, found in sets for image in found.images]
        long = wordings.told_long(family, pipeline.tokenizer, images)
        yield from (Progress("Reading the pictures", text=line) for line in long)
    drawing = basemodels.drawing(settings.base_model)
    encoded = []
    for folder, found in sets:
        encoded.append((yield from encode_pictures(folder, found.images, pipeline, settings, drawing, where)))
    (trained, repeats), *others = encoded
    pictures, own = [*trained, *(picture for other, _ in others for picture in other)], len(trained)
    orders = {
        picture.caption: wordings.tag_orders(picture.caption, settings, number)
        for number, picture in enumerate(pictures)
    }
    captions = {said for all_orders in orders.values() for said in all_orders}
    words = wordings.token_ids(pipeline, captions | {"", *settings.sample_prompts})
    if not settings.train_text_encoder:
        words = yield from wordings.embedded(pipeline, words, where)
        for name in family.TEXT_ENCODERS:
            setattr(pipeline, name, None)
    yield Progress("Putting the LoRA on the base")
    device.free()
    torch.manual_seed(settings.seed)
    told = adapter.add_loras(pipeline, settings, dtype)
    yield from (Progress("Preparing", text=line) for line in told)
    pipeline.to(where)
    getattr(pipeline, family.BACKBONE).to(memory_format=device.memory_format(dtype)).train()
    yield Progress("Noting what it is made of")
    data = changes.of_pictures((folder, found.images) for folder, found in sets)
    sizes = sorted({picture.size for picture in pictures})
    held_out, regular = kept_out(own, settings), range(own, len(pictures))
    numbers = seen(repeats, held_out, regular)
    facts: dict[str, Any] = {
        "pictures": own,
        "held_out": len(held_out),
        "regularisation": len(pictures) - own,
        "samples": sum(times for at, times in enumerate(repeats) if at not in held_out),
        "sizes": [f"{width}x{height}" for width, height in sizes],
        "square": (settings.resolution, settings.resolution) if settings.resolution else drawing.square,
        "buckets": [sum(pictures[at].size == size for at in numbers) for size in sizes],
        "folders": _folders(trained, repeats),
        "precision": device.name_of(dtype),
        "folder": settings.train_data_dir.name,
        **_base_hashes(settings.base_model),
        "base_names": family.names(pipeline),
        "prediction_type": pipeline.scheduler.config.get("prediction_type", ""),
        "tags": wordings.tag_counts(picture.caption for picture in pictures[:own]),
        "data": changes.digest(data),
    }
    line = Sentence("{count} pictures at {sizes}", count=own, sizes=", ".join(facts["sizes"]))
    yield Progress("Reading the pictures", text=line)
    recipe = ImageRecipe(
        settings=settings,
        pipeline=pipeline,
        family=family,
        schedule=family.schedule(pipeline),
        pictures=pictures,
        numbers=numbers,
        held_out=held_out,
        orders=orders,
        regular=frozenset(regular),
        words=words,
        drawing=drawing,
        device=where,
        dtype=dtype,
        facts=facts,
        data=data,
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def _folders(pictures: Sequence[Picture], repeats: Sequence[int]) -> dict[str, list[int]]:
    """How often each folder's pictures are seen in an epoch, and how many it has, by the folder's name."""
    found: dict[str, list[int]] = {}
    for picture, times in zip(pictures, repeats, strict=True):
        found.setdefault(picture.path.parent.name, [times, 0])[1] += 1
    return found


def _base_hashes(name: str) -> dict[str, str]:
    """A single-file base's SHA-256 and its legacy hash; empty for a folder or a hub id, which have no one."""
    source = basemodels.image_base(name)
    if not (isinstance(source, Path) and source.is_file()):
        return {"base_hash": "", "base_legacy_hash": ""}
    with source.open("rb") as file:
        return {"base_hash": file_hash(source), "base_legacy_hash": formats.legacy_hash(file)}
