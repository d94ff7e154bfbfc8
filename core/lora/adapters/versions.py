"""Where a finished LoRA comes from: the settings that made it, and the LoRAs kept along the way.

Reads the lineage beside it; knows nothing about what is in a LoRA.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from core.bases.places import EMBEDDED, PICTURE, named_by
from core.lineage import read_lineage
from core.project import safe_name
from core.settings.reading import make
from core.settings.training import Training, TrainingT


def training(lora: Path, cls: type[TrainingT]) -> TrainingT | None:
    """The settings a LoRA was trained with; None where nothing beside it tells. Raises Mistake."""
    values = read_lineage(lora).get("settings")
    if not values:
        return None
    known = {name: value for name, value in values.items() if name in cls.model_fields}
    return make(cls, known, lora.with_suffix(".yaml"))


def base(lora: Path, named: str, made: Training | None) -> str:
    """The base that is asked for, else the one that an image LoRA's lineage names; embedded where none is.

    Raises Mistake where it is named but not on this machine.
    """
    if named or made is None:
        return named or EMBEDDED
    return named_by(lora.with_suffix(".yaml"), made.base_model, PICTURE)


def kept_folder(settings: Training, path: Path) -> Path:
    """Where the LoRAs kept along the way to the finished LoRA `path` stand: step-00000060.safetensors, …"""
    return settings.output_dir / "kept" / path.stem


def kept_file(settings: Training, path: Path, step: int) -> Path:
    """The one of them that was kept after `step`: a file, or a text LoRA's folder."""
    return kept_folder(settings, path) / f"step-{step:08d}{_suffix(path)}"


def along(lora: Path, settings: Training | None) -> dict[int | None, Path]:
    """The LoRAs kept along the way and the finished one, by step (None: finished)."""
    kept = sorted(kept_folder(settings, lora).glob(f"step-*{_suffix(lora)}")) if settings else []
    steps = {path: path.stem.removeprefix("step-") for path in kept}
    return {**{int(step): path for path, step in steps.items() if step.isdecimal()}, None: lora}


def _suffix(lora: Path) -> str:
    """An image LoRA is a file, a text LoRA a folder, whose name may hold a point."""
    return ".safetensors" if lora.suffix == ".safetensors" else ""


def next_path(settings: Training, epochs: int, suffix: str) -> Path:
    """`lora_v{n}_{name}_r{rank}_ep{epochs}` with the first n above those there: nothing is overwritten.

    `suffix`: of a LoRA of this kind, empty for a folder.
    """
    folder, name = settings.lora_dir or settings.output_dir, safe_name(settings.title)
    taken = re.compile(rf"lora_v(\d+)_{re.escape(name)}_r\d+_ep\d+(\.safetensors|\.yaml)?")
    found = [taken.fullmatch(path.name) for path in folder.glob("lora_v*")] if folder.is_dir() else []
    number = max((int(match[1]) for match in found if match), default=0) + 1
    return folder / f"lora_v{number}_{name}_r{settings.lora_rank}_ep{epochs}{suffix}"


def truly_named(planned: Path, epochs: int) -> Path:
    """The planned path with the passes that were begun: an early stop makes them fewer."""
    return planned.with_name(f"{planned.name.rpartition('_ep')[0]}_ep{epochs}{planned.suffix}")


def move_kept(settings: Training, planned: Path, path: Path) -> None:
    """The LoRAs kept along the way stand under the finished one's name."""
    there, wanted = kept_folder(settings, planned), kept_folder(settings, path)
    if there != wanted and there.is_dir():
        shutil.rmtree(wanted, ignore_errors=True)  # of a LoRA of that name that is no more
        there.rename(wanted)


def kept_loras(settings: Training, path: Path, steps: int) -> dict[int, Path]:
    """LoRAs to be kept along the way of `steps`, evenly spread, by step."""
    parts = settings.keep_loras + 1
    at = {steps * part // parts for part in range(1, parts)} - {0, steps}
    return {step: kept_file(settings, path, step) for step in at}
