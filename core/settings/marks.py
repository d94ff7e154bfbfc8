"""What is known of a setting beside its type and bounds: marks that stand in its annotation.

`lora_rank: Annotated[int, Continued.REFUSED, COUNTED] = Field(8, …)`. Whoever acts by one asks here which
settings carry it. Works on pydantic's declarations; knows none of the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

MarkT = TypeVar("MarkT")


class Continued(Enum):
    """What a training's checkpoint is worth to a run with another value; one without a mark starts anew."""

    FREE = auto()  # it goes on: the setting doesn't change what the LoRA becomes, but for rounding
    TOLD = auto()  # it goes on and the change is told: it changes samples or the file's words alone
    REFUSED = auto()  # it can't go on: the checkpoint's tensors would have no place, or no sense


class Mark(Enum):
    """Marks without a value: a field carries one or not."""

    COUNTED = auto()  # what is told of a job before it starts depends on it


COUNTED = Mark.COUNTED


@dataclass(frozen=True)
class Requires:
    """The setting has no effect without the setting `other`; `value` is what a person may set that to."""

    other: str
    value: str


@dataclass(frozen=True)
class PartedBy:
    """A list that is written as one text is parted by this sign; without a mark by a new line."""

    sign: str


def marked(cls: type[BaseModel], mark: object) -> list[str]:
    """The settings of a class that carry exactly this mark."""
    return [name for name, field in cls.model_fields.items() if mark in field.metadata]


def mark_of(field: FieldInfo, kind: type[MarkT]) -> MarkT | None:
    """A field's mark of a kind; None where it has none."""
    return next((one for one in field.metadata if isinstance(one, kind)), None)
