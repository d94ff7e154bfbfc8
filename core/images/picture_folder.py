"""The pictures of a folder: which of its files may be pictures, in natural order, and which of them open."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.images.picture_file import Picture, SetAside, check
from core.messages import Mistake

# Kept beside pictures on purpose, by people, by the studio and by other programs.
COMPANIONS = (
    ".txt", ".caption", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".md",
    ".npz", ".npy", ".pt", ".safetensors", ".db", ".ini",
)  # fmt: skip


@dataclass(frozen=True)
class PictureSet:
    """The usable pictures of a folder in natural order of names, and those set aside."""

    pictures: tuple[Picture, ...]
    set_aside: tuple[SetAside, ...]


def natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key that puts `2.png` before `10.png`."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def picture_files(folder: Path) -> list[Path]:
    """All files under `folder` that may be pictures, in natural order.

    Passed over are hidden ones and what stands beside pictures (`COMPANIONS`: captions, tables, caches);
    whether another is a picture, `check` tells. Raises Mistake where the folder isn't there or can't be
    listed.
    """
    if not folder.is_dir():
        raise Mistake("There is no folder {path}; check the name.", path=folder)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Mistake("The folder {path} may not be read; change its permissions.", path=folder)
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and not name.lower().endswith(COMPANIONS)
        ]
    return sorted(found, key=natural)


def some_pictures(folder: Path) -> list[Path]:
    """As `picture_files`; raises Mistake where there are none, too."""
    files = picture_files(folder)
    if not files:
        raise Mistake("The folder {path} holds no pictures; put .png or .jpg files in it.", path=folder)
    return files


def hopeless(folder: Path, set_aside: Sequence[SetAside]) -> Mistake:
    """The mistake of a folder whose files all had to be set aside."""
    return Mistake(
        "None of the {count} files in {path} can be used as a picture; the first: {reason}",
        count=len(set_aside),
        path=folder,
        reason=set_aside[0].reason,
    )


def check_all(paths: Iterable[Path]) -> PictureSet:
    """Checks pictures on a few threads (Pillow decodes outside the interpreter's lock), in their order."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        checked = list(pool.map(check, paths))
    return PictureSet(
        tuple(one for one in checked if isinstance(one, Picture)),
        tuple(one for one in checked if isinstance(one, SetAside)),
    )
