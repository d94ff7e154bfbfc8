"""What is spoken: samples, and when each word is said.

Plain data that every voice gives and that mix, captions and timeline take; and how a text without a voice is
read. Knows nothing about who speaks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from core.texts.letters import WIDE
from core.texts.speech import CHARACTERS_PER_SECOND, WORDS_PER_SECOND

Samples = np.ndarray

RATE = 48_000  # samples a second, everywhere in core.video
EDGE = 0.04  # seconds of silence kept before the first and after the last sound
OPENING = "“‘（《〈「『【〔"  # belongs to the character after it; any other sign to the one before
CURRENCY = "¥￥$€£"  # to the number after it
CLOSING = "，。！？；：、）》〉」』】〕"  # ends a word of Latin letters, too, where no space does


@dataclass(frozen=True)
class Word:
    """A word as it is written, with its punctuation, and when it is said: seconds from the speech's start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """A spoken text: mono float32 samples [n] at 48 kHz (all zero where nobody speaks), and its words."""

    text: str
    samples: Samples
    words: tuple[Word, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


def silent(text: str, speed: float = 1.0) -> Speech:
    """Silence with word times, at a reader's pace: for a video without a voice."""
    words, length = read(text, speed)
    return Speech(text, np.zeros(round(length * RATE), np.float32), words)


def read(text: str, speed: float = 1.0) -> tuple[tuple[Word, ...], float]:
    """A text's words as a reader takes them, and the seconds until the pause after the last."""
    words: list[Word] = []
    now = EDGE
    for piece in split_words(text):
        taken = reading_seconds(piece) / speed
        words.append(Word(piece, now, now + taken))
        now += taken + (0.25 / speed if piece[-1] in ".,;:!?…。，；：！？、" else 0.0)
    return tuple(words), now + EDGE


def reading_seconds(text: str) -> float:
    """How long one word, or a run of Chinese, takes to read aloud, in seconds."""
    wide = len(WIDE.findall(text))
    return wide / CHARACTERS_PER_SECOND if wide else (0.4 + 0.12 * len(text)) / WORDS_PER_SECOND


def split_words(text: str) -> list[str]:
    """Words with their punctuation; Chinese by character, each with the punctuation that follows it."""
    words: list[str] = []
    for piece in text.split():
        if WIDE.search(piece):
            wide, plain = WIDE.pattern, WIDE.pattern[1:-1]
            words += re.findall(
                rf"[{OPENING}]*{wide}[^\w\s{OPENING}{CURRENCY}]*"
                rf"|[^\s{OPENING}{plain}{CLOSING}]+[{CLOSING}]*|[{OPENING}{CLOSING}]+",
                piece,
            )
        else:
            words.append(piece)
    return words
