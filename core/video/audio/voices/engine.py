"""What an engine that speaks has to be: a small protocol, and the voices that it offers.

An engine is given one text, in one language, and gives samples and word times (core.video.audio.speech). It
knows nothing of scenes, of other engines, nor of which of them was asked for.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from core.messages import Mistake, Sentence
from core.video.audio.speech import RATE, Samples, Speech


@dataclass(frozen=True)
class Voice:
    """One voice of an engine: its name in a setting (`af_heart`), and what people are told of it.

    language: what it speaks by nature, as ISO 639-1 (`en`); region: where so, such as `US`; pace: how long
    its speech takes against `core.texts.speech.spoken_seconds`.
    """

    name: str
    title: str
    language: str
    woman: bool | None = None
    region: str = ""
    pace: float = 1.0


class Engine(Protocol):
    """Something that speaks. The first voice of a language is the one that it takes by itself.

    languages: what it can be asked for, by ISO 639-1. blends: whether two of its voices can be mixed.
    """

    name: str
    licence: str
    blends: bool

    @property
    def languages(self) -> Sequence[str]:  # noqa: D102
        ...

    @property
    def voices(self) -> Sequence[Voice]:  # noqa: D102
        ...

    def place(self) -> Path:
        """Where its files lie, or go."""

    def missing(self) -> Sentence | None:
        """What is missing before it can speak, and how to get that; None where nothing is. Loads nothing."""

    def say(self, text: str, voice: str, language: str, speed: float, pitch: float) -> Speech:
        """`text` spoken by a voice of its own, or by a blend; of any loudness, with silence around it.

        voice: `NAME`, `NAME+NAME@WEIGHT`, or "" for its first of `language`. speed: 1 is the voice's own;
        pitch in semitones. Raises Mistake for what it can't say.
        """

    def rest(self) -> None:
        """Lets go of what it has loaded; the next `say` loads it again."""


@dataclass(frozen=True)
class Blend:
    """Two voices as one: `weight` of the second, 0 to 1; one voice alone has no second."""

    first: str
    second: str = ""
    weight: float = 0.0


def blend_of(voice: str) -> Blend:
    """What `NAME` or `NAME+NAME@WEIGHT` says; half of each where no weight is given."""
    match = re.fullmatch(r"([^+@]*)(?:\+([^+@]+)(?:@([\d.]+))?)?", voice)
    try:
        first, second, weight = match.groups() if match else ("", None, None)
        share = float(weight or 0.5)
    except ValueError:
        share = -1.0
    if not match or not 0 <= share <= 1:
        raise Mistake(
            "{voice} is no voice; write its name, or two with the second's weight, such as "
            "af_heart+af_bella@0.3.",
            voice=voice,
        )
    return Blend(first, second, share) if second else Blend(first)


def unspeakable(engine: str, text: str) -> Mistake:
    """What is said of a text that an engine has no sounds for."""
    return Mistake(
        "The voice {engine} can't say {text!r}; write it in other words, or choose another voice.",
        engine=engine,
        text=text[:60],
    )


def folder_of(module: str) -> Path:
    """A package's folder, found without importing it; its bare name where it isn't installed."""
    spec = importlib.util.find_spec(module)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0] if places else module)


def lacking(name: str, package: str) -> Sentence:
    """What is said of an engine whose package isn't there."""
    return Sentence("{name} is missing; run: python -m pip install {package}", name=name, package=package)


def at_rate(samples: Samples, rate: int) -> Samples:
    """Samples of another rate at the studio's own."""
    from scipy.signal import resample_poly

    return resample_poly(samples, RATE, rate).astype(np.float32)
