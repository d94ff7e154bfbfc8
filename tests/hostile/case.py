"""One hostile input and the command that reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`name`: what is wrong with the input; `argv`: what stands after `studio.py` on the command line."""

    name: str
    argv: tuple[str, ...]
