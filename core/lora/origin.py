"""Where a finished LoRA comes from: the settings that made it, and the LoRAs kept along the way.

Reads the lineage beside it; knows nothing about what is in a LoRA.
"""

from __future__ import annotations

from pathlib import Path

from core.project import read_lineage
from core.settings import Training, TrainingT, make


def training(lora: Path, cls: type[TrainingT]) -> TrainingT | None:
    """The settings a LoRA was trained with; None where nothing beside it tells. Raises Mistake."""
    values = read_lineage(lora).get("settings")
    if not isinstance(values, dict):
        return None
    known = {name: value for name, value in values.items() if name in cls.model_fields}
    return make(cls, known, lora.with_suffix(".yaml"))


def kept_folder(settings: Training, path: Path) -> Path:
    """Where the LoRAs kept along the way to the finished LoRA `path` stand: step-00000060.safetensors, …"""
    return settings.output_dir / "kept" / path.stem


def kept_file(settings: Training, path: Path, step: int) -> Path:
    """The one of them that was kept after `step`: a file, or a text LoRA's folder."""
    return kept_folder(settings, path) / f"step-{step:08d}{_suffix(path)}"


def along(lora: Path, settings: Training | None) -> dict[int | None, Path]:
    """The LoRAs kept along the way and the finished one, by step (None: finished)."""
    kept = sorted(kept_folder(settings, lora).glob(f"step-*{_suffix(lora)}")) if settings else []
    found: dict[int | None, Path] = {int(path.stem.removeprefix("step-")): path for path in kept}
    return found | {None: lora}


def _suffix(lora: Path) -> str:
    """An image LoRA is a file, a text LoRA a folder, whose name may hold a point."""
    return ".safetensors" if lora.suffix == ".safetensors" else ""
