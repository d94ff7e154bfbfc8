"""Settings of what comes before a training: labelling pictures, reading and sorting texts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
)

from core.settings.base import Settings

KindOfTexts = Literal["narration", "pitch", "talk", "continue"]


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
