"""Where base models lie: embedded, a local file or folder, the hub; and where converted ones are kept.

A base model's name is what a person writes in `base_model`: `embedded`, the path of a `.safetensors` file or
a diffusers/transformers folder, a name under <home>/models, or a hub id such as `owner/name`, which needs a
network. Reads no model.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from core.messages import Mistake
from core.project import ROOT, Home, at_home
from core.weights import GGUF, PICKLED

EMBEDDED = "embedded"
AUTO = "auto"  # a language model: the best that is here
PICTURE, LANGUAGE = "Stable-diffusion", "LLM"  # folders under <home>/models
MODELS = ROOT / "assets" / "models"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def cache_folder() -> Path:
    """Where converted models are kept: STUDIO_CACHE, or the user's cache folder."""
    named = os.environ.get("STUDIO_CACHE")
    root = at_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    folder = at_home(named) if named else root / "lora-studio"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def embedded_folder(part: str, file: str) -> Path:
    """The folder of an embedded model. Raises Mistake where `file` isn't in it."""
    folder = MODELS / part
    if not (folder / file).is_file():
        raise Mistake(
            "The embedded model {folder} is missing; get the studio's folder again, with everything in it.",
            folder=folder,
        )
    return folder


def local_path(name: str, kind: str) -> Path | None:
    """The path that `name` is, or that it names under <home>/models/<kind>; None where neither exists.

    Raises Mistake for what is clearly a path and doesn't exist.
    """
    for path in (at_home(name), Home.default().folder / "models" / kind / name):
        if path.exists():
            return path
    looks_like_path = name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1
    if looks_like_path or Path(name).suffix in (".safetensors", GGUF, *PICKLED):
        raise Mistake("There is no base model {name}; check the path, or use embedded.", name=name)
    return None


def hub_id(name: str, folder: str) -> str:
    """The name, where it is of a hub id's form; else raises Mistake that names the folder for models."""
    if HUB_ID.fullmatch(name):
        return name
    raise Mistake(
        "There is no base model {name}; use embedded, put the model into {folder}, "
        "or give a hub id like owner/name.",
        name=name,
        folder=folder,
    )


def local_copy(source: Path | str, file: str = "model_index.json") -> Path | None:
    """A base's file or folder, a hub model's where `file` of it was fetched before. Asks no network."""
    from huggingface_hub import try_to_load_from_cache

    if isinstance(source, Path):
        return source
    found = try_to_load_from_cache(source, file)
    return Path(found).parent if isinstance(found, str) else None


def named_by(file: Path, name: str, kind: str) -> str:
    """The base that a file beside a LoRA names, where it is here: embedded, a path, or fetched before.

    Nothing is fetched because a file says so: raises Mistake that asks the person. kind: its folder under
    models.
    """
    if name == EMBEDDED:
        return name
    elsewhere = name.startswith(("//", "\\\\"))  # another machine's disk: to look there is to log in
    if not elsewhere and local_path(name, kind) is not None:
        return name
    config = "config.json" if kind == LANGUAGE else "model_index.json"
    if not elsewhere and HUB_ID.fullmatch(name) and (here := local_copy(name, config)):
        return str(here)
    raise Mistake(
        "{file} names {name} as its base, which isn't on this machine, and nothing is fetched because a "
        "file says so; name a base yourself, or put that one into {folder}.",
        file=file,
        name=name[:200],
        folder=f"models/{kind}",
    )
