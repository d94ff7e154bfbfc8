"""A training from beginning to end, for tests."""

from __future__ import annotations

from core.jobs import Progress
from core.lora.train import train
from core.settings import Training


def last(settings: Training) -> Progress:
    """Trains to the end; the last report."""
    return list(train(settings))[-1]
