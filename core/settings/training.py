"""Settings of a training: what both kinds of LoRA share, and what each has of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AliasChoices,
    Field,
    field_validator,
)

from core.messages import Mistake
from core.settings.base import Settings
from core.settings.data import KindOfTexts
from core.settings.fields import truth
from core.settings.marks import COUNTED, Continued, PartedBy, Requires
from core.settings.reading import make

Prediction = Literal["auto", "epsilon", "v_prediction"]


PREDICTION = "what the image base predicts, the noise or the velocity; auto: as the base says"


class Training(Settings):
    """What training an image LoRA and a text LoRA have in common."""

    base_model: Annotated[str, Continued.REFUSED, COUNTED] = Field(
        "embedded", description="base model: embedded, a file, a folder or a hub id"
    )
    output_dir: Annotated[Path, Continued.FREE, COUNTED] = Field(
        Path("output/my_lora"), description="folder for the LoRA, logs and checkpoints"
    )
    lora_dir: Annotated[Path | None, Continued.FREE] = Field(
        None, description="folder for the finished LoRA; default: output_dir"
    )
    name: Annotated[str, Continued.FREE] = Field(
        "", max_length=60, description="name in the LoRA's file name; default: from output_dir"
    )
    lora_rank: Annotated[int, Continued.REFUSED, COUNTED] = Field(
        8, ge=1, le=256, description="rank of the LoRA matrices; larger holds more"
    )
    lora_alpha: Annotated[float, Continued.REFUSED] = Field(
        0, ge=0, le=512, description="LoRA strength is alpha / rank; 0: same as rank"
    )
    dropout: Annotated[float, COUNTED] = Field(
        0.0,
        ge=0.0,
        le=0.9,
        description="share of LoRA inputs dropped in training, 0 to 0.9",
        validation_alias=AliasChoices("dropout", "lora_dropout"),
    )
    batch_size: Annotated[int, COUNTED] = Field(4, ge=1, le=128, description="samples in one step")
    gradient_accumulation: Annotated[int, COUNTED] = Field(
        1, ge=1, le=128, description="steps summed before one update"
    )
    epochs: Annotated[int, COUNTED] = Field(
        10, ge=1, le=10000, description="passes over the data, where max_steps is 0"
    )
    max_steps: Annotated[int, COUNTED] = Field(
        0, ge=0, le=1_000_000, description="length in steps, whatever epochs says; 0: epochs decide"
    )
    optimizer: Annotated[
        Literal["adamw", "adamw8bit", "prodigy", "adafactor"], Continued.REFUSED, COUNTED
    ] = Field("adamw", description="what moves the weights; prodigy finds the learning rate itself")
    learning_rate: Annotated[float, COUNTED] = Field(
        2e-4, gt=0, le=0.1, description="learning rate at its height"
    )
    lr_scheduler: Literal["constant", "cosine", "linear"] = Field(
        "cosine", description="learning rate's course"
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="pull of the LoRA's weights towards 0 (AdamW)")
    warmup_steps: Annotated[int, COUNTED] = Field(
        0, ge=0, le=10000, description="steps in which the rate rises from 0"
    )
    save_steps: Annotated[int, Continued.FREE] = Field(
        100, ge=0, le=100_000, description="steps between checkpoints; 0: only at the end"
    )
    sample_steps: Annotated[int, Continued.FREE, COUNTED] = Field(
        0, ge=0, le=100_000, description="steps between samples; 0: only at the end"
    )
    validate_steps: Annotated[int, COUNTED] = Field(
        0,
        ge=0,
        le=100_000,
        description="steps between looks at the held-out samples; 0: with the samples, else ten times a run",
    )
    look_share: Annotated[float, Continued.FREE, COUNTED] = Field(
        0.1,
        ge=0,
        le=10,
        description="judging, samples and proof become fewer where they would take more than this share of "
        "the updates' time; 0: never",
    )
    early_stop: Annotated[int, COUNTED] = Field(
        0, ge=0, le=1000, description="looks without a gain after which training ends; 0: never"
    )
    keep_best: Annotated[bool, COUNTED] = Field(
        True, description="export the weights of the best look where the last one is worse"
    )
    ema: Annotated[float, Continued.REFUSED, COUNTED] = Field(
        0.0, ge=0.0, le=0.9999, description="average the LoRA over its last steps, 0.99 say; 0: no average"
    )
    keep_loras: Annotated[int, Continued.FREE, COUNTED] = Field(
        2, ge=0, le=20, description="LoRAs kept from along the way, to choose from; 0: only the last"
    )
    prove: Annotated[bool, Continued.FREE, COUNTED] = Field(
        False, description="at the end try it beside the base, and advise which LoRA to use"
    )
    seed: Annotated[int, COUNTED] = Field(42, ge=0, le=2**32 - 1, description="seed of every random choice")
    gradient_checkpointing: Annotated[Literal["auto", "on", "off"], Continued.FREE, COUNTED] = Field(
        "auto",
        description="less memory, a third slower: activations computed twice; auto: when memory runs out",
    )
    precision: Annotated[Literal["auto", "bf16", "fp16", "fp32"], COUNTED] = Field(
        "auto",
        description="number format of the frozen base",
        validation_alias=AliasChoices("precision", "mixed_precision"),
    )
    continue_from: Annotated[Path | None, Continued.REFUSED] = Field(
        None, description="earlier LoRA to go on from, a file or a PEFT folder; default: a new LoRA"
    )
    resume: Annotated[Literal["auto", "always", "never"], Continued.FREE] = Field(
        "auto",
        description="continue the run in output_dir; auto: if nothing changed; always: with new settings too",
    )

    @field_validator("gradient_checkpointing", "compile", mode="before", check_fields=False)
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """Reads yes and no, and true and false, as on and off."""
        meant = truth(value)
        return value if meant is None else ("on" if meant else "off")

    @field_validator("resume", mode="before")
    @classmethod
    def _resumed(cls, value: Any) -> Any:
        """Yes and no, as earlier files have it."""
        meant = truth(value)
        return value if meant is None else ("auto" if meant else "never")

    @property
    def alpha(self) -> float:
        """The true alpha: what was set, or the rank."""
        return self.lora_alpha or float(self.lora_rank)

    @property
    def title(self) -> str:
        """The name that goes into file names."""
        return self.name or self.output_dir.name


class ImageTraining(Training):
    """Trains an image LoRA: how things look."""

    kind: Annotated[Literal["image"], Continued.REFUSED] = Field(
        "image", description="what is trained: image or text"
    )
    train_data_dir: Annotated[Path, COUNTED] = Field(Path("data"), description="folder of training pictures")
    metadata_path: Annotated[Path | None, COUNTED] = Field(
        None, description="captions; default: metadata.csv in train_data_dir"
    )
    trigger: Annotated[str, Continued.TOLD] = Field(
        "", max_length=40, description="trigger word noted in the LoRA's metadata"
    )
    prediction: Annotated[Prediction, Continued.REFUSED] = Field("auto", description=PREDICTION)
    target_modules: Annotated[tuple[str, ...], Continued.REFUSED, COUNTED, PartedBy(",")] = Field(
        ("to_q", "to_k", "to_v", "to_out.0"),
        description="layers of the UNet that get a LoRA; q_proj and v_proj mean to_q and to_v",
    )
    network: Annotated[Literal["lora", "dora", "loha", "lokr"], Continued.REFUSED, COUNTED] = Field(
        "lora",
        description="dora also learns each row's length, which this studio draws exactly, ComfyUI since May "
        "2025 nearly and AUTOMATIC1111 wrongly; loha multiplies two LoRAs, a file twice as large; lokr "
        "repeats a small matrix, the smallest file; all three train slower",
    )
    train_text_encoder: Annotated[bool, Continued.REFUSED, COUNTED] = Field(
        False, description="also train a LoRA on the text encoders"
    )
    text_encoder_lr: Annotated[float, COUNTED, Requires("train_text_encoder", "true")] = Field(
        0, ge=0, le=0.1, description="its learning rate; 0: a tenth of the other"
    )
    resolution: Annotated[int, COUNTED] = Field(
        0, ge=0, le=2048, description="side of a square with the pictures' area, in pixels; 0: the base's own"
    )
    min_snr_gamma: float = Field(5.0, ge=0, le=20, description="min-SNR loss weight (Hang 2023); 0: off")
    noise_offset: float = Field(0.0, ge=0, le=0.5, description="noise offset for darker and lighter pictures")
    outside_pictures: Annotated[bool, Continued.FREE, COUNTED] = Field(
        False,
        description="also learn pictures outside of the folder, where names in metadata.csv or links lead",
    )
    private_metadata: Annotated[bool, Continued.TOLD] = Field(
        False, description="leave captions, trigger and names out of the file"
    )
    compile: Annotated[Literal["auto", "on", "off"], Continued.FREE] = Field(
        "auto",
        description="compile the UNet's blocks: quicker steps after slow first ones, equal up to rounding; "
        "auto: in long runs on CUDA",
    )
    caption_dropout: float = Field(0.05, ge=0, le=1, description="share of captions left out, 0 to 1")
    shuffle_tags: Annotated[bool, COUNTED] = Field(
        False, description="put a caption's tags into a new order again and again"
    )
    keep_tags: Annotated[int, COUNTED, Requires("shuffle_tags", "true")] = Field(
        1, ge=0, le=20, description="first tags that stay in front when they are shuffled"
    )
    reg_data_dir: Annotated[Path | None, COUNTED] = Field(
        None, description="folder of pictures without the style, which keep the base from forgetting"
    )
    reg_weight: Annotated[float, COUNTED, Requires("reg_data_dir", "FOLDER")] = Field(
        1.0, ge=0, le=10, description="their weight in the loss, 1: as the others'"
    )
    holdout: Annotated[float, COUNTED] = Field(
        0.0, ge=0.0, le=0.5, description="share of the pictures kept out to judge by; 0.1 takes one of ten"
    )
    flip: Annotated[bool, COUNTED] = Field(True, description="mirror half of the pictures")
    samples: Annotated[int, Continued.FREE, COUNTED] = Field(
        1, ge=0, le=8, description="sample pictures at a time, where sample_prompts is empty; 0: none at all"
    )
    sample_prompts: Annotated[tuple[str, ...], Continued.TOLD, COUNTED] = Field(
        (), max_length=8, description="prompts of the samples, one a line; default: captions"
    )


class TextTraining(Training):
    """Trains a text LoRA: how things are said."""

    kind: Annotated[Literal["text"], Continued.REFUSED] = Field(
        "text", description="what is trained: image or text"
    )
    train_data_path: Annotated[Path, COUNTED] = Field(
        Path("data/train.jsonl"),
        description="texts, a file or a folder: jsonl, csv, xlsx, txt, md, docx, srt, vtt or ass",
    )
    task: KindOfTexts = Field(
        "narration",
        description="what the texts are, and what it will be asked for: narration (topic, script), pitch "
        "(product and points, pitch), talk (question, answer), continue (a text's beginning, the rest)",
    )
    target_modules: Annotated[tuple[str, ...], Continued.REFUSED, COUNTED, PartedBy(",")] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="layers of the language model that get a LoRA",
    )
    max_length: Annotated[int, COUNTED] = Field(
        1024, ge=32, le=8192, description="most tokens in one row: samples share rows"
    )
    holdout: Annotated[float, COUNTED] = Field(
        0.1, ge=0.0, le=0.5, description="share of the texts kept out to judge by"
    )
    use_rslora: Annotated[bool, Continued.REFUSED] = Field(
        False, description="strength is alpha / √rank (Kalajdzievski 2023), so that a high rank learns too"
    )
    quantize: Annotated[Literal["none", "4bit"], Continued.REFUSED, COUNTED] = Field(
        "none", description="4bit: the frozen base in NF4, a quarter of the memory; NVIDIA cards only"
    )
    export_merged: Annotated[bool, Continued.FREE, COUNTED] = Field(
        False, description="at the end also write base and LoRA as one model, as large as the base"
    )
    samples: Annotated[int, Continued.FREE, COUNTED] = Field(
        2, ge=0, le=8, description="sample texts at a time, where sample_topics is empty; 0: none at all"
    )
    sample_topics: Annotated[tuple[str, ...], Continued.TOLD, COUNTED, Requires("samples", "2")] = Field(
        (), max_length=8, description="topics of the samples, one a line"
    )

    @property
    def scale(self) -> float:
        """What the LoRA's product is multiplied by."""
        return self.alpha / (self.lora_rank**0.5 if self.use_rslora else self.lora_rank)


TrainingT = TypeVar("TrainingT", bound=Training)


TRAINING: dict[str, type[Training]] = {"image": ImageTraining, "text": TextTraining}


def training(values: dict[str, Any], where: object = "the settings") -> Training:
    """Image or text training settings; `kind` says which, image where it doesn't.

    Raises Mistake for another kind, and values that they can't have.
    """
    kind = str(values.get("kind") or "image")
    if kind not in TRAINING:
        raise Mistake("kind in {where} is {kind}; it must be image or text.", where=where, kind=kind)
    return make(TRAINING[kind], values, where)
