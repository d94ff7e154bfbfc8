"""The fingerprint of the texts that a text LoRA learns from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.lora.engine.fingerprint import Data, digest


def of_texts(samples: Iterable[Any]) -> Data:
    """The place of each text sample, by its words."""
    found: Data = {}
    for place, sample in enumerate(samples):
        name = digest([sample.topic, sample.reply])
        found[f"{name}+{place}" if name in found else name] = [str(place)]
    return found
