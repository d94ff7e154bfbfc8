"""espeak-ng speaks many languages, plainly: for what nothing else here speaks, or where it is chosen.

It is GPL-3.0, so the studio neither carries nor installs it, and loads its library (from the package
espeakng-loader) only when it is to speak.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import numpy as np

from core.messages import Sentence
from core.video.audio.speech import Speech, Word, split_words
from core.video.audio.voices.engine import Voice, at_rate, folder_of, lacking, unspeakable

PACKAGE = "espeakng-loader"
WORDS_A_MINUTE = 165  # what it takes for speed 1: about Kokoro's pace
# Of espeak-ng/speak_lib.h: how it is asked, and what it tells.
SYNCHRONOUS, UTF8, BY_CHARACTER, RATE_PARAMETER, PITCH_PARAMETER, WORD_EVENT = 2, 1, 1, 1, 3, 1
MIDDLE, AN_OCTAVE = 50, 68  # of its pitch, 0 to 100: its own, and an octave (25 made 4.4 semitones)


class Espeak:
    """espeak-ng as an engine."""

    name = "espeak"
    licence = "GPL-3.0-or-later"
    blends = False
    voices = (
        Voice("en-us", "espeak", "en", region="US"),
        Voice("en-gb", "espeak", "en", region="GB"),
        Voice("cmn", "espeak", "zh"),
        *(Voice(code, "espeak", code) for code in ("ko", "ru", "ar", "he", "el", "hi")),
        *(Voice(code, "espeak", code) for code in ("es", "fr", "de", "it", "pt")),
    )
    languages = tuple(dict.fromkeys(voice.language for voice in voices))

    def place(self) -> Path:
        """The loader's folder, with library and data."""
        return folder_of("espeakng_loader")

    def missing(self) -> Sentence | None:
        """Whether its package is there."""
        return None if self.place().is_dir() else lacking(self.name, PACKAGE)

    def say(self, text: str, voice: str, language: str, speed: float, pitch: float) -> Speech:
        """As `Engine.say`; its pitch reaches eight semitones up and down."""
        name = voice or next(one.name for one in self.voices if one.language == language)
        rate, samples, marks = loaded().speak(text, name, speed, pitch)
        if not marks or not samples.any():
            raise unspeakable(self.name, text)
        return Speech(text, at_rate(samples, rate), _timed(text, marks, len(samples) / rate))

    def rest(self) -> None:
        """Nothing is kept that takes room."""


class _Event(ctypes.Structure):
    """`espeak_EVENT`: what is heard when; text_position counts characters from 1, audio_position ms."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """The shared library: one for the process, as its state is."""

    def __init__(self) -> None:
        import espeakng_loader

        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = self.library.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
        self.parts: list[np.ndarray] = []
        self.marks: list[tuple[int, float]] = []
        self.heard = _Heard(self._hear)  # kept, or it would be collected while the library calls it
        self.library.espeak_SetSynthCallback(self.heard)

    def speak(
        self, text: str, voice: str, speed: float, pitch: float
    ) -> tuple[int, np.ndarray, list[tuple[int, float]]]:
        """Samples a second, samples, and (place of a character, seconds at which it begins)."""
        self.parts, self.marks = [], []
        self.library.espeak_SetVoiceByName(voice.encode())
        self.library.espeak_SetParameter(RATE_PARAMETER, round(WORDS_A_MINUTE * speed), 0)
        self.library.espeak_SetParameter(PITCH_PARAMETER, round(MIDDLE + AN_OCTAVE * pitch / 12), 0)
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, BY_CHARACTER, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        samples = np.concatenate([np.zeros(1, np.float32), *self.parts])
        return self.rate, samples, self.marks

    def _hear(
        self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if wave and count:
            self.parts.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32) / 32768)
        at = 0
        while events[at].type:
            if events[at].type == WORD_EVENT:
                self.marks.append((events[at].text_position - 1, events[at].audio_position / 1000))
            at += 1
        return 0


@functools.cache
def loaded() -> _Library:
    """The library, loaded at the first call."""
    return _Library()


def _timed(text: str, marks: list[tuple[int, float]], seconds: float) -> tuple[Word, ...]:
    """Written words with their times: between the marks that espeak gives, by their characters."""
    places, times = zip(*marks, (len(text), seconds), strict=True)
    words: list[Word] = []
    at = 0
    for word in split_words(text):
        at = text.index(word, at)
        start, end = np.interp([at, at + len(word)], places, times)
        words.append(Word(word, float(start), float(end)))
        at += len(word)
    return tuple(words)
