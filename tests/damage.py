"""Ways in which files of models are damaged on their way to a person, for tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def cut(path: Path) -> None:
    """A download that broke off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    """A full disk."""
    path.write_bytes(b"")


def pointer(path: Path) -> None:
    """A repository cloned without git-lfs."""
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def gone(path: Path) -> None:
    """A file or folder that wasn't copied."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def page(path: Path) -> None:
    """A page of the server's in the file's place."""
    path.write_text("<html>Not found</html>")


def listed(path: Path) -> None:
    """JSON of another kind."""
    path.write_text("[1]")


def bare(path: Path) -> None:
    """JSON that says nothing."""
    path.write_text("{}")


def lacking(path: Path) -> None:
    """A file without one of its tensors."""
    tensors = load_file(path)
    del tensors[sorted(tensors)[len(tensors) // 2]]
    save_file(tensors, path, {"format": "pt"})


def with_number(number: float) -> Callable[[Path], None]:
    """A training that diverged: one number of one tensor is `number`."""

    def put(path: Path) -> None:
        tensors = load_file(path)
        tensors[broken_layer(path)].view(-1)[-1] = number
        save_file(tensors, path, {"format": "pt"})

    return put


def broken_layer(path: Path) -> str:
    """The tensor that `with_number` changes."""
    return sorted(load_file(path))[-1]


nan, infinite = with_number(float("nan")), with_number(float("inf"))


def sharded(path: Path) -> tuple[Path, Path]:
    """The weights in two shards that an index names; the shards."""
    import json

    tensors = load_file(path)
    names = sorted(tensors)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    shards = [path.with_name(f"{path.stem}-0000{at}-of-00002.safetensors") for at in (1, 2)]
    for shard, part in zip(shards, halves, strict=True):
        save_file({name: tensors[name].clone() for name in part}, shard, {"format": "pt"})
    where = {name: shard.name for shard, part in zip(shards, halves, strict=True) for name in part}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    path.with_name(f"{path.name}.index.json").write_text(json.dumps(index))
    path.unlink()
    return shards[0], shards[1]


def as_fp16_variant(folder: Path) -> None:
    """Only the fp16 variant of a repository's weights was fetched."""
    for file in list(folder.rglob("*.safetensors")):
        halves = {name: t.to(torch.float16) for name, t in load_file(file).items()}
        save_file(halves, file.with_name(f"{file.stem}.fp16.safetensors"), {"format": "pt"})
        file.unlink()
