"""Language models: which one a name means, its configuration, and itself with its tokenizer, loaded.

Works on transformers folders and GGUF files. Knows nothing about LoRAs, training or texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import device, weights
from core.adapter_config import CONFIG
from core.bases import fetching, smollm2
from core.bases.loading import count_numbers, dequantized, quiet, reading
from core.bases.places import EMBEDDED, LANGUAGE, cache_folder, hub_id, local_copy, local_path
from core.messages import Mistake
from core.project import Home
from core.weights import GGUF

if TYPE_CHECKING:
    import torch

LARGE = 1_000_000_000  # numbers of a language model that writes whole storyboards


def find(name: str) -> Path | str:
    """A language model's folder or GGUF file, or the hub id itself. Raises Mistake where it is neither."""
    if name == EMBEDDED:
        return smollm2.converted()
    path = local_path(name, LANGUAGE)
    if path is None:
        return hub_id(name, f"models/{LANGUAGE}")
    weights.refuse_pickle(path)
    if (path / CONFIG).exists():
        raise Mistake(
            "{path} is a LoRA and no language model; give its base here, and it as the text LoRA.", path=path
        )
    if (path.suffix != GGUF or path.is_dir()) and not (path / "config.json").exists():
        raise Mistake(
            "{path} is not a language model folder (it has no config.json); give a transformers folder.",
            path=path,
        )
    return path


def best() -> str:
    """The language model that writes where none is chosen.

    The better writer, where it was fetched and there is memory for it, else the embedded one.
    """
    better = fetching.WRITER
    there = better.path(Home.default()).is_file()
    return better.file if there and device.free_memory_bytes() >= better.memory else EMBEDDED


def tokenizer_file(name: str) -> Path | None:
    """The tokenizer.json of a language model that is on this machine; None for another. Converts nothing."""
    try:
        folder = cache_folder() / smollm2.NAME if name == EMBEDDED else local_path(name, LANGUAGE)
    except Mistake:
        return None
    file = folder / "tokenizer.json" if folder else None
    return file if file and file.is_file() else None


def load(
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

    quiet()
    source = place = find(name)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": isinstance(source, Path)}
    if isinstance(source, Path) and source.suffix == GGUF:
        place, options["gguf_file"] = source.parent, source.name
    how = _four_bit(dtype) if four_bit else dequantized() if "gguf_file" in options else {}
    here = local_copy(source, "config.json")
    places = [here] if here else []
    with reading(name, source, places):
        for one in places:
            weights.check_claims(one)
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


def read_config(name: str) -> tuple[dict[str, Any], int] | None:
    """A language model's configuration and how many numbers its weights are; None without its folder.

    Raises Mistake where `name` is no language model, or a damaged one.
    """
    folder = cache_folder() / smollm2.NAME if name == EMBEDDED else find(name)
    if not isinstance(folder, Path) or not (folder / "config.json").is_file():
        return None
    weights.check_claims(folder)
    said = weights.read_json(folder / "config.json")
    inner = said.get("text_config", said)
    return inner if isinstance(inner, dict) else said, count_numbers(folder)


def _four_bit(dtype: Any) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": 0}}
