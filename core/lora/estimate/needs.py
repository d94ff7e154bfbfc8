"""What a run takes, as figures, and what both kinds of training count by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.lora.engine import checkpoints
from core.settings.training import Training

# A process that has torch, diffusers, transformers and peft loaded and has trained (Linux, x86): measured 1.0
# to 1.2 GB, by the processor and the versions.
LIBRARIES_BYTES = 1_100_000_000


FP32, FP16 = 4, 2  # bytes
# Numbers that an optimizer keeps beside each trained one, in fp32.
OPTIMIZER_STATES = {"adamw": 2.0, "adamw8bit": 0.5, "prodigy": 4.0, "adafactor": 0.1}


@dataclass(frozen=True)
class Needs:
    """What a run takes; None where the base's configuration isn't here to tell. Bytes, and seconds.

    samples: pictures or texts; `held_out` of them are judged by, the others are seen `seen` times in a pass,
    `regular` pictures without the style among it. updates: in a pass. seconds: of the whole run, `training`
    of them of its updates. unproved: `seconds` are without the proof that is asked for, as none was measured
    yet.
    """

    samples: int
    held_out: int
    seen: int
    regular: int
    updates: int
    steps: int
    seconds: float | None
    training: float | None
    unproved: bool
    memory: int | None
    memory_free: int
    disk: int | None
    disk_free: int


def trained_bytes(settings: Training, numbers: int) -> float:
    """Memory of a LoRA of so many numbers: itself, gradient, best look, the optimizer's and the average."""
    return numbers * FP32 * (3 + _states(settings))


def written_bytes(settings: Training, numbers: int, judged: bool, lora_bytes: int) -> float:
    """Disk of a run: checkpoints (those kept and the one being written), the LoRA and those along the way.

    `judged`: whether held-out samples choose the best look, kept beside; `lora_bytes`: of a LoRA's number.
    """
    best = 1 if settings.keep_best and judged else 0
    checkpoint = numbers * FP32 * (1 + best + _states(settings))
    return (checkpoints.KEPT + 1) * checkpoint + (1 + settings.keep_loras) * numbers * lora_bytes


def _states(settings: Training) -> float:
    """Numbers kept beside each trained one: by the optimizer, and of the weights' average."""
    return OPTIMIZER_STATES[settings.optimizer] + (1 if settings.ema else 0)


def stamp(*places: Path | None) -> tuple[object, ...]:
    """What changes when a file there does, one in a folder or itself: names, times of change, sizes."""
    files = [
        file
        for place in filter(None, places)
        for file in (sorted(place.rglob("*")) if place.is_dir() else [place])
        if file.is_file()
    ]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
