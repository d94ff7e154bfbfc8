"""What a writer is told before words are written: of each scene, and of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.texts.speech import spoken_seconds


@dataclass(frozen=True)
class Brief:
    """What the words of a scene, or of a part of it, are written for.

    number: the scene's, from 1. subject: what they are about; thing: its name in the vocabulary, empty where
    it is none of that. seconds: how long they may take to say. lora: the text LoRA that says them, None: the
    base. last: whether the film ends with them.
    """

    number: int
    subject: str
    thing: str = ""
    seconds: float = 4.0
    lora: Path | None = None
    last: bool = False


@dataclass(frozen=True)
class Wishes:
    """How all words of a film are written; the same wishes give the same words.

    tone, ending, beats: the style's, told to a base alone: a LoRA has a tone of its own, and was never asked
    for another. known: lines not to be said again, such as those that the LoRAs learnt from, and those of
    other scenes. spoken: the seconds that a line takes.
    """

    seed: int = 0
    tone: str = ""
    ending: str = ""
    beats: str = ""
    known: tuple[str, ...] = ()
    spoken: Callable[[str], float] = spoken_seconds
