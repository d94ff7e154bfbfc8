"""Kinds of LoRA, one module each: of pictures and of texts.

A kind's module holds what `core.lora.kinds.kind.Kind` lists. Training, pre-flight, proof and the advised LoRA
ask it and know nothing else of pictures or texts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from core.lora.image.recipe import ImageRecipe
from core.lora.kinds import image, text
from core.lora.kinds.kind import Kind, ProvingT
from core.lora.text.recipe import TextRecipe
from core.settings.lora_jobs import ProofSettings, TextProofSettings
from core.settings.training import ImageTraining, TextTraining, TrainingT

AnyKind: TypeAlias = Kind[Any, Any, Any]
IMAGE: Kind[ImageTraining, ImageRecipe, ProofSettings] = image
TEXT: Kind[TextTraining, TextRecipe, TextProofSettings] = text
KINDS: tuple[AnyKind, ...] = (IMAGE, TEXT)


def of(settings: TrainingT) -> Kind[TrainingT, Any, Any]:
    """The kind that a training's settings are of."""
    return _first(lambda kind: isinstance(settings, kind.TRAINING))


def of_proof(settings: ProvingT) -> Kind[Any, Any, ProvingT]:
    """The kind that a proof's settings are of."""
    return _first(lambda kind: isinstance(settings, kind.PROVING))


def of_lora(lora: Path) -> AnyKind:
    """The kind of a finished LoRA: one of texts is a folder."""
    return TEXT if lora.is_dir() else IMAGE


def _first(fits: Callable[[AnyKind], bool]) -> AnyKind:
    return next(kind for kind in KINDS if fits(kind))
