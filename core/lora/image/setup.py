"""Prepares the training of an image LoRA: from settings to the recipe, with all that is frozen computed.

Pictures are grouped by shape, and what the frozen parts of the base make of them is kept: the posterior's
mean and spread of each picture and the text encoders' output for each caption, in memory for this run and on
disk for the next.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from core import device, families
from core.bases import picture_base
from core.families.family import Tensors
from core.images.captions import CaptionedSet
from core.lora.adapters import attach, image_file
from core.lora.adapters.facts import ImageFacts
from core.lora.engine import fingerprint
from core.lora.image import dataset as image_dataset
from core.lora.image import prompts
from core.lora.image.dataset import kept_out, seen
from core.lora.image.latents import Picture, encode_pictures
from core.lora.image.recipe import ImageRecipe
from core.messages import Sentence
from core.progress import Progress
from core.project import file_hash
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

Sets: TypeAlias = Sequence[tuple[Path, CaptionedSet]]  # each folder with what it holds


def prepare(settings: ImageTraining) -> Generator[Progress, None, ImageRecipe]:
    """Reads pictures and captions, loads the base, caches what is frozen and puts the LoRA on; the recipe.

    Raises Mistake for a folder without pictures, a base that is none, and unknown target modules.
    """
    sets = image_dataset.captioned_sets(settings)
    for _, found in sets:
        yield from (Progress("Reading the pictures", text=problem.sentence) for problem in found.problems)
    yield Progress("Loading the base model")
    where = device.pick()
    dtype = device.dtype(settings.precision, where)
    pipeline = yield from _base(settings, sets, dtype)
    pictures, repeats = yield from _encoded(settings, sets, pipeline, where)
    orders, words = yield from _captions(settings, pictures, pipeline, where)
    yield from _put_on(settings, pipeline, where, dtype)
    yield Progress("Noting what it is made of")
    data = image_dataset.of_pictures((folder, found.images) for folder, found in sets)
    facts = _facts(settings, pictures, repeats, pipeline, data)
    line = Sentence("{count} pictures at {sizes}", count=facts.pictures, sizes=", ".join(facts.sizes))
    yield Progress("Reading the pictures", text=line)
    family, (held_out, regular, numbers) = families.of(pipeline), _parts(settings, pictures, repeats)
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
        drawing=picture_base.drawing(settings.base_model),
        device=where,
        dtype=dtype,
        facts=facts,
        data=data,
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def _base(settings: ImageTraining, sets: Sets, dtype: torch.dtype) -> Generator[Progress, None, Any]:
    """The base's pipeline; captions too long for it are told where the pre-flight didn't know it."""
    unknown = picture_base.read_config(settings.base_model) is None
    pipeline = picture_base.load(settings.base_model, dtype, settings.prediction)
    if unknown:
        images = [image for _, found in sets for image in found.images]
        long = prompts.told_long(families.of(pipeline), pipeline.tokenizer, images)
        yield from (Progress("Reading the pictures", text=line) for line in long)
    return pipeline


def _encoded(
    settings: ImageTraining, sets: Sets, pipeline: Any, where: torch.device
) -> Generator[Progress, None, tuple[list[Picture], list[int]]]:
    """All pictures, those to learn before the regular ones, and how often each of the former repeats."""
    drawing, encoded = picture_base.drawing(settings.base_model), []
    for folder, found in sets:
        encoded.append((yield from encode_pictures(folder, found.images, pipeline, settings, drawing, where)))
    return [picture for pictures, _ in encoded for picture in pictures], encoded[0][1]


def _captions(
    settings: ImageTraining, pictures: Sequence[Picture], pipeline: Any, where: torch.device
) -> Generator[Progress, None, tuple[dict[str, tuple[str, ...]], dict[str, Tensors]]]:
    """Each caption's wordings, and what the backbone is told for each; see `ImageRecipe`.

    Text encoders that aren't trained are let go.
    """
    orders = {
        picture.caption: prompts.tag_orders(picture.caption, settings, number)
        for number, picture in enumerate(pictures)
    }
    captions = {said for all_orders in orders.values() for said in all_orders}
    words = prompts.token_ids(pipeline, captions | {"", *settings.sample_prompts})
    if not settings.train_text_encoder:
        words = yield from prompts.embedded(pipeline, words, where)
        for name in families.of(pipeline).TEXT_ENCODERS:
            setattr(pipeline, name, None)
    return orders, words


def _put_on(
    settings: ImageTraining, pipeline: Any, where: torch.device, dtype: torch.dtype
) -> Iterator[Progress]:
    """Puts the LoRA on the base, seeded, and the base where it computes."""
    import torch

    yield Progress("Putting the LoRA on the base")
    device.free()
    torch.manual_seed(settings.seed)
    lines = attach.add_loras(pipeline, settings, dtype)
    yield from (Progress("Preparing", text=line) for line in lines)
    pipeline.to(where)
    backbone = getattr(pipeline, families.of(pipeline).BACKBONE)
    backbone.to(memory_format=device.memory_format(dtype)).train()


def _parts(
    settings: ImageTraining, pictures: Sequence[Picture], repeats: Sequence[int]
) -> tuple[list[int], range, list[int]]:
    """Numbers of the held-out pictures, of the regular ones, of those of a pass as often as they come."""
    held_out, regular = kept_out(len(repeats), settings), range(len(repeats), len(pictures))
    return held_out, regular, seen(repeats, held_out, regular)


def _facts(
    settings: ImageTraining,
    pictures: Sequence[Picture],
    repeats: Sequence[int],
    pipeline: Any,
    data: fingerprint.Data,
) -> ImageFacts:
    own, (held_out, regular, numbers) = len(repeats), _parts(settings, pictures, repeats)
    sizes = sorted({picture.size for picture in pictures})
    square = picture_base.drawing(settings.base_model).square
    base_hash, base_legacy_hash = _base_hashes(settings.base_model)
    return ImageFacts(
        pictures=own,
        held_out=len(held_out),
        regularisation=len(regular),
        samples=sum(times for at, times in enumerate(repeats) if at not in held_out),
        sizes=[f"{width}x{height}" for width, height in sizes],
        square=(settings.resolution, settings.resolution) if settings.resolution else square,
        buckets=[sum(pictures[at].size == size for at in numbers) for size in sizes],
        folders=_folders(pictures[:own], repeats),
        precision=device.name_of(device.dtype(settings.precision, device.pick())),
        folder=settings.train_data_dir.name,
        base_hash=base_hash,
        base_legacy_hash=base_legacy_hash,
        base_names=families.of(pipeline).names(pipeline),
        prediction_type=pipeline.scheduler.config.get("prediction_type", ""),
        tags=prompts.tag_counts(picture.caption for picture in pictures[:own]),
        data=fingerprint.digest(data),
    )


def _folders(pictures: Sequence[Picture], repeats: Sequence[int]) -> dict[str, list[int]]:
    """How often each folder's pictures are seen in an epoch, and how many it has, by the folder's name."""
    found: dict[str, list[int]] = {}
    for picture, times in zip(pictures, repeats, strict=True):
        found.setdefault(picture.path.parent.name, [times, 0])[1] += 1
    return found


def _base_hashes(name: str) -> tuple[str, str]:
    """A single-file base's SHA-256 and its legacy hash; empty for a folder or a hub id, which have no one."""
    source = picture_base.find(name)
    if not (isinstance(source, Path) and source.is_file()):
        return "", ""
    with source.open("rb") as file:
        return file_hash(source), image_file.legacy_hash(file)
