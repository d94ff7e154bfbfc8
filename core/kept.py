"""Results kept on disk by the hash of all that made them, so that nothing is made twice.

A voice, a picture, a piece of a film: each has a name made of everything that decides it, so that a change
asks for another name and an unchanged one is found, by any project and after a kill. What is there is whole,
as it appears at once. Knows nothing about what is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.bases.places import cache_folder
from core.project import file_hash

LIMIT_GB = 8.0


def folder() -> Path:
    """Where films' results are kept, beside the converted models."""
    return cache_folder() / "film"


def limit() -> int:
    """Bytes that may be kept: STUDIO_FILM_CACHE_GB gigabytes, by default 8."""
    said = os.environ.get("STUDIO_FILM_CACHE_GB", "")
    with contextlib.suppress(ValueError):
        return max(0, int(float(said) * 1e9))
    return int(LIMIT_GB * 1e9)


def place(kind: str, ending: str, **made_of: Any) -> Path:
    """Where a result of a kind is kept that all this makes (plain values; of a path its file's contents)."""
    told = json.dumps(made_of, sort_keys=True, ensure_ascii=False, default=_plain)
    return folder() / kind / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}{ending}"


def there(path: Path) -> bool:
    """Whether a result is there; one that is counts as just used."""
    with contextlib.suppress(OSError):
        os.utime(path)
        return True
    return False


def identity(path: Path) -> str:
    """What tells a model from another one: its files' names, sizes and times; to read some takes minutes."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    said = [(str(one.relative_to(path)), (state := one.stat()).st_size, state.st_mtime_ns) for one in files]
    return hashlib.sha256(json.dumps([str(path), said]).encode()).hexdigest()[:16]


def contents_hash(path: Path) -> str:
    """SHA-256 of a file, read again only after a change."""
    state = path.stat()
    return _hash(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed: int) -> str:
    return file_hash(path)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return contents_hash(value)
    return vars(value)


def size() -> int:
    """Bytes that are kept now."""
    return sum(size for _, size, _ in _entries(folder()))


def trim(folder: Path, most: int, spare: Iterable[Path] = ()) -> None:
    """Removes what was used longest ago until the rest of a folder takes at most so many bytes.

    spare: what is in use now, and stays.
    """
    used, kept = sorted(_entries(folder)), set(spare)
    total = sum(size for _, size, _ in used)
    for _, size, path in used:
        if total <= most:
            return
        if path in kept:
            continue
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


def _entries(folder: Path) -> list[tuple[float, int, Path]]:
    """(time of the last use, bytes, path) of every file in a folder and below."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process may have removed it
            state = path.stat()
            if path.is_file():
                found.append((state.st_mtime, state.st_size, path))
    return found
