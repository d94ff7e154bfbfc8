"""Keeps on disk what frozen models make of pictures and captions, so that the next run need not compute it.

An entry's name is a hash of everything that decides its numbers: the input, the model's weights and config,
number format, device and library versions. Entries are `.safetensors` files with their own hash; a damaged
one counts as missing and is written anew, and several processes may share the folder. Knows nothing about
what the models do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels
from core.project import replacing

if TYPE_CHECKING:
    import torch

LIMIT_BYTES = 2 * 1024**3  # some 16,000 pictures at 512 × 512
TENSOR = "output"


def folder() -> Path:
    """Where entries are kept, beside the converted models."""
    return basemodels.cache_folder() / "latents"


class Cache:
    """What one frozen model, as it stands now and on device `where`, made before of its inputs.

    `found` counts the answers that were on disk, `made` those that had to be computed.
    """

    def __init__(self, model: Any, where: torch.device) -> None:
        self.model_hash = _model_hash(model, where)
        self.folder = folder()
        self.found = self.made = 0

    def get(self, given: bytes, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The model's output for the input `given`: from disk, or from `make()` and then kept, on the CPU."""
        path = self.folder / f"{hashlib.sha256(self.model_hash + given).hexdigest()}.safetensors"
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
    used = []
    for path in folder().glob("*"):
        with contextlib.suppress(OSError):  # another process may have removed it
            state = path.stat()
            used.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in used)
    for _, size, path in sorted(used):
        if total <= limit:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _read(path: Path) -> torch.Tensor | None:
    """A whole entry, marked as just used; None where it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensor, said = file.get_tensor(TENSOR), file.metadata() or {}
        if said.get("sha256") != hashlib.sha256(_bytes(tensor)).hexdigest():
            return None
        os.utime(path)
        return tensor
    except (OSError, SafetensorError):
        return None


def _write(path: Path, tensor: torch.Tensor) -> None:
    """Keeps an entry; a full or read-only disk costs only time at the next run."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensor = tensor.contiguous()
    digest = hashlib.sha256(_bytes(tensor)).hexdigest()
    with contextlib.suppress(OSError, SafetensorError), replacing(path) as part:
        save_file({TENSOR: tensor}, part, metadata={"sha256": digest})


def _model_hash(model: Any, where: torch.device) -> bytes:
    """Weights (as they are held, so their number format counts), config, device and versions."""
    import diffusers
    import torch
    import transformers

    versions = [torch.__version__, diffusers.__version__, transformers.__version__]
    config = dict(model.config) if not hasattr(model.config, "to_dict") else model.config.to_dict()
    config = {name: value for name, value in config.items() if not name.startswith("_")}
    digest = hashlib.sha256(json.dumps([where.type, versions, config], default=str).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.digest()


def _bytes(tensor: torch.Tensor) -> Any:
    """A tensor's numbers as bytes, without copying where it lies on the CPU."""
    import torch

    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
