"""Keeps on disk what frozen models make of pictures and captions, so that the next run need not compute it.

An entry's name is a hash of everything that decides its numbers: the input, the models' weights and configs,
number formats, device and library versions. Entries are `.safetensors` files with their own hash; a damaged
one counts as missing and is written anew, and several processes may share the folder. Knows nothing about
what the models do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import kept
from core.bases.places import cache_folder
from core.families.family import Tensors
from core.messages import Mistake
from core.project import replacing

if TYPE_CHECKING:
    import torch

LIMIT_BYTES = 2 * 1024**3  # some 16,000 pictures at 512 × 512


def folder() -> Path:
    """Where entries are kept, beside the converted models."""
    return cache_folder() / "latents"


class Cache:
    """What frozen models of a pipeline, as they stand now and on device `where`, made before of their inputs.

    `found` counts the answers that were on disk, `made` those that had to be computed.
    """

    def __init__(self, pipeline: Any, names: Sequence[str], where: torch.device) -> None:
        """`names`: the models' attributes in the pipeline."""
        self.models_hash = _models_hash(pipeline, names, where)
        self.folder = folder()
        self.found = self.made = 0

    def get(self, given: Tensors, make: Callable[[], Tensors]) -> Tensors:
        """The models' output for the input `given`: from disk, or from `make()` and then kept, on the CPU."""
        path = self.folder / f"{_digest(given, self.models_hash)}.safetensors"
        kept = _read(path)
        if kept is not None:
            self.found += 1
            return kept
        self.made += 1
        made = make()
        _write(path, made)
        return made


def trim(limit: int = LIMIT_BYTES) -> None:
    """Removes the entries that were used longest ago until the rest take at most `limit` bytes."""
    kept.trim(folder(), limit)


def _read(path: Path) -> Tensors | None:
    """A whole entry, marked as just used; None where it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if said.get("sha256") != _digest(tensors):
            return None
        os.utime(path)
        return tensors
    except (OSError, SafetensorError, RuntimeError):  # torch's own, where another process just removed it
        return None


def _write(path: Path, tensors: Tensors) -> None:
    """Keeps an entry; a full or read-only disk costs only time at the next run."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with contextlib.suppress(Mistake, OSError, SafetensorError), replacing(path) as part:
        save_file(whole, part, metadata={"sha256": _digest(whole)})


def _models_hash(pipeline: Any, names: Sequence[str], where: torch.device) -> bytes:
    """Weights (as they are held, so their number format counts), configs, device and versions."""
    import diffusers
    import torch
    import transformers

    versions = [torch.__version__, diffusers.__version__, transformers.__version__]
    digest = hashlib.sha256(json.dumps([type(pipeline).__name__, where.type, versions]).encode())
    for name in names:
        model = getattr(pipeline, name)
        config = dict(model.config) if not hasattr(model.config, "to_dict") else model.config.to_dict()
        config = {key: value for key, value in config.items() if not key.startswith("_")}
        digest.update(json.dumps([name, config], default=str).encode())
        digest.update(bytes.fromhex(_digest(model.state_dict())))
    return digest.digest()


def _digest(tensors: Mapping[str, torch.Tensor], before: bytes = b"") -> str:
    """A SHA-256 over named tensors: names, number formats, shapes and numbers; after the bytes `before`."""
    digest = hashlib.sha256(before)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> Any:
    """A tensor's numbers as bytes, without copying where it lies on the CPU."""
    import torch

    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
