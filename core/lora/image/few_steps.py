"""Bases and LoRAs that were made to draw in a few steps: what tells them, and how they want to be sampled.

They are told by their names and by what a LoRA's file says of itself, as their makers spell them: LCM (Luo
2023), Turbo (Sauer 2023), Lightning (Lin 2024), Hyper-SD (Ren 2024), DMD2 (Yin 2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.lora.adapters import image_file

STEPS = re.compile(r"(?<!\d)(\d{1,2})[\s_-]?steps?(?![a-z])|steps?[\s_-]?(\d{1,2})(?!\d)")
MOST_STEPS = 16


@dataclass(frozen=True)
class FewSteps:
    """How something is drawn in a few steps: diffusers' scheduler with its options, steps, guidance."""

    name: str
    scheduler: str
    options: tuple[tuple[str, Any], ...]
    steps: int
    guidance: float


TRAILING = (("timestep_spacing", "trailing"),)
KINDS = {
    "lcm": FewSteps("lcm", "LCMScheduler", (), 6, 1.0),
    "dmd": FewSteps("dmd", "LCMScheduler", (), 4, 1.0),
    "lightning": FewSteps("lightning", "EulerDiscreteScheduler", TRAILING, 4, 1.0),
    "turbo": FewSteps("turbo", "EulerAncestralDiscreteScheduler", TRAILING, 4, 1.0),
    "hyper": FewSteps("hyper", "DDIMScheduler", (*TRAILING, ("clip_sample", False)), 8, 1.0),
}
WORDS = {"lcm": "lcm", "dmd2?": "dmd", "lightning": "lightning", "turbo": "turbo", "hyper-?sdx?l?": "hyper"}


def told(text: str) -> FewSteps | None:
    """What a name or a description says it was made for; None where it says nothing of the kind."""
    said = text.lower()
    for word, kind in WORDS.items():
        if re.search(rf"(?<![a-z]){word}(?![a-z])", said):
            found = KINDS[kind]
            number = STEPS.search(said)
            steps = int(next(filter(None, number.groups()))) if number else found.steps
            return FewSteps(found.name, found.scheduler, found.options, min(max(steps, 1), MOST_STEPS), 1.0)
    return None


def of(base: str, loras: Iterable[tuple[Path, float]]) -> FewSteps | None:
    """How a base with LoRAs wants to be sampled in a few steps: as its first LoRA does, else as the base."""
    for path, weight in loras:
        found = told(path.stem) or told(image_file.about(path)) if weight else None
        if found:
            return found
    return told(Path(base).stem)


def put_on(pipeline: Any, kind: FewSteps | None, own: Any) -> None:
    """Gives a pipeline the scheduler of a kind, or its own again."""
    if kind is None:
        pipeline.scheduler = own
        return
    import diffusers

    cls = getattr(diffusers, kind.scheduler)
    pipeline.scheduler = cls.from_config(own.config, **dict(kind.options))
