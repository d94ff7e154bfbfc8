"""Files of weights and what stands beside them: whether they are whole, and their numbers are numbers.

The one place that reads a .safetensors file's tensors, and the one that looks a loaded model's numbers over.
What is wrong with a file is a Mistake that names it. Knows nothing about what the weights are for.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs import Mistake, some

if TYPE_CHECKING:
    import torch

SUFFIX, GGUF = ".safetensors", ".gguf"
STEMS = ("diffusion_pytorch_model", "model")  # diffusers' and transformers' names of a model's weights
VARIANTS = ("", ".fp16", ".bf16")  # that a repository may hold of them, the whole numbers first
JSON_FILES = ("*config.json", "model_index.json", "tokenizer.json", "vocab.json", "*.index*.json")
POINTER = b"version https://git-lfs"
MAX_HEADER_BYTES = 100_000_000


def header(path: Path) -> dict[str, Any]:
    """The header of a .safetensors file: each tensor's `shape` and `data_offsets`, and `__metadata__`.

    Raises Mistake where the file is not one, or was cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MAX_HEADER_BYTES):
                raise cut_short(path)
            found = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in found.items() if name != "__metadata__"]
    except (OSError, struct.error, ValueError, LookupError, TypeError, AttributeError):
        raise cut_short(path) from None
    if max(ends, default=0) + 8 + length > size:
        raise cut_short(path)
    return found


def cut_short(path: Path) -> Mistake:
    """That a file of weights isn't there as a whole, as far as its first bytes tell why."""
    if not path.is_file():
        return Mistake("{path} is missing; fetch or copy it again.", path=path)
    try:
        with path.open("rb") as file:
            pointer = file.read(len(POINTER)) == POINTER
    except OSError as error:
        return Mistake("{path} can't be read ({reason}).", path=path, reason=error.strerror)
    if pointer:
        return Mistake(
            "{path} is a git-lfs pointer and not the file itself; fetch it with git lfs pull, or download "
            "it.",
            path=path,
        )
    return Mistake(
        "{path} is not a whole {kind} file; it may have been cut short, so fetch or copy it again.",
        path=path,
        kind=path.suffix,
    )


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A .safetensors file's tensors, on the CPU, and its metadata.

    Raises Mistake where the file is missing or damaged, and where it holds numbers that are none.
    """
    from safetensors import SafetensorError, safe_open

    header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError):
        raise cut_short(path) from None
    check_numbers(tensors, path)
    return tensors, metadata


def check_numbers(tensors: Mapping[str, torch.Tensor], owner: object) -> None:
    """Raises Mistake where tensors hold NaN or infinity: `owner`, what to name, is damaged or diverged."""
    broken = [name for name, tensor in tensors.items() if not finite(tensor)]
    if broken:
        raise Mistake(
            "{owner} holds numbers that are none (NaN or infinite) in {layers}; get it again, or choose "
            "another.",
            owner=owner,
            layers=some(broken),
        )


def finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers of a tensor are numbers.

    NaN and infinity make a sum NaN or infinite, so one sum answers, in a third of the time that reading takes
    from memory; the numbers are looked at one by one only where the sum itself runs over.
    """
    if not tensor.is_floating_point():
        return True
    held = tensor if tensor.itemsize > 1 else tensor.float()  # torch adds up no numbers of 8 bits
    return bool(held.sum().isfinite()) or bool(held.isfinite().all())


def files(folder: Path) -> list[Path]:
    """The files that a library reads a model's weights from: one, or the shards that an index names.

    Of several variants those that `variant` names. Raises Mistake where the index is damaged.
    """
    for kind in VARIANTS:
        for stem in STEMS:
            if (whole := folder / f"{stem}{kind}{SUFFIX}").is_file():
                return [whole]
            if (index := folder / f"{stem}{SUFFIX}.index{kind}.json").is_file():
                shards = read_json(index).get("weight_map")
                if not isinstance(shards, dict):
                    raise unreadable(index)
                return sorted({folder / str(name) for name in shards.values()})
    return []


def variant(folders: Iterable[Path]) -> str | None:
    """`fp16`, say, where one of models' folders holds that variant of its weights alone; else None."""
    kinds = [_kind(found[0]) for folder in folders if (found := files(folder))]
    return next(filter(None, kinds), None)


def _kind(file: Path) -> str:
    """`fp16` of `model.fp16.safetensors` and of `model.fp16-00001-of-00002.safetensors`; else empty."""
    middle = file.name.removesuffix(SUFFIX).partition(".")[2]
    return middle.partition("-")[0]


def check_files(source: Path) -> None:
    """Looks at a file of weights, or at what a library reads of a model's folder.

    Raises Mistake for the first file that is damaged or missing.
    """
    if source.is_file():
        _check_file(source)
        return
    for pattern in JSON_FILES:
        for file in sorted(source.glob(pattern)):
            read_json(file)
    found = files(source)
    if found and not any(source.glob("*config.json")):
        raise cut_short(source / "config.json")
    for file in found:
        _check_file(file)


def _check_file(file: Path) -> None:
    if file.suffix == GGUF:
        _check_gguf(file)
    else:
        header(file)


def _check_gguf(path: Path) -> None:
    from gguf import GGUFReader

    try:
        GGUFReader(path)
    except Exception:  # of many kinds: it reads past the end
        raise cut_short(path) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object, such as a model's config.json. Raises Mistake where it doesn't."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise cut_short(path) from None
    except (OSError, ValueError):
        raise unreadable(path) from None
    if not isinstance(found, dict):
        raise unreadable(path)
    return found


def unreadable(path: Path) -> Mistake:
    """That a JSON file is damaged."""
    return Mistake("{path} is damaged (it holds no JSON object); fetch or copy it again.", path=path)
