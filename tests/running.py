"""A job or another generator from beginning to end, for tests."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from core.lora.train import train
from core.progress import Progress
from core.settings.training import Training

MadeT = TypeVar("MadeT")


def last(settings: Training) -> Progress:
    """Trains to the end; the last report."""
    return list(train(settings))[-1]


def finished(steps: Generator[Progress, None, MadeT]) -> tuple[list[Progress], MadeT]:
    """All reports of what gives a value in the end, and that value."""
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return told, end.value
