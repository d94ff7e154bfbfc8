"""What training a LoRA will take, before anything is loaded: steps, time, memory and disk.

Works on the settings, the pictures' headers and the base's configuration; what a text LoRA needs is counted
in core.lora.text_needs and told here. Steps are those that the loop will do; memory and disk are counted from
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

from core import basemodels, device, families
from core.jobs import Sentence, together
from core.lora import adapter, checkpoints, footprint, measured, pictures, sample_plan, wordings
from core.lora.advisor import few
from core.lora.unused import unused
from core.settings import ImageTraining, TextTraining, Training
from core.texts import report

if TYPE_CHECKING:
    import torch

    from core.images.captions import CaptionedImage

# A process that has torch, diffusers, transformers and peft loaded and has trained (Linux, x86): measured 1.0
# to 1.2 GB, by the processor and the versions.
LIBRARIES_BYTES = 1_100_000_000
FP32, FP16 = 4, 2
# Numbers that an optimizer keeps beside each trained one, in fp32.
OPTIMIZER_STATES = {"adamw": 2.0, "adamw8bit": 0.5, "prodigy": 4.0, "adafactor": 0.1}
DECODER_TEMPORARIES = 4  # of its widest layer, while a sample is decoded
TEXT_KEPT = 24  # numbers that a text encoder's layer keeps for each of its width and each token
HALVES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Needs:
    """What a run takes; None where the base's configuration isn't here to tell. Bytes, and seconds.

    samples: pictures or texts; `held_out` of them are judged by, the others are seen `seen` times in a pass,
    `regular` pictures without the style among it. updates: in a pass. unproved: `seconds` are without the
    proof that is asked for, as none was measured yet.
    """

    samples: int
    held_out: int
    seen: int
    regular: int
    updates: int
    steps: int
    seconds: float | None
    unproved: bool
    memory: int | None
    memory_free: int
    disk: int | None
    disk_free: int


def needs(settings: Training, processes: int = 1) -> Needs:
    """What a run of these settings takes. Raises Mistake where they can't be trained with."""
    if isinstance(settings, TextTraining):
        from core.lora import text_needs

        return text_needs.needs(settings, processes)
    assert isinstance(settings, ImageTraining)
    where = device.pick()
    base = basemodels.image_config(settings.base_model)
    data = _data(settings)
    own = len(data.trained)
    if base:
        drawing, unit = basemodels.drawing(settings.base_model), base.family.side_unit(base.parts)
    else:  # a hub's base that was never fetched isn't asked for; all group pictures alike
        drawing, unit = families.FAMILIES[0].DRAWING, 64
    sizes = [  # of all pictures, the trained ones first
        pictures.fitted(size, settings.resolution, unit, drawing)
        for _, size in (*data.trained, *data.regular)
    ]
    repeats = [image.repeats for image, _ in data.trained]
    held_out = pictures.kept_out(own, settings)
    numbers = pictures.seen(repeats, held_out, range(own, len(sizes)))
    counts = Counter(sizes[number] for number in numbers)
    if base:
        base = _chunked(settings, base, data)
    updates = updates_an_epoch(counts, settings, processes)
    steps = settings.max_steps or settings.epochs * updates
    key = step_key(settings, sizes, where)
    taken = measured.known(key)
    training = (taken or 0.0) * len(numbers) / updates * steps
    prompts = (len(settings.sample_prompts) or settings.samples) if settings.samples else 0
    plan = sample_plan.of_pictures(settings, drawing, prompts)
    return Needs(
        samples=own,
        held_out=len(held_out),
        seen=len(numbers),
        regular=sum(number >= own for number in numbers),
        updates=updates,
        steps=steps,
        seconds=measured.whole(key, settings, steps, training, plan, len(sizes), len(held_out))
        if taken
        else None,
        unproved=settings.prove and not measured.known(f"{key} | {measured.PROVING}"),
        memory=memory_bytes(settings, base, counts, where) if base else None,
        memory_free=device.available_bytes(where),
        disk=disk_bytes(settings, base, sizes) if base else None,
        disk_free=shutil.disk_usage(existing(settings.output_dir)).free,
    )


def updates_an_epoch(sizes: Counter[tuple[int, int]], settings: ImageTraining, processes: int = 1) -> int:
    """Updates in one pass: pictures of one size share a batch, batches share an update."""
    batches = sum(math.ceil(count / settings.batch_size) for count in sizes.values())
    return math.ceil(batches / (settings.gradient_accumulation * processes))


def step_key(settings: ImageTraining, sizes: list[tuple[int, int]], where: torch.device) -> str:
    """What decides a step's time: machine, base, number format, pictures' size, layers, checkpointing."""
    area = round(math.sqrt(sum(width * height for width, height in sizes) / len(sizes)))
    precision = str(device.dtype(settings.precision, where)).removeprefix("torch.")
    layers = ",".join(sorted(settings.target_modules)) + f" {settings.network}"
    checkpointing = " checkpointing" if settings.gradient_checkpointing == "on" else ""
    text = " text encoder" if settings.train_text_encoder else ""
    return (
        f"{device.describe()} | {settings.base_model} | {precision} {area} px | {layers}{text}{checkpointing}"
    )


def remember(
    settings: ImageTraining,
    numbers: list[int],
    sizes: list[tuple[int, int]],
    seconds: Mapping[str, list[float]],
) -> None:
    """Notes how long the reports of a finished run took, of steps and what was done besides."""
    updates = updates_an_epoch(Counter(sizes[number] for number in numbers), settings)
    key = step_key(settings, sizes, device.pick())
    measured.note(key, seconds.get(measured.STEPS, []), len(numbers) / updates)
    measured.note_besides(key, seconds, 1 + settings.keep_loras)


def memory_bytes(
    settings: ImageTraining, base: basemodels.Config, sizes: Counter[tuple[int, int]], where: torch.device
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
    trained = _lora_numbers(settings, base) * FP32 * (3 + _states(settings))  # itself, gradient, best look
    training = held * weight + trained + max(step, decoding)
    if where.type != "cpu":
        return round(training)
    whole = sum(base.numbers.values()) * weight  # before the text encoders are let go
    return round(LIBRARIES_BYTES + max(whole, training))


def _trained_encoders(settings: ImageTraining, base: basemodels.Config) -> tuple[str, ...]:
    return base.family.TEXT_ENCODERS if settings.train_text_encoder else ()


def _step_bytes(
    settings: ImageTraining, base: basemodels.Config, size: tuple[int, int], count: int, half: bool
) -> int:
    kept = footprint.kept(
        list(base.family.blocks(base.parts, size)),
        adapter.meant(settings.target_modules, base.family.LAYERS),
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


def _lora_numbers(settings: ImageTraining, base: basemodels.Config) -> int:
    family, rank, network = base.family, settings.lora_rank, settings.network
    layers = adapter.meant(settings.target_modules, family.LAYERS)
    count = footprint.lora_numbers(list(family.blocks(base.parts, (64, 64))), layers, rank, network)
    for name in _trained_encoders(settings, base):
        said = base.parts[name]
        of_one = footprint.layer_numbers(network, rank, said["hidden_size"], said["hidden_size"])
        count += len(family.text_layers(name, said)) * of_one
    return count


def _states(settings: ImageTraining) -> float:
    return OPTIMIZER_STATES[settings.optimizer] + (1 if settings.ema else 0)


def disk_bytes(settings: ImageTraining, base: basemodels.Config, sizes: list[tuple[int, int]]) -> int:
    """Checkpoints (those kept and the one being written), the LoRAs, and the encodings not yet known."""
    count = _lora_numbers(settings, base)
    best = 1 if settings.keep_best and settings.holdout else 0
    checkpoint = count * FP32 * (1 + best + _states(settings))
    latents = sum(math.prod(base.family.latents(base.parts, size)) for size in sizes)
    encodings = 2 * latents * FP32 * (2 if settings.flip else 1)
    encodings += len(sizes) * sum(_words(base.parts[name]) for name in base.family.TEXT_ENCODERS) * FP32
    loras = (1 + settings.keep_loras) * count * FP16
    return round((checkpoints.KEPT + 1) * checkpoint + loras + encodings)


def lines(settings: Training, processes: int = 1) -> Iterator[Sentence]:
    """The needs in plain words, and last what to change where they are more than there is."""
    found = needs(settings, processes)
    yield _length(settings, found, processes)
    if found.seconds is None:
        yield Sentence("time: unknown until the first run with this base and size")
    elif found.unproved:
        yield Sentence(
            "time: about {minutes} min, as the last run went; the proof comes on top",
            minutes=math.ceil(found.seconds / 60),
        )
    else:
        yield Sentence(
            "time: about {minutes} min, as the last run went", minutes=math.ceil(found.seconds / 60)
        )
    if found.memory is None or found.disk is None:
        yield Sentence("memory and disk: unknown until the base model is on this machine")
        yield from _besides(settings, found)
        return
    yield Sentence(
        "memory: about {needed} of {free} free", needed=_size(found.memory), free=_size(found.memory_free)
    )
    yield Sentence(
        "disk: about {needed} of {free} free", needed=_size(found.disk), free=_size(found.disk_free)
    )
    yield from _besides(settings, found)
    advice = advise(settings, found)
    if advice:
        yield advice


def _length(settings: Training, found: Needs, processes: int) -> Sentence:
    """Where the number of steps comes from: all that is multiplied or left out."""
    own = found.seen - found.regular
    notes = []
    if found.held_out:
        notes.append(Sentence("{count} held out", count=found.held_out))
    if own > found.samples - found.held_out:
        notes.append(Sentence("{count} a pass with their repeats", count=own))
    if found.regular:
        notes.append(Sentence("as many regularisation pictures"))
    data = (
        Sentence("{count} texts", count=found.samples)
        if isinstance(settings, TextTraining)
        else Sentence("{count} pictures", count=found.samples)
    )
    if notes:
        data = Sentence("{data} ({notes})", data=data, notes=together(notes))
    factors = (settings.gradient_accumulation, processes)
    batch = " × ".join(map(str, (settings.batch_size, *(number for number in factors if number > 1))))
    if settings.max_steps:
        return Sentence(
            "{data}, {batch} at a time: {steps} steps, which are {passes} passes",
            data=data,
            batch=batch,
            steps=found.steps,
            passes=f"{found.steps / found.updates:.1f}",
        )
    return Sentence(
        "{data} × {epochs} passes, {batch} at a time: {steps} steps",
        data=data,
        epochs=settings.epochs,
        batch=batch,
        steps=found.steps,
    )


def _besides(settings: Training, found: Needs) -> Iterator[Sentence]:
    """What else is to be said: settings that would change nothing, and too few samples."""
    yield from unused(settings, found.steps, found.samples, found.held_out)
    if isinstance(settings, ImageTraining):  # of texts their own report tells it
        yield from _captions(settings)
        yield from few(settings, found.samples)


def _size(size: float) -> str:
    gib = size / device.GIB
    return f"{gib:.1f} GB" if gib >= 0.1 else f"{math.ceil(1024 * gib)} MB"


def advise(settings: Training, found: Needs) -> Sentence | None:
    """The first change that makes a run fit; None where it fits."""
    if found.disk is not None and found.disk > found.disk_free:
        return Sentence("The disk is too full for it: choose another output_dir, or make room.")
    if found.memory is None or found.memory <= found.memory_free:
        return None
    for changes in _smaller(settings):
        changed = settings.model_copy(update=changes)
        if (needs(changed).memory or 0) <= found.memory_free:
            said = ", ".join(f"{name}={value}" for name, value in changes.items())
            return Sentence("It may not fit into memory: set {changes}.", changes=said)
    return Sentence("It may not fit into memory: choose a smaller base_model, or close other programs.")


def _smaller(settings: Training) -> Iterator[dict[str, object]]:
    """Ways to need less memory, those that cost least first; the effective batch stays."""
    if isinstance(settings, TextTraining):
        from core.lora import text_needs

        yield from text_needs.smaller(settings)
        return
    assert isinstance(settings, ImageTraining)
    batches = [size for size in HALVES[::-1] if size < settings.batch_size]
    whole = settings.batch_size * settings.gradient_accumulation
    smaller: dict[str, object] = {}
    for size in batches:
        smaller = {"batch_size": size, "gradient_accumulation": math.ceil(whole / size)}
        yield smaller
    if settings.gradient_checkpointing != "on":
        smaller = smaller | {"gradient_checkpointing": "on"}
        yield smaller
    side = settings.resolution or basemodels.drawing(settings.base_model).square[0]
    yield from (smaller | {"resolution": round(side * share / 64) * 64 or 64} for share in (0.75, 0.5))


@dataclass(frozen=True)
class _Data:
    """Each training and each regular picture with its size in pixels."""

    trained: tuple[tuple[CaptionedImage, tuple[int, int]], ...]
    regular: tuple[tuple[CaptionedImage, tuple[int, int]], ...]


def _data(settings: ImageTraining) -> _Data:
    others = settings.reg_data_dir
    return _Data(
        _sized(
            settings.train_data_dir,
            settings.metadata_path,
            stamp(settings.train_data_dir, settings.metadata_path),
        ),
        _sized(others, None, stamp(others)) if others else (),
    )


@lru_cache(maxsize=8)
def _sized(
    folder: Path, metadata: Path | None, stamp: tuple[object, ...]
) -> tuple[tuple[CaptionedImage, tuple[int, int]], ...]:
    """Opens the pictures once for each state of the folder, as a page asks at every change of a setting."""
    from core.images.captions import read_captions
    from core.images.importing import picture_size

    return tuple((image, picture_size(image.path)) for image in read_captions(folder, metadata).images)


def _long(base: basemodels.Config, data: _Data) -> list[CaptionedImage]:
    """Pictures whose captions may be longer than the base reads at once: no token is less than a byte."""
    tokens = base.parts[base.family.TEXT_ENCODERS[0]]["max_position_embeddings"] - 2
    pictures = [image for image, _ in (*data.trained, *data.regular)]
    return [image for image in pictures if len(image.caption.encode()) > tokens]


def _chunked(settings: ImageTraining, base: basemodels.Config, data: _Data) -> basemodels.Config:
    """The base with text encoders as long as the longest caption's chunks, by which memory is counted."""
    if not (long := _long(base, data)):
        return base
    tokenizer = basemodels.image_tokenizer(settings.base_model)
    chunks = max(base.family.chunked(tokenizer, image.caption)[0] for image in long)
    longer = {
        name: {**said, "max_position_embeddings": chunks * said["max_position_embeddings"]}
        for name, said in base.parts.items()
        if name in base.family.TEXT_ENCODERS
    }
    return replace(base, parts={**base.parts, **longer})


def _captions(settings: ImageTraining) -> Iterator[Sentence]:
    """What is to be told of captions that are too long for the base."""
    base = basemodels.image_config(settings.base_model)
    if base and (long := _long(base, _data(settings))):
        tokenizer = basemodels.image_tokenizer(settings.base_model)
        yield from wordings.told_long(base.family, tokenizer, long)


def stamp(*places: Path | None) -> tuple[object, ...]:
    """What changes when a file there does, one in a folder or itself: names, times of change, sizes."""
    files = [
        file
        for place in filter(None, places)
        for file in (sorted(place.rglob("*")) if place.is_dir() else [place])
        if file.is_file()
    ]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


def existing(folder: Path) -> Path:
    """The nearest folder that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def asked(settings: Training) -> Iterator[Sentence]:
    """What a command tells before a training: what it needs, and for a text LoRA what its texts are worth."""
    yield from lines(settings)
    if isinstance(settings, TextTraining):
        yield from report.of_training(settings)
