"""The header of a .gguf file, each of its counts held against what is left of the file.

The library believes them: one that lies keeps it busy for ever, and takes all memory. Gives only the whole
numbers and the shapes; the rest is the library's to read. Layout: ggml's docs/gguf.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Literal

MAGIC = b"GGUF"
BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of a number, by its kind
WHOLE = {4, 5, 10, 11}  # kinds of whole numbers that sizes are given in
TEXT, LIST = 8, 9
KIND_AND_OFFSET = 12  # bytes, after a tensor's dimensions


def numbers(path: Path) -> dict[str, int]:
    """The whole numbers among the file's values, by key. Raises ValueError where it is no whole file."""
    return _read(path)[0]


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The tensors' shapes by name, rows first. Raises ValueError where it is no whole file."""
    return _read(path)[1]


def _read(path: Path) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    with path.open("rb") as file:
        header = _Header(file)
        found: dict[str, int] = {}
        tensors, values = header.number(8), header.number(8)
        for _ in range(values):
            key = header.text()
            kind = header.number(4)
            if kind in WHOLE:
                found[key] = header.number(BYTES[kind])
            else:
                header.pass_over(kind)
        sizes: dict[str, tuple[int, ...]] = {}
        for _ in range(tensors):
            name, axes = header.text(), header.number(4)
            header.check(8 * axes)
            sizes[name] = tuple(header.number(8) for _ in range(axes))[::-1]
            header.skip(KIND_AND_OFFSET)
        return found, sizes


class _Header:
    """Reads on from the file's version; raises ValueError where the file ends before what it should hold."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, os.fstat(file.fileno()).st_size
        magic, version = self.take(4), self.take(4)
        self.order: Literal["little", "big"] = "big" if version.startswith(bytes(2)) else "little"
        if magic != MAGIC:
            raise ValueError

    def check(self, count: int) -> None:
        if count > self.left:
            raise ValueError

    def skip(self, count: int) -> None:
        self.check(count)
        self.left -= count
        self.file.seek(count, os.SEEK_CUR)

    def take(self, count: int) -> bytes:
        self.check(count)
        self.left -= count
        return self.file.read(count)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), self.order)

    def text(self) -> str:
        return self.take(self.number(8)).decode("utf-8", "replace")

    def pass_over(self, kind: int, inside: bool = False) -> None:
        """Goes past one value; a list of lists is none that a model has."""
        if kind in BYTES:
            self.skip(BYTES[kind])
        elif kind == TEXT:
            self.skip(self.number(8))
        elif kind == LIST and not inside:
            inner, count = self.number(4), self.number(8)
            if inner in BYTES:
                self.skip(count * BYTES[inner])
            else:
                for _ in range(count):
                    self.pass_over(inner, inside=True)
        else:
            raise ValueError
