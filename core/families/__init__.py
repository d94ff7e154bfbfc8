"""Families of picture bases: one module each, chosen by a file's keys or by the pipeline's class.

A family's module holds what `core.families.family.Family` lists and nothing else asks what a base is made of,
so a new family is a new module here and its name in FAMILIES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.families import sdxl, stable_diffusion
from core.families.family import Configs, Family

FAMILIES: tuple[Family, ...] = (stable_diffusion, sdxl)


def of(pipeline: Any) -> Family:
    """The family of a loaded pipeline. Raises LookupError where none is known for it."""
    return first(lambda family: type(pipeline).__name__ == family.PIPELINE)


def first(fits: Callable[[Family], bool]) -> Family:
    """The first family that `fits` says yes to. Raises LookupError where there is none."""
    for family in FAMILIES:
        if fits(family):
            return family
    raise LookupError


def models(pipeline: Any) -> dict[str, Any]:
    """The models of a pipeline that can carry a LoRA, by their names in it.

    The backbone comes first, then the text encoders; those that were let go after caching are left out.
    """
    family = of(pipeline)
    named = {name: getattr(pipeline, name) for name in (family.BACKBONE, *family.TEXT_ENCODERS)}
    return {name: model for name, model in named.items() if model is not None}


def configs(pipeline: Any) -> Configs:
    """The configurations of a pipeline's backbone and autoencoder."""
    return {name: getattr(pipeline, name).config for name in (of(pipeline).BACKBONE, "vae")}
