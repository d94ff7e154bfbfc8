"""What training an image LoRA will take, before anything is loaded: steps, time, memory and disk.

Works on the settings, the pictures' headers and the base's configuration. Memory and disk are counted from
the shapes; time is known from the second run on. Reads no weights.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, families
from core.bases import picture_base
from core.disk import nearest_folder
from core.lora.adapters import attach
from core.lora.engine import sample_plan
from core.lora.estimate import footprint, timings
from core.lora.estimate.needs import (
    FP16,
    FP32,
    LIBRARIES_BYTES,
    Needs,
    stamp,
    trained_bytes,
    written_bytes,
)
from core.lora.image import buckets, prompts
from core.lora.image import dataset as image_dataset
from core.messages import Sentence
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

    from core.images.captions import CaptionedImage

HALVES = (1, 2, 4, 8, 16)
DECODER_TEMPORARIES = 4  # of its widest layer, while a sample is decoded
TEXT_KEPT = 24  # numbers that a text encoder's layer keeps for each of its width and each token


def needs(settings: ImageTraining, processes: int = 1) -> Needs:
    """What a run of these settings takes. Raises Mistake where they can't be trained with."""
    where = device.pick()
    base = picture_base.read_config(settings.base_model)
    data = pictures_of(settings)
    own = len(data.trained)
    if base:
        drawing, unit = picture_base.drawing(settings.base_model), base.family.side_unit(base.parts)
    else:  # a hub's base that was never fetched isn't asked for; all group pictures alike
        drawing, unit = families.FAMILIES[0].DRAWING, 64
    sizes = [  # of all pictures, the trained ones first
        buckets.training_size(size, settings.resolution, unit, drawing)
        for _, size in (*data.trained, *data.regular)
    ]
    repeats = [image.repeats for image, _ in data.trained]
    held_out = image_dataset.kept_out(own, settings)
    numbers = image_dataset.seen(repeats, held_out, range(own, len(sizes)))
    counts = Counter(sizes[number] for number in numbers)
    if base:
        base = _chunked(settings, base, data)
    updates = updates_an_epoch(counts, settings, processes)
    steps = settings.max_steps or settings.epochs * updates
    key = step_key(settings, sizes)
    taken = timings.known(key)
    training = (taken or 0.0) * len(numbers) / updates * steps
    samples = (len(settings.sample_prompts) or settings.samples) if settings.samples else 0
    plan = sample_plan.of_pictures(settings, drawing, samples)
    return Needs(
        samples=own,
        held_out=len(held_out),
        seen=len(numbers),
        regular=sum(number >= own for number in numbers),
        updates=updates,
        steps=steps,
        seconds=timings.whole(key, settings, steps, training, plan, len(sizes), len(held_out))
        if taken
        else None,
        training=training if taken else None,
        unproved=settings.prove and not timings.known(f"{key} | {timings.PROVING}"),
        memory=memory_bytes(settings, base, counts, where) if base else None,
        memory_free=device.available_bytes(where),
        disk=disk_bytes(settings, base, sizes) if base else None,
        disk_free=shutil.disk_usage(nearest_folder(settings.output_dir)).free,
    )


def smaller(settings: ImageTraining) -> Iterator[dict[str, object]]:
    """Ways to need less memory, those that cost least first; the effective batch stays."""
    batches = [size for size in HALVES[::-1] if size < settings.batch_size]
    whole = settings.batch_size * settings.gradient_accumulation
    changes: dict[str, object] = {}
    for size in batches:
        changes = {"batch_size": size, "gradient_accumulation": math.ceil(whole / size)}
        yield changes
    if settings.gradient_checkpointing != "on":
        changes = changes | {"gradient_checkpointing": "on"}
        yield changes
    side = settings.resolution or picture_base.drawing(settings.base_model).square[0]
    yield from (changes | {"resolution": round(side * share / 64) * 64 or 64} for share in (0.75, 0.5))


def _chunked(settings: ImageTraining, base: picture_base.Config, data: Pictures) -> picture_base.Config:
    """The base with text encoders as long as the longest caption's chunks, by which memory is counted."""
    if not (long := _long(base, data)):
        return base
    tokenizer = picture_base.read_tokenizer(settings.base_model)
    chunks = max(base.family.chunked(tokenizer, image.caption)[0] for image in long)
    longer = {
        name: {**said, "max_position_embeddings": chunks * said["max_position_embeddings"]}
        for name, said in base.parts.items()
        if name in base.family.TEXT_ENCODERS
    }
    return replace(base, parts={**base.parts, **longer})


def _long(base: picture_base.Config, data: Pictures) -> list[CaptionedImage]:
    """Pictures whose captions may be longer than the base reads at once: no token is less than a byte."""
    tokens = base.parts[base.family.TEXT_ENCODERS[0]]["max_position_embeddings"] - 2
    pictures = [image for image, _ in (*data.trained, *data.regular)]
    return [image for image in pictures if len(image.caption.encode()) > tokens]


def long_captions(settings: ImageTraining) -> Iterator[Sentence]:
    """What is to be told of captions that are too long for the base."""
    base = picture_base.read_config(settings.base_model)
    if base and (long := _long(base, pictures_of(settings))):
        tokenizer = picture_base.read_tokenizer(settings.base_model)
        yield from prompts.told_long(base.family, tokenizer, long)


def updates_an_epoch(sizes: Counter[tuple[int, int]], settings: ImageTraining, processes: int = 1) -> int:
    """Updates in one pass: pictures of one size share a batch, batches share an update."""
    batches = sum(math.ceil(count / settings.batch_size) for count in sizes.values())
    return math.ceil(batches / (settings.gradient_accumulation * processes))


def step_key(settings: ImageTraining, sizes: list[tuple[int, int]]) -> str:
    """What decides a step's time: machine, base, number format, pictures' size, layers, checkpointing."""
    area = round(math.sqrt(sum(width * height for width, height in sizes) / len(sizes)))
    text = " text encoder" if settings.train_text_encoder else ""
    return timings.step_key(settings, f"{area} px", settings.target_modules, f" {settings.network}{text}")


def remember(
    settings: ImageTraining,
    numbers: list[int],
    sizes: list[tuple[int, int]],
    seconds: Mapping[str, list[float]],
) -> None:
    """Notes how long the reports of a finished run took, of steps and what was done besides."""
    updates = updates_an_epoch(Counter(sizes[number] for number in numbers), settings)
    key = step_key(settings, sizes)
    timings.note(key, seconds.get(timings.STEPS, []), len(numbers) / updates)
    timings.note_besides(key, seconds, 1 + settings.keep_loras)


def memory_bytes(
    settings: ImageTraining, base: picture_base.Config, sizes: Counter[tuple[int, int]], where: torch.device
) -> int:
    """Memory at its height: the process's own, weights, LoRA, and a step or a drawn sample."""
    import torch

    half = device.dtype(settings.precision, where) != torch.float32
    weight = FP16 if half else FP32
    step = max(_step_bytes(settings, base, size, count, half) for size, count in sizes.items())
    held = sum(
        base.numbers[name] for name in (base.family.BACKBONE, "vae", *_trained_encoders(settings, base))
    )
    widest, (width, height) = base.parts["vae"]["block_out_channels"][:2][-1], max(sizes, key=math.prod)
    decoding = DECODER_TEMPORARIES * widest * width * height * weight
    trained = trained_bytes(settings, _lora_numbers(settings, base))
    training = held * weight + trained + max(step, decoding)
    if where.type != "cpu":
        return round(training)
    whole = sum(base.numbers.values()) * weight  # before the text encoders are let go
    return round(LIBRARIES_BYTES + max(whole, training))


def _trained_encoders(settings: ImageTraining, base: picture_base.Config) -> tuple[str, ...]:
    return base.family.TEXT_ENCODERS if settings.train_text_encoder else ()


def _step_bytes(
    settings: ImageTraining, base: picture_base.Config, size: tuple[int, int], count: int, half: bool
) -> int:
    kept = footprint.kept(
        list(base.family.blocks(base.parts, size)),
        attach.meant(settings.target_modules, base.family.LAYERS),
        settings.lora_rank,
        half,
        settings.gradient_checkpointing == "on",
        settings.network,
        settings.train_text_encoder,
    )
    encoders = [base.parts[name] for name in _trained_encoders(settings, base)]
    text = TEXT_KEPT * sum(said["num_hidden_layers"] * _words(said) for said in encoders)
    whole = min(settings.batch_size, count) * (kept.sample + kept.temporary + text) + kept.once
    return whole * (FP16 if half else FP32)


def _words(said: Mapping[str, Any]) -> int:
    """Numbers that a text encoder of this configuration gives for a caption."""
    return int(said["hidden_size"] * said["max_position_embeddings"])


def _lora_numbers(settings: ImageTraining, base: picture_base.Config) -> int:
    family, rank, network = base.family, settings.lora_rank, settings.network
    layers = attach.meant(settings.target_modules, family.LAYERS)
    count = footprint.lora_numbers(list(family.blocks(base.parts, (64, 64))), layers, rank, network)
    for name in _trained_encoders(settings, base):
        said = base.parts[name]
        of_one = footprint.layer_numbers(network, rank, said["hidden_size"], said["hidden_size"])
        count += len(family.text_layers(name, said)) * of_one
    return count


def disk_bytes(settings: ImageTraining, base: picture_base.Config, sizes: list[tuple[int, int]]) -> int:
    """The run's files, and the encodings not yet known."""
    written = written_bytes(settings, _lora_numbers(settings, base), bool(settings.holdout), FP16)
    latents = sum(math.prod(base.family.latents(base.parts, size)) for size in sizes)
    encodings = 2 * latents * FP32 * (2 if settings.flip else 1)
    encodings += len(sizes) * sum(_words(base.parts[name]) for name in base.family.TEXT_ENCODERS) * FP32
    return round(written + encodings)


@dataclass(frozen=True)
class Pictures:
    """Each training and each regular picture with its size in pixels."""

    trained: tuple[tuple[CaptionedImage, tuple[int, int]], ...]
    regular: tuple[tuple[CaptionedImage, tuple[int, int]], ...]


def pictures_of(settings: ImageTraining) -> Pictures:
    """The pictures that the settings would train on, with their sizes."""
    trained, *regular = (
        _sized(folder, table, settings.outside_pictures, stamp(folder, table))
        for folder, table in image_dataset.places(settings)
    )
    return Pictures(trained, regular[0] if regular else ())


@lru_cache(maxsize=8)
def _sized(
    folder: Path, metadata: Path | None, outside: bool, stamp: tuple[object, ...]
) -> tuple[tuple[CaptionedImage, tuple[int, int]], ...]:
    """Opens the pictures once for each state of the folder, as a page asks at every change of a setting."""
    from core.images.captions import read_captions
    from core.images.picture_file import picture_size

    found = read_captions(folder, metadata, outside=outside)
    return tuple((image, picture_size(image.path)) for image in found.images)
