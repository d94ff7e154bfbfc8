"""Settings of the jobs on a finished LoRA: merge, export, chat, proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
)

from core.project import at_home
from core.settings.base import Settings
from core.settings.marks import PartedBy
from core.settings.reading import make
from core.settings.training import PREDICTION, Prediction


class MergeSettings(Settings):
    """Writes a text LoRA and its base as one full model, which any program loads."""

    lora: Path = Field(description="text LoRA to merge: a PEFT folder")
    base: str = Field("", description="language model; default: the one that it was trained on")
    output: Path | None = Field(None, description="folder to write; default: beside the LoRA, _merged")


class ExportSettings(Settings):
    """Writes an image LoRA in another program's format."""

    lora: Path = Field(description="image LoRA to write anew: a .safetensors file")
    format: Literal["diffusers", "sd-scripts"] = Field(
        "diffusers",
        description="diffusers: with its adapter metadata, for diffusers alone, exact for DoRA too; "
        "sd-scripts: for AUTOMATIC1111, ComfyUI and sd-scripts, from a file of any program",
    )
    base: str = Field("", description="base model; default: the one that it was trained on")
    output: Path | None = Field(None, description="file to write; default: beside the LoRA, _diffusers say")


class ChatSettings(Settings):
    """Tries a text LoRA: base and LoRA answer the same topic."""

    lora: Path = Field(description="text LoRA to try: a PEFT folder")
    topic: str = Field("", max_length=300, description="what to ask for; default: lines that are typed")
    base: str = Field("", description="language model; default: the one that it was trained on")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of the first answer")


class Proving(Settings):
    """What proving an image LoRA and a text LoRA have in common."""

    lora: Path = Field(description="LoRA to prove: an image LoRA's file or a text LoRA's folder")
    base: str = Field("", description="base model; default: the one that it was trained on")
    seed: int = Field(42, ge=0, le=2**32 - 17, description="seed of the first pictures or replies")
    use_advised: bool = Field(
        False, description="make the LoRA that is advised the next version, where it isn't the finished one"
    )


class ProofSettings(Proving):
    """Proves an image LoRA: draws with and without it, scores both, advises a checkpoint and a weight."""

    prediction: Prediction = Field("auto", description=PREDICTION)
    pictures: Path | None = Field(
        None, description="folder of its training pictures; default: from the .yaml file beside it"
    )
    prompts: tuple[str, ...] = Field(
        (), max_length=8, description="prompts to draw; default: its sample prompts, else captions"
    )
    weights: Annotated[tuple[Annotated[float, Field(gt=0, le=2)], ...], PartedBy(",")] = Field(
        (0.5, 0.75, 1.0, 1.25), min_length=1, max_length=8, description="weights to draw it at"
    )
    seeds: int = Field(3, ge=1, le=16, description="pictures of each prompt at each weight")
    steps: int = Field(0, ge=0, le=100, description="drawing steps a picture; 0: the base's own")


class TextProofSettings(Proving):
    """Proves a text LoRA: base and LoRA answer the same topics; scores both, advises a checkpoint."""

    texts: Path | None = Field(
        None, description="texts of yours that it hasn't learnt; default: those that its training held out"
    )
    topics: int = Field(12, ge=1, le=100, description="most held-out topics that are answered")
    replies: int = Field(3, ge=1, le=16, description="replies to each topic, each at a seed of its own")


def proving(values: dict[str, Any], where: object = "the settings") -> Proving:
    """Settings of a proof; what stands at `lora` says which: a folder is a text LoRA.

    Raises Mistake for values that it can't have.
    """
    return make(TextProofSettings if at_home(values["lora"]).is_dir() else ProofSettings, values, where)
