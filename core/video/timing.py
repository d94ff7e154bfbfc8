"""How long a film takes on this machine, from how long the parts of films took on it before.

Works on settings and seconds; draws and says nothing. Figures stand beside those of training
(core.lora.estimate.timings).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TypeVar

from core import device
from core.lora.estimate import timings
from core.messages import Sentence
from core.progress import Progress
from core.settings.style import styled
from core.settings.video import WriteSettings
from core.video.script.write import chosen_voices, settled

MadeT = TypeVar("MadeT")

LONG = ("script", "frames", "enlarging", "rendering")  # parts without whose figures nothing is said
PARTS = (
    "script",
    "voice",
    "frames",
    "enlarging",
    "sound",
    "rendering",
    "check",
    "cover",
    "loudness",
    "review",
)


def expected(settings: WriteSettings, written: bool = False) -> dict[str, float]:
    """Seconds that each part of such a film takes here; empty before the first such film on this machine.

    written: whether its storyboard is there already.
    """
    known = {part: timings.known(key) for part, key in _keys(settings).items()}
    if written:
        del known["script"]
    if any(known[part] is None for part in LONG if part in known):
        return {}
    return {part: (seconds or 0.0) * _amount(settings, part) for part, seconds in known.items()}


def line(settings: WriteSettings, written: bool = False) -> Sentence:
    """How long such a film takes here, for people; `written` as for `expected`."""
    seconds = sum(expected(settings, written).values())
    if not seconds:
        return Sentence("time: unknown until the first video of this kind")
    if seconds < 90:
        return Sentence("time: about {seconds} s, as the last video went", seconds=5 * math.ceil(seconds / 5))
    return Sentence(
        "time: about {minutes} min, as the last video went", minutes=f"{round(seconds / 30) / 2:g}"
    )


def remember(settings: WriteSettings, seconds: Mapping[str, float]) -> None:
    """Notes what the parts of a finished film took."""
    keys = _keys(settings)
    timings.keep({keys[part]: taken / _amount(settings, part) for part, taken in seconds.items()})


def _amount(settings: WriteSettings, part: str) -> float:
    """How much of a part's work a film holds: scenes, frames, or seconds."""
    return {
        "script": settings.scenes,
        "frames": settings.scenes,
        "enlarging": settings.scenes,
        "rendering": settings.seconds * settings.fps,
        "cover": 1,
    }.get(part, settings.seconds)


def _keys(settings: WriteSettings) -> dict[str, str]:
    """By part, what decides how long one piece of its work takes."""
    size = settings.width, settings.height  # told apart: a small film's time says nothing of a large one's
    base = settings.text_base if settings.text_lora else settled(settings).text_base
    decided: dict[str, tuple[object, ...]] = {
        "script": (
            base,
            bool(chosen_voices(settings, styled(settings))),
            *(["own words"] if settings.script else []),
        ),
        "frames": (
            settings.image_base,
            settings.steps,
            settings.guidance > 1,
            settings.takes,
            settings.width > settings.height,
            settings.width == settings.height,
        ),
        "enlarging": (settings.image_base, *size),
        "rendering": size,
        "voice": (settings.voice,),
    }
    here = device.describe()
    return {part: " | ".join(map(str, (here, "film", part, *decided.get(part, ())))) for part in PARTS}


class Course:
    """A film's parts one after another: how long each took, and how long the rest takes by `expected`."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        self.expected, self.seconds = expected, dict[str, float]()
        self.whole: set[str] = set()

    def part(
        self, name: str, job: Generator[Progress, None, MadeT], whole: bool = True
    ) -> Generator[Progress, None, MadeT]:
        """A part's reports and outcome; where such films are known, the time left is the whole film's.

        whole: whether all of the part is done, as nothing of it was there; only then its time tells anything.
        """
        began = time.monotonic()
        rest = sum(seconds for part, seconds in self.expected.items() if part not in {name, *self.seconds})
        try:
            while True:
                try:
                    report = next(job)
                except StopIteration as end:
                    return end.value
                mine = max(0.0, self.expected.get(name, 0.0) - (time.monotonic() - began))
                left = mine if report.seconds_left is None else report.seconds_left
                yield replace(report, seconds_left=left + rest) if self.expected else report
        finally:
            job.close()
            self.seconds[name] = round(time.monotonic() - began, 2)
            self.whole |= {name} if whole else set()
