"""Speaks a narration and knows when each word is said: chooses the engine, and makes all of them alike.

Works on one text at a time: text in, mono samples at 48 kHz and word times out. Knows nothing about scenes,
music or pictures. A voice is written as one string:

    auto                        what speaks the text's language best here
    none                        nobody: silence of the length that reading takes
    kokoro                      an engine, and its own voice for the language
    kokoro:zf_xiaoxiao          a voice of it
    kokoro:af_heart+af_bella@0.3    two as one, the second's weight last
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, replace

import numpy as np

from core.messages import Mistake, Sentence, some
from core.texts.letters import language_of_letters
from core.texts.speech import spoken_seconds
from core.video.audio.level import levelled
from core.video.audio.speech import EDGE, RATE, Samples, Speech, Word, read, silent
from core.video.audio.voices.engine import Engine, Voice, blend_of, unspeakable
from core.video.audio.voices.espeak import Espeak
from core.video.audio.voices.hibari import Hibari
from core.video.audio.voices.kokoro import Kokoro

AUTO, NONE = "auto", "none"
ENGINES: tuple[Engine, ...] = (Kokoro(), Hibari(), Espeak())  # in this order, where none is named
LOUDNESS = -26.0  # LUFS of each line, whoever speaks: a deep voice's peaks lie 23 dB above it
FADE = 0.005  # seconds in which a line begins and ends, so that nothing clicks
LANGUAGES = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True)
class Choice:
    """Who speaks: an engine (None: nobody), its voice ("": its own for the language), and what to tell."""

    engine: Engine | None
    voice: str = ""
    note: Sentence | None = None


def speak(text: str, voice: str = AUTO, speed: float = 1.0, pitch: float = 0.0) -> Speech:
    """`text` spoken by `voice`, `pitch` in semitones: levelled, trimmed, without a click at its ends.

    Raises Mistake for a text that the voice can't speak.
    """
    language = language_of_letters(text)
    choice = check(voice, language)
    if choice.engine is None:
        return silent(text, speed)
    return finished(choice.engine.say(text, choice.voice, language, speed, pitch), choice.engine.name)


def rest() -> None:
    """Lets go of what engines have loaded."""
    for engine in ENGINES:
        engine.rest()


def seconds(text: str, voice: str = AUTO, speed: float = 1.0) -> float:
    """How long `speak` takes to say a text, in seconds: exact for "none", for a voice an estimate."""
    if voice == NONE:
        return read(text, speed)[1]
    return spoken_seconds(text, speed) * _pace(voice, language_of_letters(text))


@functools.cache  # asked for each line that a language model offers
def _pace(voice: str, language: str) -> float:
    """How long a voice takes against `spoken_seconds`; 1 for one that isn't known, or can't speak."""
    try:
        choice = check(voice, language)
    except Mistake:
        return 1.0
    if choice.engine is None:
        return 1.0
    paces = {one.name: one.pace for one in choice.engine.voices}
    own = next((one.name for one in choice.engine.voices if one.language == language), "")
    blend = blend_of(choice.voice or own)
    first, second = (paces.get(name, 1.0) for name in (blend.first, blend.second))
    return (1 - blend.weight) * first + blend.weight * second


def check(voice: str, language: str) -> Choice:
    """Who speaks a language (ISO 639-1) where `voice` is asked for; loads no model.

    Raises Mistake where there is no such voice, it doesn't speak that language, or its files are missing.
    """
    if voice == NONE:
        return Choice(None)
    if voice == AUTO:
        return _best(language)
    name, _, rest = voice.partition(":")
    engine = next((engine for engine in ENGINES if engine.name == name), None)
    if engine is None:
        known = [AUTO, NONE, *(engine.name for engine in ENGINES)]
        raise Mistake("There is no voice {voice}; there are {known}.", voice=voice, known=", ".join(known))
    _check_names(engine, rest)
    if language not in engine.languages:
        others = [other.name for other in ENGINES if language in other.languages]
        raise Mistake(
            "The voice {voice} speaks no {language}; choose {others}.",
            voice=voice,
            language=LANGUAGES.get(language, language),
            others=", ".join([AUTO, *others] if others else [NONE]),
        )
    lacking = engine.missing()
    if lacking:
        raise Mistake(lacking.template, **lacking.values)
    return Choice(engine, rest)


def offers(language: str) -> list[tuple[str, Voice]]:
    """The voices for a language that can be chosen here, each with the string that chooses it."""
    return [
        (f"{engine.name}:{voice.name}", voice)
        for engine in ENGINES
        if not engine.missing()
        for voice in engine.voices
        if voice.language == language
    ]


def mixable(voice: str) -> bool:
    """Whether a voice, as a setting names it, can be mixed with others of its engine."""
    return any(engine.blends and voice.startswith(f"{engine.name}:") for engine in ENGINES)


def _best(language: str) -> Choice:
    """The first engine that speaks a language here; what stands before it and is missing is told."""
    note = None
    for engine in ENGINES:
        if language not in engine.languages:
            continue
        lacking = engine.missing()
        if not lacking:
            if note:
                note = Sentence("{engine} speaks, as {missing}", engine=engine.name, missing=note)
            return Choice(engine, note=note)
        note = note or lacking
    if note:
        raise Mistake(note.template, **note.values)
    raise Mistake(
        "No voice here speaks {language}; write the text in another language, or choose the voice none.",
        language=LANGUAGES.get(language, language),
    )


def _check_names(engine: Engine, voice: str) -> None:
    """Raises Mistake where an engine has no voice of such a name, or can't mix two."""
    blend = blend_of(voice)
    known = [voice.name for voice in engine.voices]
    for name in filter(None, (blend.first, blend.second)):
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.5)
            raise Mistake(
                "{engine} has no voice {name}; there are {known}.",
                engine=engine.name,
                name=name,
                known=", ".join(near) or some(known),
            )
    if blend.second and not (engine.blends and blend.first):
        raise Mistake("{engine} can't mix voices; name one.", engine=engine.name)


def finished(speech: Speech, engine: str) -> Speech:
    """What an engine gave as every line is: at `LOUDNESS`, silence cut but `EDGE`, faded at its ends.

    Its words' times follow, in order and inside of it.
    """
    if not speech.samples.any():
        raise unspeakable(engine, speech.text)
    first, last = heard(speech.samples)
    samples = levelled(speech.samples[first:last], LOUDNESS)
    ramp = np.linspace(0, 1, min(round(FADE * RATE), len(samples) // 2), dtype=np.float32)
    samples[: len(ramp)] *= ramp
    samples[len(samples) - len(ramp) :] *= ramp[::-1]
    length, words = len(samples) / RATE, list[Word]()
    for word in speech.words:
        before = words[-1].start if words else 0.0
        start = min(max(before, word.start - first / RATE), length)
        words.append(replace(word, start=start, end=min(max(start, word.end - first / RATE), length)))
    return replace(speech, samples=samples, words=tuple(words))


def heard(samples: Samples) -> tuple[int, int]:
    """First and last sample of what is heard (above −45 dB of the peak), with `EDGE` around it."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (-45 / 20))
    edge = int(EDGE * RATE)
    return max(0, int(loud[0]) - edge), min(len(samples), int(loud[-1]) + edge)
