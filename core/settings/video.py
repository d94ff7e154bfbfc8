"""Settings of a script, of a video and of its scenes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from core.settings.base import Settings
from core.settings.marks import COUNTED
from core.settings.style import Craft
from core.settings.training import PREDICTION, Prediction


class FilmSettings(Craft):
    """How a film is made, whatever it is about: what a storyboard keeps beside its scenes."""

    image_base: Annotated[str, COUNTED] = Field(
        "embedded", description="image base model: embedded, a file, a folder or a hub id"
    )
    lora: tuple[str, ...] = Field(
        (), description="image LoRAs, each FILE or FILE:weight; default: the style's"
    )
    prediction: Prediction = Field("auto", description=PREDICTION)
    text_base: Annotated[str, COUNTED] = Field(
        "auto",
        description="language model: auto (the text LoRA's own; else the better writer where it was fetched "
        "and memory allows; else embedded), embedded, a folder, a .gguf file, a hub id, or the address of "
        "one that answers as OpenAI's do",
    )
    text_model: str = Field(
        "", max_length=200, description="the language model's name at its address; default: the first there"
    )
    text_lora: Annotated[tuple[Path, ...], COUNTED] = Field(
        (),
        description="text LoRAs, PEFT folders that speak the scenes in turn, in their own tone, not the "
        "style's; default: the style's own, else the base alone",
    )
    voice: Annotated[str, COUNTED] = Field(
        "auto",
        max_length=200,
        pattern=r"^[a-z][a-z0-9-]*(:[^\s:]+)?$",
        description="who speaks: auto, by the text's language; none; ENGINE or ENGINE:VOICE, such as "
        "kokoro:af_heart; or two as one, kokoro:af_heart+af_bella@0.3, the second's weight last",
    )
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of frames and narration")
    width: Annotated[int, COUNTED] = Field(
        1080, ge=64, le=2160, multiple_of=2, description="width of the video in pixels"
    )
    height: Annotated[int, COUNTED] = Field(
        1920, ge=64, le=3840, multiple_of=2, description="height of the video in pixels"
    )
    fps: Annotated[int, COUNTED] = Field(30, ge=5, le=60, description="frames per second")
    steps: Annotated[int, COUNTED] = Field(
        0, ge=0, le=100, description="drawing steps a frame; 0: the base's own"
    )
    guidance: Annotated[float, COUNTED] = Field(
        0, ge=0, le=20, description="how strictly a frame follows its prompt; 0: the base's own"
    )
    takes: Annotated[int, COUNTED] = Field(
        0, ge=0, le=8, description="drawings of each frame, the truest of which is kept; 0: the base's own"
    )
    music_file: Path | None = Field(None, description="a sound file of one's own in place of the music")
    captions: bool = Field(True, description="draw the captions into the picture")
    ai_label: bool = Field(False, description="show that the video is AI-generated for its first seconds")

    @field_validator("text_base")
    @classmethod
    def _without_a_key(cls, value: str) -> str:
        """Settings are kept in files and reports: an address in them holds no secret."""
        if re.match(r"(?i)https?://", value) and re.search(r"[@?#]", value):
            raise ValueError("its address holds a key, a name or a question; put the key into STUDIO_LLM_KEY")
        return value


class WriteSettings(FilmSettings):
    """Writes the storyboard of a video: its scenes, and what is said in each."""

    topic: Annotated[str, COUNTED] = Field("", description="what the video is about, in a few words")
    script: Annotated[Path | None, COUNTED] = Field(
        None,
        description="your own words in place of a topic: text, subtitles or Word; every word is kept",
    )
    product: Path | None = Field(
        None,
        description="a product in place of a topic: a table or text with its name, points, price, audience",
    )
    scenes: Annotated[int, COUNTED] = Field(
        6, ge=1, le=200, description="number of scenes; one's own words have as many as they take"
    )
    seconds: Annotated[float, COUNTED] = Field(30, ge=3, le=600, description="length aimed at, in seconds")

    @model_validator(mode="after")
    def _topic_fits(self) -> WriteSettings:
        if len(self.topic) > 300:
            raise ValueError(f"the topic has {len(self.topic)} characters; put it in 300 at most")
        if not self.topic.strip() and not self._sources():
            raise ValueError("the topic is empty; write what the video is about in a few words")
        if len(self._sources()) > 1:
            raise ValueError(f"{' and '.join(self._sources())} exclude each other; give one of them")
        return self

    def _sources(self) -> list[str]:
        """What is given in place of a topic, by its option."""
        return [name for name in ("script", "product") if getattr(self, name)]


class DraftSettings(WriteSettings):
    """Writes a storyboard into a file, to be worked on before it is filmed."""

    output: Path = Field(Path("output/storyboard.yaml"), description="the storyboard to write, YAML")


class ComposeSettings(WriteSettings):
    """Makes one video: from a topic, from one's own words, or from a storyboard."""

    storyboard: Path | None = Field(
        None,
        description="storyboard.yaml to film, as `write` makes it; options given beside it go before its own",
    )
    output: Path = Field(
        Path("output/video.mp4"), description="the mp4 to write; srt and cover stand beside it"
    )

    def _sources(self) -> list[str]:
        return [*(["storyboard"] if self.storyboard else []), *super()._sources()]


class SceneSettings(Settings):
    """Works on one scene of a storyboard, or on all that are not locked."""

    storyboard: Path = Field(description="the storyboard.yaml that is worked on")
    scene: str = Field("", max_length=40, description="the scene's id; empty: all that are not locked")
    do: Literal["draw", "write", "speak", "preview"] = Field(
        "draw", description="draw its picture, write its words, speak them, or film it small"
    )
    count: int = Field(4, ge=1, le=8, description="how many pictures or wordings of a scene are offered")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="another number gives other offers")
