"""hibari speaks English: one woman, distilled from Kokoro's af_heart, 8 MB in its own package (Apache-2.0).

Quick (130 times real time) and small, so it is there where Kokoro isn't.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Sentence
from core.texts.letters import WIDE
from core.video.audio.speech import Samples, Speech, Word
from core.video.audio.voices import graph
from core.video.audio.voices.engine import Voice, at_rate, folder_of, lacking, unspeakable

# hibari 0.2 predicts a duration for each phoneme in steps of two spectrum frames; this tensor is their
# running sum. The exported graph doesn't list it among its outputs, so `_Model` adds it.
DURATIONS = "/CumSum_output_0"
STEP_SAMPLES = 600
EARLY_SAMPLES = 720  # sounds begin about 30 ms before their phoneme's frames, seen at stops and onsets


class Hibari:
    """hibari as an engine."""

    name = "hibari"
    licence = "Apache-2.0"
    blends = False
    languages = ("en",)
    voices = (Voice("heart", "hibari", "en", woman=True, region="US"),)

    def place(self) -> Path:
        """The package's folder."""
        return folder_of("hibari")

    def missing(self) -> Sentence | None:
        """Whether its package is there."""
        if self.place().is_dir():
            return None
        return lacking(self.name, "hibari-tts")

    def say(self, text: str, voice: str, language: str, speed: float, pitch: float) -> Speech:
        """As `Engine.say`; the pitch is an input of its synthesis, so the timbre stays as it is."""
        return _loaded().speak(text, speed, pitch)

    def rest(self) -> None:
        """Lets the model go."""
        _loaded.cache_clear()


class _Model:
    """hibari with its phoneme durations made visible, which gives word times that are exact."""

    def __init__(self) -> None:
        import onnxruntime
        from hibari import Hibari

        self.tts: Any = Hibari()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        model = Path(self.tts.model_path).read_bytes() + graph.reading(DURATIONS)
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def speak(self, text: str, speed: float, pitch: float) -> Speech:
        words = text.split()
        if WIDE.search(text):
            raise unspeakable("hibari", text)
        parts: list[Samples] = []
        times: list[tuple[int, int]] = []
        done = 0
        for sentence in self.tts.split_sentences(text):
            for phonemes in self.tts.phonemize(sentence):
                known = "".join(character for character in phonemes if character in self.tts.vocab)
                samples, starts = self._synthesise(known, speed, pitch)
                times += [(done + start, done + end) for start, end in group_times(known, starts)]
                parts.append(samples)
                done += len(samples)
        rate = self.tts.sample_rate
        if not times or not 0.06 * len(words) < done / rate < 2.5 * len(words) + 2:
            raise unspeakable("hibari", text)
        spans = spread(times, [len(self._groups(word)) for word in words])
        timed = tuple(
            Word(word, *(at / rate for at in span)) for word, span in zip(words, spans, strict=True)
        )
        return Speech(text, at_rate(np.concatenate(parts), rate), timed)

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
def _loaded() -> _Model:
    return _Model()


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
