"""What training a LoRA will take, told in plain words before anything is loaded, and what to change where it
is too much.

What is counted stands in core.lora.estimate.image and core.lora.estimate.text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from core import device
from core.lora import kinds
from core.lora.estimate.needs import Needs
from core.lora.estimate.unused import unused
from core.messages import Sentence, together
from core.settings.training import Training


def needs(settings: Training, processes: int = 1) -> Needs:
    """What a run of these settings takes. Raises Mistake where they can't be trained with."""
    return kinds.of(settings).needs(settings, processes)


def lines(settings: Training, processes: int = 1) -> Iterator[Sentence]:
    """The needs in plain words, and last what to change where they are more than there is."""
    found = needs(settings, processes)
    yield _length(settings, found, processes)
    if found.seconds is None or found.training is None:
        yield Sentence("time: unknown until the first run with this base and size")
    else:
        minutes = {"minutes": math.ceil(found.seconds / 60), "alone": math.ceil(found.training / 60)}
        yield (
            Sentence(
                "time: about {minutes} min, {alone} of them training alone, as the last run went; the proof "
                "comes on top",
                **minutes,
            )
            if found.unproved
            else Sentence(
                "time: about {minutes} min, {alone} of them training alone, as the last run went", **minutes
            )
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
    data = kinds.of(settings).counted(found.samples)
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
    """What else is to be said: settings that would change nothing, and of the samples themselves."""
    yield from unused(settings, found.steps, found.samples, found.held_out)
    yield from kinds.of(settings).noticed(settings, found.samples)


def _size(size: float) -> str:
    gib = size / device.GIB
    return f"{gib:.1f} GB" if gib >= 0.1 else f"{math.ceil(1024 * gib)} MB"


def advise(settings: Training, found: Needs) -> Sentence | None:
    """The first change that makes a run fit; None where it fits."""
    if found.disk is not None and found.disk > found.disk_free:
        return Sentence("The disk is too full for it: choose another output_dir, or make room.")
    if found.memory is None or found.memory <= found.memory_free:
        return None
    for changes in kinds.of(settings).smaller(settings):
        changed = settings.model_copy(update=changes)
        if (needs(changed).memory or 0) <= found.memory_free:
            said = ", ".join(f"{name}={value}" for name, value in changes.items())
            return Sentence("It may not fit into memory: set {changes}.", changes=said)
    return Sentence("It may not fit into memory: choose a smaller base_model, or close other programs.")


def report(settings: Training) -> Iterator[Sentence]:
    """What a command tells before a training: what it needs, and for a text LoRA what its texts are worth."""
    yield from lines(settings)
    yield from kinds.of(settings).worth(settings)
