"""What a training tells of itself, in the LoRA's file and in its lineage, whose names and order these are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass
class RunFacts:
    """Of the updates; the loop notes them.

    rates: the learning rates at their height, the text encoders' after the other. planned_steps, epoch_steps:
    of the whole run and of a pass. steps: done; kept_step: the one whose weights were chosen.
    """

    optimizer: str = ""
    rates: list[float] = field(default_factory=list)
    planned_steps: int = 0
    epoch_steps: int = 0
    steps: int = 0
    kept_step: int = 0


@dataclass
class ImageFacts:
    """Of pictures and base.

    pictures: different ones, without `regularisation`; samples: seen in a pass. buckets: pictures in a pass
    at each of `sizes`. folders: repeats and count by a folder's name. base_names: as `Family.names` has them.
    """

    pictures: int
    held_out: int
    regularisation: int
    samples: int
    sizes: list[str]
    square: tuple[int, int]
    buckets: list[int]
    folders: dict[str, list[int]]
    precision: str
    folder: str
    base_hash: str
    base_legacy_hash: str
    base_names: tuple[str, str]
    prediction_type: str
    tags: dict[str, int]
    data: str
    run: RunFacts = field(default_factory=RunFacts)

    @property
    def different(self) -> int:
        """Pictures may repeat: only different ones count."""
        return self.pictures


@dataclass
class TextFacts:
    """Of texts: those learnt and held out, and the tokens of the former."""

    samples: int
    held_out: int
    tokens: int
    supervised_tokens: int
    data: str
    run: RunFacts = field(default_factory=RunFacts)

    @property
    def different(self) -> int:
        """All of them: a text is learnt once a pass."""
        return self.samples


class Facts(Protocol):
    """What every kind tells. data: a digest of what was learnt from."""

    data: str
    run: RunFacts

    @property
    def different(self) -> int:
        """Different samples that are learnt from."""


def as_values(facts: Facts) -> dict[str, Any]:
    """All facts by their names in the lineage."""
    return {name: value for name, value in vars(facts).items() if name != "run"} | vars(facts.run)
