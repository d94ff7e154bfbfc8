"""Speaks a narration and knows when each word is said.

Works on one text at a time: text in, mono samples at 48 kHz and word times out. Knows nothing about scenes,
music or pictures. The embedded voice is hibari: English, one female speaker.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.jobs import Mistake
from core.project import replacing
from core.texts.speech import CHARACTERS_PER_SECOND, WORDS_PER_SECOND, spoken_seconds

Samples = np.ndarray

RATE = 48_000  # samples a second, everywhere in core.video
EDGE = 0.04  # seconds of silence kept before the first and after the last sound
CJK = re.compile("[\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff]")
OPENING = "“‘（《〈「『【〔"  # belongs to the character after it; any other sign to the one before
# hibari 0.2 predicts a duration for each phoneme in steps of two spectrum frames; this tensor is their
# running sum. The exported graph doesn't list it among its outputs, so `_Voice` adds it.
DURATIONS = "/CumSum_output_0"
STEP_SAMPLES = 600
EARLY_SAMPLES = 720  # sounds begin about 30 ms before their phoneme's frames, seen at stops and onsets


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


def speak(
    text: str, voice: str = "hibari", speed: float = 1.0, pitch: float = 0.0, cache: Path | None = None
) -> Speech:
    """`text` spoken by `voice` ("none": silence of the length it takes to read), `pitch` in semitones.

    A spoken text is kept in the folder `cache` under a hash of all that went into it. Raises Mistake for a
    text that the voice can't speak.
    """
    if voice == "none":
        return silent(text, speed)
    key = hashlib.sha256(json.dumps([voice, text, speed, pitch, DURATIONS]).encode()).hexdigest()[:20]
    kept = cache / f"{key}.npz" if cache else None
    if kept and kept.exists():
        with np.load(kept) as file:
            words = tuple(
                Word(word, float(start), float(end))
                for word, (start, end) in zip(text.split(), file["times"], strict=True)
            )
            return Speech(text, file["samples"], words)
    speech = _hibari().speak(text, speed, pitch)
    if kept:
        with contextlib.suppress(Mistake), replacing(kept) as part, part.open("wb") as file:
            np.savez(file, samples=speech.samples, times=[(word.start, word.end) for word in speech.words])
    return speech


def seconds(text: str, voice: str = "hibari", speed: float = 1.0) -> float:
    """How long `speak` takes to say a text, in seconds: exact for "none", for a voice an estimate."""
    return read(text, speed)[1] if voice == "none" else spoken_seconds(text, speed)


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
    wide = len(CJK.findall(text))
    return wide / CHARACTERS_PER_SECOND if wide else (0.4 + 0.12 * len(text)) / WORDS_PER_SECOND


def split_words(text: str) -> list[str]:
    """Words with their punctuation; Chinese by character, each with the punctuation that follows it."""
    words: list[str] = []
    for piece in text.split():
        if CJK.search(piece):
            wide, plain = CJK.pattern, CJK.pattern[1:-1]
            words += re.findall(
                f"[{OPENING}]*{wide}[^\\w\\s{OPENING}]*|[^\\s{OPENING}{plain}]+|[{OPENING}]+", piece
            )
        else:
            words.append(piece)
    return words


class _Voice:
    """hibari with its phoneme durations made visible, which gives word times that are exact."""

    def __init__(self) -> None:
        import onnxruntime
        from hibari import Hibari

        self.tts: Any = Hibari()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # A protobuf message followed by a second one reads as both merged: this adds one output to the graph.
        output = _field(7, _field(12, _field(1, DURATIONS.encode())))
        model = Path(self.tts.model_path).read_bytes() + output
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def speak(self, text: str, speed: float, pitch: float) -> Speech:
        words = text.split()
        sentences = self.tts.split_sentences(text)
        if CJK.search(text):
            raise _unspeakable(text)
        parts: list[Samples] = []
        times: list[tuple[int, int]] = []
        done = 0
        for sentence in sentences:
            for phonemes in self.tts.phonemize(sentence):
                known = "".join(character for character in phonemes if character in self.tts.vocab)
                samples, starts = self._synthesise(known, speed, pitch)
                times += [(done + start, done + end) for start, end in group_times(known, starts)]
                parts.append(samples)
                done += len(samples)
        if not times:
            raise _unspeakable(text)
        samples = np.concatenate(parts)
        spans = spread(times, [len(self._groups(word)) for word in words])
        first, last = _sound(samples, self.tts.sample_rate)
        trimmed = _resampled(samples[first:last])
        plain = [
            (max(0.0, (start - first) / self.tts.sample_rate), (end - first) / self.tts.sample_rate)
            for start, end in spans
        ]
        seconds = len(trimmed) / RATE
        if not 0.06 * len(words) < seconds < 2.5 * len(words) + 2:
            raise _unspeakable(text)
        timed = tuple(
            Word(word, start, min(end, seconds)) for word, (start, end) in zip(words, plain, strict=True)
        )
        return Speech(text, trimmed, timed)

    def _synthesise(self, phonemes: str, speed: float, pitch: float) -> tuple[Samples, list[int]]:
        """Samples at the voice's own rate, and where in them each phoneme starts, and the last one ends."""
        from hibari import dsp

        ids = np.asarray([self.tts.ids(phonemes)], np.int64)
        made = self.session.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
        *spectrum, f0 = (output[0] for output in made[:6])
        # The pitch is an input of the synthesis, apart from the spectrum, so the timbre stays as it is.
        samples = dsp.synth(*spectrum, f0 * np.float32(2 ** (pitch / 12)), np.random.default_rng(0))
        return samples, [int(end) * STEP_SAMPLES - EARLY_SAMPLES for end in made[6].ravel()[:-1]]

    def _groups(self, word: str) -> list[str]:
        return [group for phonemes in self.tts.phonemize(word) for group in spoken_groups(phonemes)]


@functools.cache
def _hibari() -> _Voice:
    return _Voice()


def _unspeakable(text: str) -> Mistake:
    return Mistake(
        "The voice hibari speaks English only and can't say {text!r}; "
        "write it in English, or choose the voice none.",
        text=text[:60],
    )


def _field(number: int, data: bytes) -> bytes:
    """One length-delimited protobuf field, for data of fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def spoken_groups(phonemes: str) -> list[str]:
    """The space-separated groups of a phoneme string that make a sound: punctuation alone does not."""
    return [group for group in phonemes.split(" ") if re.search(r"\w", group)]


def group_times(phonemes: str, starts: list[int]) -> list[tuple[int, int]]:
    """Start and end (in samples) of each spoken group, from the sample at which each phoneme starts.

    Punctuation at a group's end is a pause, so it doesn't count to the word.
    """
    times: list[tuple[int, int]] = []
    at = 0
    for group in phonemes.split(" "):
        size = len(group)
        sounds = [index for index in range(size) if group[index].isalpha()]
        if sounds:
            first, last = at + sounds[0], at + sounds[-1]
            times.append((starts[first], starts[last + 1]))
        at += size + 1
    return times


def spread(times: list[tuple[int, int]], counts: list[int]) -> list[tuple[float, float]]:
    """Times of written words from those of spoken groups; `counts`: how many groups each word should take.

    Numbers and abbreviations are spoken as several groups. Where the counts don't add up (a word is spoken
    differently within its sentence), the words share the groups in proportion.
    """
    total = sum(counts)
    scale = len(times) / total if total else 0.0
    spans: list[tuple[float, float]] = []
    at = 0.0
    for count in counts:
        first = min(int(at + 1e-6), len(times) - 1)
        at += count * scale
        last = max(first, min(round(at) - 1, len(times) - 1))
        start, end = times[first][0], times[last][1]
        spans.append((start, end if count else start))
    return spans


def _sound(samples: Samples, rate: int) -> tuple[int, int]:
    """First and last sample of what is heard (above −45 dB of the peak), with `EDGE` around it."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (-45 / 20))
    edge = int(EDGE * rate)
    return max(0, int(loud[0]) - edge), min(len(samples), int(loud[-1]) + edge)


def _resampled(samples: Samples) -> Samples:
    """24 kHz to 48 kHz."""
    from scipy.signal import resample_poly

    return resample_poly(samples, 2, 1).astype(np.float32)
