"""The box in which a base model is chosen: what stands in the home's folders, or a typed name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.bases.places import AUTO, EMBEDDED
from tabs.shell.widgets import chooser
from tabs.shell.wiring import Studio
from tabs.shell.words import static

FOLDERS = {"image": "Stable-diffusion", "text": "LLM"}


SUFFIXES = {"image": ".safetensors", "text": ".gguf"}


def base_models(studio: Studio, kind: str, auto: bool = False) -> list[tuple[Any, str]]:
    """The embedded model and those in the home's models folder; with `auto` the best of them first."""
    found = sorted(path for path in studio.home.models(FOLDERS[kind]).iterdir() if usable(path, kind))
    best = [(static("The best here"), AUTO)] if auto else []
    return [*best, (static("Embedded"), EMBEDDED), *((path.stem, str(path)) for path in found)]


def base_box(studio: Studio, kind: str, label: str, elem_id: str, auto: bool = False) -> gr.Dropdown:
    """Chooses a base model; who sits at the machine may also type a path, a hub id, or an address."""
    found = base_models(studio, kind, auto)
    info = "Put your own into the models folder."
    return chooser(label, found, found[0][1], elem_id, info, allow_custom_value=not studio.login)


def usable(path: Path, kind: str) -> bool:
    """True for what can be a base model: a folder, or a file of its kind."""
    return not path.name.startswith(".") and (path.is_dir() or path.suffix == SUFFIXES[kind])
