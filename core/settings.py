"""What a person can choose: one pydantic class a job, read from YAML, the command line or a tab alike.

Each field carries its bounds and a description with its unit; the same declaration gives the YAML errors, the
command line's help, the sliders' limits and their tooltips. Order of precedence: defaults, preset, what the
person changed. Knows nothing about how a job is done.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from core.encodings import whole
from core.jobs import Mistake, Sentence
from core.project import at_home

ROOT = Path(__file__).resolve().parent.parent
PRESETS = ROOT / "presets"

SettingsT = TypeVar("SettingsT", bound=BaseModel)

Prediction = Literal["auto", "epsilon", "v_prediction"]
KindOfTexts = Literal["narration", "pitch", "talk", "continue"]
LIST_SIGNS = {
    "target_modules": ",",
    "weights": ",",
}  # what parts a list that is written as one text; else a new line
PREDICTION = "what the image base predicts, the noise or the velocity; auto: as the base says"


class Settings(BaseModel):
    """The base of all settings: unknown names are refused, values are fixed once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Words without half characters, as of a cut emoji: no file and no model takes those."""
        return whole(value) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        """What was typed, as the field's type reads it."""
        name = info.field_name or ""
        kinds = kinds_of(cls.model_fields[name])
        if tuple not in kinds:
            return _read(value, kinds)
        return [_read(part, kinds) for part in _parts(value, LIST_SIGNS.get(name, "\n"))]


class LabelSettings(Settings):
    """Tags a folder of pictures and writes `metadata.csv` (file_name,text)."""

    pictures: Path = Field(description="folder of pictures to label")
    trigger: str = Field(
        "", max_length=40, description="trigger word put first in every caption; empty: none"
    )
    output: Path | None = Field(None, description="the metadata.csv to write; default: in the folder itself")
    tags: int = Field(5, ge=1, le=20, description="most tags a picture gets")
    threshold: float = Field(0.15, ge=0.0, le=1.0, description="least share of a tag's probability, 0 to 1")


class TextCleaning(Settings):
    """How texts are cleaned and split into samples when they are read."""

    seconds: float = Field(
        15,
        ge=3,
        le=300,
        description="spoken length of the samples a long text is split into, in seconds; answers and product "
        "pitches stay whole",
    )
    earlier_turns: int = Field(
        1,
        ge=0,
        le=8,
        description="earlier questions of a chat, with their answers, that are kept before its next question",
    )
    keep_timestamps: bool = Field(
        False,
        description="keep times such as 00:12 at the beginning of a line; those of subtitles are never text",
    )
    keep_speakers: bool = Field(
        False, description="keep the speaker's name before a line, such as Anna:, and a subtitle's dash"
    )
    keep_emoji: bool = Field(False, description="keep emoji")
    keep_hashtags: bool = Field(False, description="keep hashtags")


class TextsSettings(TextCleaning):
    """Makes a training set of past texts and says what is in it."""

    texts: Path = Field(description="file or folder of past texts: txt, docx, xlsx, jsonl, srt and more")
    output: Path | None = Field(
        None, description="the train.jsonl to write; default: none, only the report is shown"
    )
    drop_repeated: bool = Field(False, description="leave out opening and closing lines of many texts")
    mask: bool = Field(
        False, description="put [phone], [email] and the like for personal data found in the texts"
    )
    base_model: str = Field("embedded", description="language model whose tokens are counted")
    holdout: float = Field(0.1, ge=0.0, le=0.5, description="share of the texts kept out to judge by")


class TopicsSettings(Settings):
    """Gives topics to the texts that have only words of their own for one, by the language model."""

    texts: Path = Field(description="file or folder of past texts")
    output: Path | None = Field(
        None, description="the train.jsonl to write; default: the folder's own, for a file one beside it"
    )
    task: KindOfTexts = Field(
        "narration", description="what the texts are: a pitch's topic is its product, a talk's the question"
    )
    base_model: str = Field("embedded", description="base model: embedded, a file, a folder or a hub id")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of every random choice")


class Training(Settings):
    """What training an image LoRA and a text LoRA have in common."""

    base_model: str = Field("embedded", description="base model: embedded, a file, a folder or a hub id")
    output_dir: Path = Field(Path("output/my_lora"), description="folder for the LoRA, logs and checkpoints")
    lora_dir: Path | None = Field(None, description="folder for the finished LoRA; default: output_dir")
    name: str = Field("", max_length=60, description="name in the LoRA's file name; default: from output_dir")
    lora_rank: int = Field(8, ge=1, le=256, description="rank of the LoRA matrices; larger holds more")
    lora_alpha: float = Field(0, ge=0, le=512, description="LoRA strength is alpha / rank; 0: same as rank")
    dropout: float = Field(
        0.0,
        ge=0.0,
        le=0.9,
        description="share of LoRA inputs dropped in training, 0 to 0.9",
        validation_alias=AliasChoices("dropout", "lora_dropout"),
    )
    batch_size: int = Field(4, ge=1, le=128, description="samples in one step")
    gradient_accumulation: int = Field(1, ge=1, le=128, description="steps summed before one update")
    epochs: int = Field(10, ge=1, le=10000, description="passes over the data, where max_steps is 0")
    max_steps: int = Field(
        0, ge=0, le=1_000_000, description="length in steps, whatever epochs says; 0: epochs decide"
    )
    optimizer: Literal["adamw", "adamw8bit", "prodigy", "adafactor"] = Field(
        "adamw", description="what moves the weights; prodigy finds the learning rate itself"
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="learning rate at its height")
    lr_scheduler: Literal["constant", "cosine", "linear"] = Field(
        "cosine", description="learning rate's course"
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="pull of the LoRA's weights towards 0 (AdamW)")
    warmup_steps: int = Field(0, ge=0, le=10000, description="steps in which the rate rises from 0")
    save_steps: int = Field(
        100, ge=0, le=100_000, description="steps between checkpoints; 0: only at the end"
    )
    sample_steps: int = Field(0, ge=0, le=100_000, description="steps between samples; 0: only at the end")
    validate_steps: int = Field(
        0,
        ge=0,
        le=100_000,
        description="steps between looks at the held-out samples; 0: with the samples, else ten times a run",
    )
    early_stop: int = Field(
        0, ge=0, le=1000, description="looks without a gain after which training ends; 0: never"
    )
    keep_best: bool = Field(
        True, description="export the weights of the best look where the last one is worse"
    )
    ema: float = Field(
        0.0, ge=0.0, le=0.9999, description="average the LoRA over its last steps, 0.99 say; 0: no average"
    )
    keep_loras: int = Field(
        2, ge=0, le=20, description="LoRAs kept from along the way, to choose from; 0: only the last"
    )
    prove: bool = Field(False, description="at the end try it beside the base, and advise which LoRA to use")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of every random choice")
    gradient_checkpointing: Literal["auto", "on", "off"] = Field(
        "auto",
        description="less memory, a third slower: activations computed twice; auto: when memory runs out",
    )
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        "auto",
        description="number format of the frozen base",
        validation_alias=AliasChoices("precision", "mixed_precision"),
    )
    continue_from: Path | None = Field(
        None, description="earlier LoRA to go on from, a file or a PEFT folder; default: a new LoRA"
    )
    resume: Literal["auto", "always", "never"] = Field(
        "auto",
        description="continue the run in output_dir; auto: if nothing changed; always: with new settings too",
    )

    @field_validator("gradient_checkpointing", "compile", mode="before", check_fields=False)
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """Yes and no are words for it too."""
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

    kind: Literal["image"] = Field("image", description="what is trained: image or text")
    train_data_dir: Path = Field(Path("data"), description="folder of training pictures")
    metadata_path: Path | None = Field(None, description="captions; default: metadata.csv in train_data_dir")
    trigger: str = Field("", max_length=40, description="trigger word noted in the LoRA's metadata")
    prediction: Prediction = Field("auto", description=PREDICTION)
    target_modules: tuple[str, ...] = Field(
        ("to_q", "to_k", "to_v", "to_out.0"),
        description="layers of the UNet that get a LoRA; q_proj and v_proj mean to_q and to_v",
    )
    network: Literal["lora", "dora", "loha", "lokr"] = Field(
        "lora",
        description="dora also learns each row's length, which this studio draws exactly, ComfyUI since May "
        "2025 nearly and AUTOMATIC1111 wrongly; loha multiplies two LoRAs, a file twice as large; lokr "
        "repeats a small matrix, the smallest file; all three train slower",
    )
    train_text_encoder: bool = Field(False, description="also train a LoRA on the text encoders")
    text_encoder_lr: float = Field(0, ge=0, le=0.1, description="its learning rate; 0: a tenth of the other")
    resolution: int = Field(
        0, ge=0, le=2048, description="side of a square with the pictures' area, in pixels; 0: the base's own"
    )
    min_snr_gamma: float = Field(5.0, ge=0, le=20, description="min-SNR loss weight (Hang 2023); 0: off")
    noise_offset: float = Field(0.0, ge=0, le=0.5, description="noise offset for darker and lighter pictures")
    private_metadata: bool = Field(False, description="leave captions, trigger and names out of the file")
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="compile the UNet's blocks: quicker steps after slow first ones, equal up to rounding; "
        "auto: in long runs on CUDA",
    )
    caption_dropout: float = Field(0.05, ge=0, le=1, description="share of captions left out, 0 to 1")
    shuffle_tags: bool = Field(False, description="put a caption's tags into a new order again and again")
    keep_tags: int = Field(1, ge=0, le=20, description="first tags that stay in front when they are shuffled")
    reg_data_dir: Path | None = Field(
        None, description="folder of pictures without the style, which keep the base from forgetting"
    )
    reg_weight: float = Field(1.0, ge=0, le=10, description="their weight in the loss, 1: as the others'")
    holdout: float = Field(
        0.0, ge=0.0, le=0.5, description="share of the pictures kept out to judge by; 0.1 takes one of ten"
    )
    flip: bool = Field(True, description="mirror half of the pictures")
    samples: int = Field(
        1, ge=0, le=8, description="sample pictures at a time, where sample_prompts is empty; 0: none at all"
    )
    sample_prompts: tuple[str, ...] = Field(
        (), max_length=8, description="prompts of the samples, one a line; default: captions"
    )


class TextTraining(Training):
    """Trains a text LoRA: how things are said."""

    kind: Literal["text"] = Field("text", description="what is trained: image or text")
    train_data_path: Path = Field(
        Path("data/train.jsonl"),
        description="texts, a file or a folder: jsonl, csv, xlsx, txt, md, docx, srt, vtt or ass",
    )
    task: KindOfTexts = Field(
        "narration",
        description="what the texts are, and what it will be asked for: narration (topic, script), pitch "
        "(product and points, pitch), talk (question, answer), continue (a text's beginning, the rest)",
    )
    target_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="layers of the language model that get a LoRA",
    )
    max_length: int = Field(1024, ge=32, le=8192, description="most tokens in one row: samples share rows")
    holdout: float = Field(0.1, ge=0.0, le=0.5, description="share of the texts kept out to judge by")
    use_rslora: bool = Field(
        False, description="strength is alpha / √rank (Kalajdzievski 2023), so that a high rank learns too"
    )
    quantize: Literal["none", "4bit"] = Field(
        "none", description="4bit: the frozen base in NF4, a quarter of the memory; NVIDIA cards only"
    )
    export_merged: bool = Field(
        False, description="at the end also write base and LoRA as one model, as large as the base"
    )
    samples: int = Field(
        2, ge=0, le=8, description="sample texts at a time, where sample_topics is empty; 0: none at all"
    )
    sample_topics: tuple[str, ...] = Field((), max_length=8, description="topics of the samples, one a line")

    @property
    def scale(self) -> float:
        """What the LoRA's product is multiplied by."""
        return self.alpha / (self.lora_rank**0.5 if self.use_rslora else self.lora_rank)


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
    weights: tuple[Annotated[float, Field(gt=0, le=2)], ...] = Field(
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


class Style(Settings):
    """A one-click style: look, tone, voice, captions and pace of a video."""

    name: str = Field(description="the style's name on the command line")
    title: dict[str, str] = Field(description="the name shown, by language: en and zh")
    about: dict[str, str] = Field(description="one line shown below it, by language")
    card: str = Field("", description="what the style's card shows, as assets/build/cards draws it")
    look: str = Field("", description="words put into every frame's prompt")
    lora: str = Field("", description="the starter image LoRA it brings, a file under assets/loras")
    lora_weight: float = Field(1.0, ge=0, le=2, description="that LoRA's weight")
    tone: str = Field("", description="how the narration should sound, told to the language model")
    ending: str = Field("", description="words of the last scene's kind: a wish, a call to action")
    voice_speed: float = Field(1.0, ge=0.5, le=2.0, description="speaking rate, 1: the voice's own")
    voice_pitch: float = Field(0.0, ge=-6, le=6, description="pitch shift in semitones")
    caption_font: str = Field("sans", description="sans, serif or hand: a font under assets/fonts")
    caption_size: int = Field(64, ge=32, le=120, description="caption height in pixels at 1080 wide")
    caption_color: str = Field("#ffffff", pattern="^#[0-9a-fA-F]{6}$", description="caption colour")
    caption_accent: str = Field("#ffd166", pattern="^#[0-9a-fA-F]{6}$", description="spoken word's colour")
    caption_back: str = Field(
        "outline", pattern="^(outline|box|none)$", description="what lies behind a caption"
    )
    pause: float = Field(0.5, ge=0, le=3, description="silence between scenes, in seconds")
    motion: float = Field(0.08, ge=0, le=0.3, description="how far a frame moves or zooms, share of its side")
    transition: float = Field(0.4, ge=0, le=2, description="length of a cross-fade, in seconds; 0: a cut")
    music: str = Field("calm", pattern="^(calm|night|bright|none)$", description="the music's mood")
    music_volume: float = Field(0.25, ge=0, le=1, description="music's loudness against the voice's, 0 to 1")


class WriteSettings(Settings):
    """Writes the script of a video: its scenes, and what is said in each."""

    topic: str = Field(description="what the video is about, in a few words")
    style: str = Field("ink-wash", description="one-click style: a name under presets/styles, or a YAML file")
    text_lora: tuple[Path, ...] = Field(
        (),
        description="text LoRAs, PEFT folders that speak the scenes in turn, in their own tone, not the "
        "style's; default: the base alone",
    )
    text_base: str = Field("embedded", description="language model: embedded, a folder or a hub id")
    image_base: str = Field(
        "embedded", description="image base model: embedded, a file, a folder or a hub id"
    )
    scenes: int = Field(6, ge=1, le=20, description="number of scenes")
    seconds: float = Field(30, ge=3, le=180, description="length aimed at, in seconds")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of frames and narration")
    voice: str = Field(
        "hibari", pattern="^(hibari|none)$", description="who speaks: hibari, or none for silence"
    )

    @model_validator(mode="after")
    def _topic_fits(self) -> WriteSettings:
        if not self.topic.strip():
            raise ValueError("the topic is empty; write what the video is about in a few words")
        if len(self.topic) > 300:
            raise ValueError(f"the topic has {len(self.topic)} characters; put it in 300 at most")
        return self


class ComposeSettings(WriteSettings):
    """Makes one video from a topic."""

    lora: tuple[str, ...] = Field(
        (), description="image LoRAs, each FILE or FILE:weight; default: the style's"
    )
    prediction: Prediction = Field("auto", description=PREDICTION)
    output: Path = Field(
        Path("output/video.mp4"), description="the mp4 to write; srt and cover stand beside it"
    )
    width: int = Field(1080, ge=64, le=2160, multiple_of=2, description="width of the video in pixels")
    height: int = Field(1920, ge=64, le=3840, multiple_of=2, description="height of the video in pixels")
    fps: int = Field(30, ge=5, le=60, description="frames per second")
    steps: int = Field(0, ge=0, le=100, description="drawing steps a frame; 0: the base's own")
    guidance: float = Field(
        0, ge=0, le=20, description="how strictly a frame follows its prompt; 0: the base's own"
    )
    takes: int = Field(
        0, ge=0, le=8, description="drawings of each frame, the truest of which is kept; 0: the base's own"
    )
    captions: bool = Field(True, description="draw the captions into the picture")
    music: bool = Field(True, description="play the style's music under the voice")
    ai_label: bool = Field(False, description="show that the video is AI-generated for its first seconds")


TrainingT = TypeVar("TrainingT", bound=Training)
TRAINING: dict[str, type[Training]] = {"image": ImageTraining, "text": TextTraining}


class _AsTyped(yaml.SafeLoader):
    """YAML whose plain values stay the text that was typed, so that each setting reads it as its own type.

    A name may be 2024, a trigger word yes. Only null, no value and the merge sign are what they are in YAML.
    """


_AsTyped.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0].endswith((":null", ":merge"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, their values as the text that was typed. Raises Mistake as `read_yaml`."""
    return read_yaml(path, _AsTyped)


def read_yaml(path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping. Raises Mistake where it isn't one."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), loader)
    except FileNotFoundError:
        raise Mistake("There is no file {path}; check the name.", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(
            "{path} can't be read ({reason}); save it as UTF-8 text.", path=path, reason=error
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise Mistake(
            "{path} is not valid YAML at line {line}; check the indentation and quotes there.",
            path=path,
            line=line,
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Mistake("{path} must hold lines of the form name: value.", path=path)
    return values


def make(cls: type[SettingsT], values: dict[str, Any], where: object = "the settings") -> SettingsT:
    """Settings of class `cls` from plain values; the first wrong one becomes a Mistake that names it.

    No value, or an empty text where there is a default, means the default.
    """
    given = {str(name): value for name, value in values.items() if not _is_unsaid(cls, name, value)}
    try:
        return cls.model_validate(given)
    except ValidationError as error:
        raise _mistake(cls, error, where) from None


def load(cls: type[SettingsT], path: Path, changes: dict[str, Any] | None = None) -> SettingsT:
    """Settings from a YAML file, with `changes` laid over it."""
    return make(cls, {**read_settings(path), **(changes or {})}, path)


def training(values: dict[str, Any], where: object = "the settings") -> Training:
    """Image or text training settings; `kind` says which, image where it doesn't."""
    kind = str(values.get("kind") or "image")
    if kind not in TRAINING:
        raise Mistake("kind in {where} is {kind}; it must be image or text.", where=where, kind=kind)
    return make(TRAINING[kind], values, where)


def proving(values: dict[str, Any], where: object = "the settings") -> Proving:
    """Settings of a proof; what stands at `lora` says which: a folder is a text LoRA."""
    return make(TextProofSettings if at_home(values["lora"]).is_dir() else ProofSettings, values, where)


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """`["epochs=3", "trigger=yes"]` from a command line as the texts that were typed; None for null."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Mistake("{pair} is not of the form name=value.", pair=pair)
        changes[name.strip()] = None if value.strip() in ("", "null") else value.strip()
    return changes


def dump(settings: BaseModel) -> str:
    """Settings as YAML that `load` reads back to the same object."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def preset(folder: str, name: str) -> Path:
    """The file of a preset by its name, or the YAML file that `name` itself is.

    Raises Mistake with the names there are.
    """
    path = at_home(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    names = preset_names(folder)
    if name not in names:
        raise Mistake(
            "There is no {name} in {folder}; choose one of {names}.",
            name=name,
            folder=folder,
            names=", ".join(names),
        )
    return PRESETS / folder / f"{name}.yaml"


def preset_names(folder: str) -> list[str]:
    """Names of the presets of a kind: `styles` or `training`."""
    return sorted(path.stem for path in (PRESETS / folder).glob("*.yaml"))


def load_style(name: str) -> Style:
    """A one-click style by its name or its YAML file."""
    return load(Style, preset("styles", name))


def truth(value: object) -> bool | None:
    """What yes, no, on, off, true and false mean; None for anything else."""
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(str(value).strip().lower())


def kinds_of(field: FieldInfo) -> set[Any]:
    """The types in a field's annotation: `tuple[Path, ...]` gives tuple and Path."""
    found, ahead = set(), [field.annotation]
    while ahead:
        one = ahead.pop()
        found.add(get_origin(one) or one)
        ahead += () if get_origin(one) is Literal else get_args(one)
    return found


def rule(field: FieldInfo, name: str) -> Any:
    """A constraint of a field, None where it has none of that name."""
    found = (getattr(one, name, None) for one in field.metadata)
    return next((value for value in found if value is not None), None)


def choices(field: FieldInfo) -> list[str]:
    """The words a field may be: of a Literal, or of a pattern like `^(one|other)$`; else none."""
    if get_origin(field.annotation) is Literal:
        return [str(choice) for choice in get_args(field.annotation)]
    match = re.fullmatch(r"\^\(([\w|-]+)\)\$", rule(field, "pattern") or "")
    return match[1].split("|") if match else []


def _parts(value: Any, sign: str) -> list[Any]:
    """A list's parts: of one text those between the signs, or those in YAML's brackets."""
    if value is None:
        return []
    if not isinstance(value, str):
        return list(value) if isinstance(value, list | tuple) else [value]
    if value.startswith("[") and value.endswith("]"):
        with contextlib.suppress(yaml.YAMLError):
            return list(yaml.load(value, _AsTyped))
    return [part.strip() for part in value.split(sign) if part.strip()]


def _read(value: Any, kinds: set[Any]) -> Any:
    """One value as one of these types reads it; what none can read stays as it is."""
    if isinstance(value, dict) and len(value) == 1 and str in kinds and dict not in kinds:
        return ": ".join(str(part) for pair in value.items() for part in pair)  # YAML's `- in ink: a cat`
    if isinstance(value, str | Path) and Path in kinds:
        return at_home(value) if str(value).strip() else None
    if isinstance(value, str) and int in kinds:
        with contextlib.suppress(ValueError):
            number = float(value)
            return int(number) if number.is_integer() else value  # 1e3 is a whole number
    return value


def _expected(field: FieldInfo) -> Sentence:
    """What a field takes, as the end of a sentence."""
    kinds = kinds_of(field)
    if words := choices(field):
        return Sentence("one of {choices}", choices=", ".join(words))
    if tuple in kinds:
        part = _expected(FieldInfo.from_annotation(get_args(field.annotation)[0]))
        most = rule(field, "max_length")
        if most is None:
            return Sentence("a list, each part {part}", part=part)
        return Sentence("a list of at most {most}, each part {part}", most=most, part=part)
    if bool in kinds:
        return Sentence("yes or no")
    if kinds & {int, float}:
        return _expected_number(field, kinds)
    if Path in kinds:
        return Sentence("the name of a file or folder")
    if dict in kinds:
        return Sentence("a text for each language, en and zh")
    if rule(field, "pattern"):
        return Sentence("a colour such as #ffd166")
    longest = rule(field, "max_length")
    return Sentence("a text of at most {most} characters", most=longest) if longest else Sentence("a text")


def _expected_number(field: FieldInfo, kinds: set[Any]) -> Sentence:
    above, least, most = (_plain(rule(field, name)) for name in ("gt", "ge", "le"))
    kind = Sentence("a whole number") if int in kinds else Sentence("a number")
    if (step := rule(field, "multiple_of")) is not None:
        kind = Sentence("a multiple of {step}", step=step)
    if above is None:
        return Sentence("{kind} from {least} to {most}", kind=kind, least=least, most=most)
    return Sentence("{kind} above {least}, at most {most}", kind=kind, least=above, most=most)


def _plain(bound: Any) -> Any:
    return f"{bound:g}" if isinstance(bound, float) else bound


def _shown(value: Any) -> str:
    """What was given, short enough for a sentence."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(str(value).split())
    return (text if len(text) <= 60 else f"{text[:60]}…") or "empty"


def _mistake(cls: type[BaseModel], error: ValidationError, where: object) -> Mistake:
    """The first error of pydantic's as one sentence in the person's terms."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else cls.__name__
    kind, given = first["type"], first.get("input")
    if kind == "extra_forbidden":
        near = _nearest(name, list(cls.model_fields))
        hint = f"; did you mean {near}?" if near else f"; known are {', '.join(cls.model_fields)}."
        return Mistake("{where} has an unknown setting {name}{hint}", where=where, name=name, hint=hint)
    if kind == "missing":
        return Mistake("{where} lacks the setting {name}; add it.", where=where, name=name)
    if kind == "value_error":
        return Mistake(
            "In {where}, {problem}.", where=where, problem=first["msg"].removeprefix("Value error, ")
        )
    field = _field(cls, name)
    assert field is not None, error  # what is no field's is said above
    return Mistake(
        "{name} in {where} is {given}; it must be {expected}.",
        name=name,
        where=where,
        given=_shown(given),
        expected=_expected(field),
    )


def _is_unsaid(cls: type[BaseModel], name: str, value: Any) -> bool:
    field = _field(cls, name)
    return field is not None and (value is None or (value == "" and not field.is_required()))


def _field(cls: type[BaseModel], name: str) -> FieldInfo | None:
    """The field of that name, or that other programs call so; None where there is none."""
    for known, field in cls.model_fields.items():
        alias = field.validation_alias
        if name == known or (isinstance(alias, AliasChoices) and name in alias.choices):
            return field
    return None


def _nearest(name: str, names: list[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)
