"""Notes, instruments and a loop they are played into, for assets/build/music.py.

An instrument turns a note into samples by adding partials, each with its own decay. Notes and reverb wrap
around the loop's end, so that it passes into its start unheard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RATE = 48_000
Wave = np.ndarray
Instrument = Callable[[float, float, float, np.random.Generator], Wave]
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "fs": 6, "g": 7, "gs": 8, "a": 9, "b": 11}


@dataclass(frozen=True)
class Note:
    """Pitch as a MIDI number, start and length in beats, velocity 0 to 1, place from −1 (left) to 1."""

    pitch: float
    start: float
    length: float
    velocity: float = 0.8
    place: float = 0.0


class Loop:
    """A stereo loop of a number of beats, into which notes are played."""

    def __init__(self, beats: float, tempo: float, seed: int) -> None:
        self.beat = 60 / tempo
        self.samples = np.zeros((round(beats * self.beat * RATE), 2))
        self.luck = np.random.default_rng(seed)

    def play(
        self, notes: Sequence[Note], instrument: Instrument, gain: float = 1.0, loose: float = 0.012
    ) -> None:
        """Plays notes; `loose` is how far a player is off the grid, in seconds (standard deviation)."""
        for note in notes:
            seconds = note.start * self.beat + self.luck.normal(0, loose)
            velocity = note.velocity * self.luck.uniform(0.85, 1.05)
            frequency = 440 * 2 ** ((note.pitch - 69) / 12)
            wave = instrument(frequency, note.length * self.beat, velocity, self.luck) * velocity * gain
            angle = (note.place + 1) * np.pi / 4
            self.add(seconds, wave[:, None] * np.array([np.cos(angle), np.sin(angle)]))

    def add(self, seconds: float, wave: Wave) -> None:
        """Adds stereo samples from a moment on; what reaches past the end goes on at the start."""
        size = len(self.samples)
        at = round(seconds * RATE) % size
        while len(wave):
            part = wave[: size - at]
            self.samples[at : at + len(part)] += part
            wave, at = wave[len(part) :], 0

    def reverb(self, seconds: float, share: float, dark: float) -> None:
        """A hall: exponentially fading noise, weak above `dark` Hz, as a circular convolution."""
        size = len(self.samples)
        now = np.arange(round(seconds * 1.6 * RATE)) / RATE
        answer = self.luck.normal(size=(len(now), 2)) * np.exp(-6.9 * now / seconds)[:, None]
        answer[: round(0.012 * RATE)] *= 0.2
        spectrum = np.fft.rfft(answer, size, axis=0)
        spectrum /= 1 + (np.fft.rfftfreq(size, 1 / RATE)[:, None] / dark) ** 2
        wet = np.fft.irfft(np.fft.rfft(self.samples, axis=0) * spectrum, size, axis=0)
        wet *= np.sqrt((self.samples**2).mean() / (wet**2).mean())
        self.samples = self.samples * (1 - share) + wet * share

    def echo(self, beats: float, strength: float, times: int = 3) -> None:
        """Repeats that change sides, each weaker."""
        dry = self.samples.copy()
        for turn in range(1, times + 1):
            shift = round(beats * turn * self.beat * RATE)
            self.samples += np.roll(dry, shift, 0)[:, :: (-1) ** turn] * strength**turn

    def mastered(self) -> Wave:
        """Without rumble, softly held together, its peak at −3 dB."""
        spectrum = np.fft.rfft(self.samples, axis=0)
        hertz = np.fft.rfftfreq(len(self.samples), 1 / RATE)[:, None]
        made = np.fft.irfft(spectrum * (hertz**4 / (hertz**4 + 35.0**4)), len(self.samples), axis=0)
        made /= np.abs(made).std() * 8
        made = np.tanh(made)
        return (made / np.abs(made).max() * 10 ** (-3 / 20)).astype(np.float32)


def partials(
    frequency: float,
    seconds: float,
    ratios: Sequence[float],
    levels: Sequence[float],
    decays: Sequence[float],
    luck: np.random.Generator,
    bend: Wave | None = None,
) -> Wave:
    """A sum of sines: `ratios` to the frequency, each at its level, fading within its decay in seconds."""
    now = np.arange(round(seconds * RATE)) / RATE
    turn = np.cumsum(np.full(len(now), frequency) * (1 if bend is None else bend[: len(now)])) / RATE
    wave = np.zeros(len(now))
    for ratio, level, decay in zip(ratios, levels, decays, strict=True):
        if frequency * ratio < RATE * 0.42:
            wave += level * np.sin(2 * np.pi * (turn * ratio + luck.random())) * np.exp(-now / decay)
    return wave


def ends(wave: Wave, attack: float, release: float) -> Wave:
    """Rises in `attack` seconds and falls in the last `release` seconds."""
    rise, fall = max(1, round(attack * RATE)), max(1, round(release * RATE))
    wave[:rise] *= np.linspace(0, 1, rise)[: len(wave)]
    wave[-fall:] *= np.linspace(1, 0, fall)[-len(wave) :]
    return wave


def zither(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A plucked silk string: bright at once, mellow after, with a slow vibrato on long notes."""
    long = max(2.2, seconds + 1.2)
    now = np.arange(round(long * RATE)) / RATE
    depth = 0.0035 * np.clip(now - 0.35, 0, 0.6) if seconds > 0.8 else 0 * now
    bend = 1 + depth * np.sin(2 * np.pi * 5.2 * now) - 0.004 * np.exp(-now / 0.03)
    order = np.arange(1, 15)
    ratios = order * np.sqrt(1 + 0.00012 * order**2)
    levels = np.abs(np.sin(np.pi * order * 0.13)) / order ** (1.5 - 0.5 * velocity)
    decays = (2.4 * (220 / frequency) ** 0.35) / (1 + 0.34 * (order - 1))
    wave = partials(frequency, long, list(ratios), list(levels), list(decays), luck, bend)
    pick = luck.normal(size=len(now)) * np.exp(-now / 0.004) * 0.12
    return ends(wave + pick, 0.002, 0.6)


def pad(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A warm chord voice: three detuned bundles of soft partials that breathe in and out."""
    long = seconds + 1.6
    wave = np.zeros(round(long * RATE))
    for detune in (-0.0032, 0.0, 0.0029):
        order = np.arange(1, 9)
        levels = 1 / order**1.9
        wave += partials(frequency * (1 + detune), long, list(order), list(levels), [1e9] * 8, luck)
    now = np.arange(len(wave)) / RATE
    wave *= 1 + 0.15 * np.sin(2 * np.pi * (0.21 * now + luck.random()))
    return ends(wave / 3, 0.9, 1.5)


def flute(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A breathy bamboo flute, far away."""
    long = seconds + 0.25
    now = np.arange(round(long * RATE)) / RATE
    bend = 1 + 0.005 * np.clip(now - 0.3, 0, 0.8) * np.sin(2 * np.pi * 4.8 * now)
    wave = partials(frequency, long, [1, 2, 3, 4], [1, 0.28, 0.1, 0.04], [1e9] * 4, luck, bend)
    breath = np.convolve(luck.normal(size=len(now)), np.hanning(24) / 12, "same") * 0.035
    return ends(wave + breath, 0.14, 0.22)


def sub(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A round bass."""
    return ends(partials(frequency, seconds, [1, 2, 3], [1, 0.35, 0.08], [1.6, 0.7, 0.4], luck), 0.012, 0.09)


def glass(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A small bell of an electric piano."""
    levels = [1, 0.22 * velocity, 0.3, 0.1 * velocity, 0.05]
    wave = partials(frequency, 2.0, [1, 2, 3, 7.02, 10], levels, [0.75, 0.5, 0.3, 0.09, 0.05], luck)
    return ends(wave, 0.003, 0.5)


def marimba(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """Wooden bars: the fourth and tenth partial, soon gone, over a short ground."""
    ring = 0.42 * (262 / frequency) ** 0.5
    wave = partials(
        frequency,
        1.4,
        [1, 3.93, 9.6],
        [1, 0.32 * velocity, 0.12 * velocity],
        [ring, ring / 4, ring / 9],
        luck,
    )
    now = np.arange(len(wave)) / RATE
    return ends(wave + luck.normal(size=len(now)) * np.exp(-now / 0.003) * 0.08, 0.001, 0.3)


def ukulele(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """Nylon strings, short."""
    order = np.arange(1, 10)
    levels = np.abs(np.sin(np.pi * order * 0.21)) / order**1.5
    decays = 0.55 * (330 / frequency) ** 0.3 / (1 + 0.45 * (order - 1))
    return ends(partials(frequency, 1.1, list(order), list(levels), list(decays), luck), 0.002, 0.3)


def kick(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A soft drum: a sine that falls from 110 to 46 Hz."""
    now = np.arange(round(0.4 * RATE)) / RATE
    wave = np.sin(2 * np.pi * np.cumsum(46 + 64 * np.exp(-now / 0.035)) / RATE) * np.exp(-now / 0.12)
    return ends(wave, 0.002, 0.05)


def noise(low: float, high: float, decay: float, attack: float = 0.002) -> Instrument:
    """A burst of noise between two frequencies: brushes, shakers, hats."""

    def play(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
        size = round((decay * 6 + attack) * RATE)
        hertz = np.fft.rfftfreq(size, 1 / RATE)
        band = np.fft.rfft(luck.normal(size=size)) / (1 + (low / np.maximum(hertz, 1)) ** 4)
        wave = np.fft.irfft(band / (1 + (hertz / high) ** 4), size)
        return ends(wave / wave.std() * 0.3 * np.exp(-np.arange(size) / RATE / decay), attack, 0.01)

    return play


def chord(
    pitches: Sequence[int], start: float, length: float, velocity: float, spread: float = 0.5
) -> list[Note]:
    """A chord's notes, spread from left to right."""
    places = np.linspace(-spread, spread, len(pitches))
    return [Note(p, start, length, velocity, float(x)) for p, x in zip(pitches, places, strict=True)]


def tune(
    line: str, start: float, octave: int, names: dict[str, int], velocity: float, place: float = 0
) -> list[Note]:
    """A melody written as `name[+|-]:beats` words; `.` rests. `names` gives each name's semitone."""
    notes: list[Note] = []
    for word in line.split():
        name, _, beats = word.partition(":")
        length = float(beats)
        if name != ".":
            shift = 12 * (name.count("+") - name.count("-"))
            notes.append(Note(names[name.rstrip("+-")] + 12 * octave + shift, start, length, velocity, place))
        start += length
    return notes


def piano(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A felted upright: stiff strings in twos a little apart, a soft hammer, a damper at the note's end."""
    long = seconds + 0.5
    order = np.arange(1, 13)
    ratios = order * np.sqrt(1 + 0.0004 * order**2)
    levels = np.exp(-(order - 1) * (1.0 - 0.35 * velocity)) * (0.6 + 0.4 * np.abs(np.sin(np.pi * order / 8)))
    decays = 3.2 * (220 / frequency) ** 0.5 / (1 + 0.45 * (order - 1))
    wave = np.zeros(round(long * RATE))
    for detune in (0.9997, 1.0004):
        wave += partials(frequency * detune, long, list(ratios), list(levels), list(decays), luck) / 2
    now = np.arange(len(wave)) / RATE
    hammer = np.convolve(luck.normal(size=len(now)), np.hanning(40) / 20, "same") * np.exp(-now / 0.012)
    return ends(wave + 0.1 * hammer, 0.004, 0.45)


def tines(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """An electric piano of the seventies: a bell over a round tone, swaying from side to side in loudness."""
    long = seconds + 0.35
    wave = partials(
        frequency,
        long,
        [1, 2, 3, 14.1],
        [1, 0.34 * velocity, 0.1, 0.07 * velocity],
        [1.9, 0.9, 0.5, 0.06],
        luck,
    )
    now = np.arange(len(wave)) / RATE
    return ends(wave * (1 + 0.18 * np.sin(2 * np.pi * (4.6 * now + luck.random()))), 0.004, 0.3)


def pluck(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """Strings plucked with a finger: full at once, gone in a third of a second."""
    order = np.arange(1, 11)
    levels = np.abs(np.sin(np.pi * order * 0.28)) / order**1.3
    decays = 0.34 * (260 / frequency) ** 0.4 / (1 + 0.5 * (order - 1))
    wave = partials(frequency, 0.9, list(order), list(levels), list(decays), luck)
    now = np.arange(len(wave)) / RATE
    return ends(wave + luck.normal(size=len(now)) * np.exp(-now / 0.005) * 0.05, 0.003, 0.3)


def strings(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A section of bows: seven players a little apart, each with a vibrato of their own."""
    long = seconds + 0.3
    now = np.arange(round(long * RATE)) / RATE
    order = np.arange(1, 13)
    levels = 1 / order ** (1.9 - 0.5 * velocity)
    wave = np.zeros(len(now))
    for _ in range(7):
        sway = np.sin(2 * np.pi * (luck.normal(5.4, 0.3) * now + luck.random()))
        bend = 1 + luck.normal(0, 0.0018) + 0.0028 * sway
        wave += partials(frequency, long, list(order), list(levels), [1e9] * 12, luck, bend)
    return ends(wave / 7, min(0.07, seconds / 3), 0.28)


def saw(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A synthesiser's line: bright at its start, closing like a filter."""
    order = np.arange(1, 17)
    decays = 0.5 / (1 + 0.4 * (order - 1))
    wave = partials(frequency, seconds + 0.1, list(order), list(1 / order**1.1), list(decays), luck)
    return ends(wave, 0.003, 0.08)


def big_drum(frequency: float, seconds: float, velocity: float, luck: np.random.Generator) -> Wave:
    """A barrel drum in a hall: a skin that falls from 120 to 62 Hz, and the stick's knock."""
    now = np.arange(round(1.1 * RATE)) / RATE
    skin = np.sin(2 * np.pi * np.cumsum(62 + 58 * np.exp(-now / 0.03)) / RATE) * np.exp(-now / 0.32)
    knock = np.convolve(luck.normal(size=len(now)), np.hanning(30) / 15, "same") * np.exp(-now / 0.03)
    return ends(skin + 0.35 * knock, 0.002, 0.3)
