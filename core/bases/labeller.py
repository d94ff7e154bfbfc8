"""The embedded labeller: an open_clip model that was trained on the vocabulary beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import weights
from core.bases.loading import reading
from core.bases.places import embedded_folder


@dataclass(frozen=True)
class Labeller:
    """An open_clip model with what it needs to tag pictures.

    `preprocess` turns a PIL picture into a tensor [3, S, S]; `tokenizer` turns a list of sentences into token
    ids [N, L]; `vocabulary` holds the words by kind (object, setting, time, weather, …).
    """

    model: Any
    preprocess: Any
    tokenizer: Any
    vocabulary: dict[str, list[str]]


def embedded() -> Path:
    """Folder of the embedded labeller. Raises Mistake where it is missing."""
    return embedded_folder("labeller", "model.safetensors")


def load(folder: Path | None = None) -> Labeller:
    """The labeller in eval mode, from its folder.

    It holds open_clip_config.json, model.safetensors and vocabulary.json. Raises Mistake where a file is
    missing or damaged.
    """
    import open_clip

    folder = folder or embedded()
    location = f"local-dir:{folder}"
    with reading(str(folder), folder, [folder]):
        model, preprocess = open_clip.create_model_from_pretrained(location)
        tokenizer = open_clip.get_tokenizer(location)
    weights.check_numbers(model.state_dict(), folder)
    return Labeller(model.eval(), preprocess, tokenizer, weights.read_json(folder / "vocabulary.json"))
