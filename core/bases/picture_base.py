"""Picture bases: which one a name means, of which family it is, how it draws best, and itself, loaded.

Works on single files and diffusers folders. Knows nothing about LoRAs, training or videos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import families, singlefile, weights
from core.bases.loading import count_numbers, quiet, reading
from core.bases.places import EMBEDDED, PICTURE, embedded_folder, hub_id, local_copy, local_path
from core.families.family import Configs, Drawing, Family
from core.messages import Mistake

if TYPE_CHECKING:
    import torch


LIBRARIES = ("diffusers", "transformers", "stable_diffusion", None)  # that load a picture base's parts
MOST_PIXELS, MOST_STEPS, MOST_TAKES = 4096, 1000, 8  # that a base's `studio.json` may ask for


@dataclass(frozen=True)
class Config:
    """A picture base without its weights: the configuration of its parts, and how many numbers each holds."""

    family: Family
    parts: Configs
    numbers: dict[str, int]


def find(name: str) -> Path | str:
    """A picture base's folder or file, or the hub id itself.

    Raises Mistake for a pickled file, a wrong folder, or a name that is none of these.
    """
    if name == EMBEDDED:
        return embedded_folder("base", "model_index.json")
    path = local_path(name, PICTURE)
    if path is None:
        return hub_id(name, f"models/{PICTURE}")
    if path.is_dir() and not (path / "model_index.json").exists():
        raise Mistake(
            "{path} is not a diffusers model (it has no model_index.json); "
            "give a diffusers folder or a .safetensors file.",
            path=path,
        )
    weights.refuse_pickle(path)
    if path.is_file() and path.suffix != ".safetensors":
        raise Mistake(
            "{path} is not a model file; give a .safetensors file or a diffusers folder.", path=path
        )
    return path


def load(
    name: str,
    dtype: torch.dtype | None = None,
    prediction: str = "auto",
    vae_dtype: torch.dtype | None = None,
) -> Any:
    """A picture base as its family's diffusers pipeline on the CPU, without safety checker and bars.

    `dtype` is the weights' number format, fp32 by default, `vae_dtype` the autoencoder's, by default the
    same; nothing is held in another format on the way. `prediction` is what the model predicts, `auto`: as
    the base itself says. Raises Mistake where `name` is no picture base, or a damaged one.
    """
    import diffusers
    import torch

    quiet()
    source, family = find(name), family_of(name)
    dtype = dtype or torch.float32
    vae_dtype = vae_dtype or dtype
    places = _folders(source, family)
    with reading(name, source, places):
        for place in places:
            weights.check_claims(place)
        if isinstance(source, Path) and source.is_file():
            pipeline = family.load_file(source, singlefile.read_shapes(source), dtype, vae_dtype)
        else:
            pipeline = getattr(diffusers, family.PIPELINE).from_pretrained(
                source,
                dtype={"default": dtype, "vae": vae_dtype},
                variant=weights.variant(places),
                local_files_only=isinstance(source, Path),
                use_safetensors=True,
                **family.OPTIONS,
            )
        family.make_ready(pipeline, prediction)
    _check_parts(name, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_parts(name: str, pipeline: Any) -> None:
    """Raises Mistake where a part lacks numbers, which libraries draw at random or leave out, or has NaN."""
    config = read_config(name)
    for part, count in config.numbers.items() if config else ():
        held = getattr(pipeline, part).state_dict()
        needed = sum(tensor.numel() for tensor in held.values())
        if count < needed:
            raise Mistake(
                "The base model {name} is not whole: its {part} has {count} numbers of {needed}; get it "
                "again.",
                name=name,
                part=part,
                count=count,
                needed=needed,
            )
        weights.check_numbers({f"{part}.{layer}": tensor for layer, tensor in held.items()}, name)


def _folders(source: Path | str, family: Family) -> list[Path]:
    """What is read of a picture base: its file, or its folder and those in it; nothing of one not here."""
    here = local_copy(source)
    if here is None or here.is_file():
        return [here] if here else []
    parts = weights.read_json(here / "model_index.json").keys() - family.OPTIONS.keys()
    return [here, *(here / part for part in sorted(parts) if (here / part).is_dir())]


def family_of(name: str) -> Family:
    """The family of a picture base, by its file's keys or its folder's model_index.json.

    Raises Mistake where it is of none that the studio knows.
    """
    source = find(name)
    if isinstance(source, Path) and source.is_file():
        shapes = singlefile.read_shapes(source)
        try:
            return families.first(lambda family: family.recognises(shapes))
        except LookupError:
            raise Mistake(
                "{path} is {what}; give a whole Stable Diffusion 1.x or XL checkpoint as the base model.",
                path=source,
                what=singlefile.what(shapes),
            ) from None
    kind = _pipeline_class(name, source)
    try:
        return families.first(lambda family: kind == family.PIPELINE)
    except LookupError:
        raise Mistake(
            "{name} is made for {kind}, which the studio can't use yet; "
            "give a Stable Diffusion 1.x, 2.x or XL base model.",
            name=name,
            kind=kind,
        ) from None


def _pipeline_class(name: str, source: Path | str) -> str:
    """The class in a folder's or a hub model's model_index.json."""
    here = local_copy(source)
    with reading(name, source):
        if here is not None:
            index = weights.read_json(here / "model_index.json")
        else:
            from diffusers import DiffusionPipeline

            index = DiffusionPipeline.load_config(source)
        for part, said in index.items():
            if isinstance(said, list) and (len(said) != 2 or said[0] not in LIBRARIES):
                raise Mistake(
                    "{name} brings program code of its own for its {part}, which the studio doesn't run; "
                    "choose a model that diffusers knows by itself.",
                    name=name,
                    part=part,
                )
        return str(index["_class_name"])


def drawing(name: str) -> Drawing:
    """How a picture base draws best: from its own `studio.json`, else as its family does.

    Raises Mistake for a base that is none.
    """
    here = local_copy(find(name))
    own = here / "studio.json" if here else None
    if own is None or not own.is_file():
        return family_of(name).DRAWING
    with reading(name, own):
        return _own_drawing(weights.read_json(own))


def _own_drawing(values: dict[str, Any]) -> Drawing:
    """What a base's `studio.json` says. Raises errors of many kinds where it makes no sense."""
    (width, height), (upright, high) = values["square"], values["portrait"]
    steps, guidance, takes = values["steps"], values["guidance"], values.get("takes", 1)
    sides = [(side, MOST_PIXELS) for side in (width, height, upright, high)]
    for number, most in (*sides, (steps, MOST_STEPS), (takes, MOST_TAKES)):
        if not isinstance(number, int) or not 0 < number <= most:
            raise ValueError(f"studio.json says {number}")
    return Drawing(
        square=(width, height),
        portrait=(upright, high),
        landscape=(high, upright),
        steps=steps,
        guidance=float(guidance),
        takes=takes,
        only=True,
        edges=str(values.get("edges", "plain")),
    )


def read_config(name: str) -> Config | None:
    """A picture base without its weights; None where it isn't here, or isn't to be read.

    A hub model is here once it was fetched. Raises Mistake where it is of no family that the studio knows,
    and where it is damaged.
    """
    source = local_copy(find(name))
    if source is None:
        return None
    family = family_of(name)
    parts = (family.BACKBONE, "vae", *family.TEXT_ENCODERS)
    read: Configs
    if source.is_file():
        shapes = singlefile.read_shapes(source)
        with reading(name, source, [source]):
            read = family.read_configs(shapes)
        numbers = {
            part: sum(math.prod(shape) for key, shape in shapes.items() if key.startswith(start))
            for part, start in family.STARTS.items()
        }
    else:
        for part in parts:
            weights.check_claims(source / part)
        read = {part: weights.read_json(source / part / "config.json") for part in parts}
        numbers = {part: count_numbers(source / part) for part in parts}
        if not all(numbers.values()):  # not yet whole
            return None
    configs = {part: {**family.DEFAULTS[part], **read[part]} for part in parts}
    with reading(name, source):  # what is of the wrong kind is found by reckoning with it
        blocks = family.blocks(configs, (family.side_unit(configs),) * 2)
        sum(layer.keeps + layer.fan_in for block in blocks for layer in block.layers)
    return Config(family, configs, numbers)


def read_tokenizer(name: str) -> Any:
    """The tokenizer that a picture base's captions go through; None where the base isn't here.

    Raises Mistake where it is damaged.
    """
    source = local_copy(find(name))
    if source is None or read_config(name) is None:
        return None
    place = source / "tokenizer" if source.is_dir() else source
    with reading(name, source, [place]):
        return _tokenizer(name, source, place.stat().st_mtime_ns if place.exists() else 0)


@lru_cache(maxsize=2)
def _tokenizer(name: str, source: Path, changed: int) -> Any:
    """Read once, as a page asks at every change of a setting."""
    config = read_config(name)
    assert config is not None
    return config.family.read_tokenizer(source, config.parts)


def vocabulary(name: str) -> dict[str, list[str]]:
    """The words a small picture base knows, by kind; empty for a base that takes any word.

    Raises Mistake for a base that is none.
    """
    source = find(name)
    path = source / "vocabulary.json" if isinstance(source, Path) else None
    if path is None or not path.is_file():
        return {}
    words = weights.read_json(path)
    lists = [one for one in words.values() if isinstance(one, list)]
    if len(lists) < len(words) or not all(isinstance(word, str) for one in lists for word in one):
        raise weights.unreadable(path)
    return words
