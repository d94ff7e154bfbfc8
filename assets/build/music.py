"""Composes and synthesises assets/music: three loops, original, given away under CC0.

    python -m assets.build.music [calm|night|bright ...]

A piece is a list of notes on a beat grid; an instrument turns a note into samples by adding partials, each
with its own decay. Notes and reverb wrap around the loop's end, so that it passes into its start unheard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 48_000
TARGET = Path(__file__).resolve().parent.parent / "music"
Wave = np.ndarray
Instrument = Callable[[float, float, float, np.random.Generator], Wave]


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


STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "fs": 6, "g": 7, "gs": 8, "a": 9, "b": 11}


def calm() -> Wave:
    """Zither over a slow pad in D pentatonic, a flute answering in the second half; 58 beats a minute."""
    loop = Loop(48, 58, seed=3)
    d, bm, g, a, em = [38, 50, 57, 62], [35, 47, 54, 62], [31, 50, 55, 59], [33, 52, 57, 61], [40, 52, 55, 59]
    bars = [d, bm, g, a, d, bm, em, a, g, d, em, d]
    for bar, pitches in enumerate(bars):
        loop.play(chord([p + 12 for p in pitches[1:]], bar * 4, 4, 0.5, 0.7), pad, 0.16)
        roll = [
            Note(p, bar * 4 + at, 1.5, 0.45 - 0.04 * index, -0.35 + 0.2 * index)
            for index, (p, at) in enumerate(zip([*pitches[:3], pitches[3]], (0, 1, 1.5, 2.5), strict=True))
        ]
        loop.play(roll, zither, 0.3)
    lines = [
        "d+:1.5 b:.5 a:2 | .:1 fs:.5 a:.5 b:2 | d+:1 b:.5 a:.5 fs:2 | e:3 .:1",
        "d+:1.5 e+:.5 fs+:2 | e+:.5 d+:.5 b:3 | .:.5 b:.5 a:1 fs:2 | e:1 fs:.5 a:2.5",
        ".:2 b:1 d+:1 | a:3 .:1 | b:.5 a:.5 fs:1 e:2 | d:4",
    ]
    for part, line in enumerate(lines):
        melody = tune(line.replace("|", ""), part * 16, 5, STEPS, 0.75, 0.12)
        graces = [
            Note(note.pitch + 2, note.start - 0.09, 0.1, 0.3, note.place)
            for note in melody
            if note.length >= 2
        ]
        loop.play(melody, zither, 0.5, 0.018)
        loop.play(graces, zither, 0.35, 0.004)
    loop.play(
        tune(".:18 fs+:3 e+:1 d+:4 .:6 d+:2 e+:2 fs+:2 e+:1 d+:1 b:4", 0, 4, STEPS, 0.5, -0.4), flute, 0.12
    )
    for start in (15.2, 31.2):
        run = [
            Note(pitch, start + 0.085 * i, 0.4, 0.25 + 0.02 * i, -0.4 + 0.1 * i)
            for i, pitch in enumerate((62, 64, 66, 69, 71, 74, 76, 78, 81))
        ]
        loop.play(run, zither, 0.3, 0.006)
    loop.reverb(2.6, 0.3, 3800)
    return loop.mastered()


def night() -> Wave:
    """Slow pads in A minor, a round bass, a soft beat and glassy echoes; 80 beats a minute."""
    loop = Loop(64, 80, seed=5)
    chords = [[57, 60, 64, 71], [53, 57, 60, 64], [48, 55, 64, 67], [55, 59, 62, 69]]
    roots = [33, 29, 36, 31]
    for bar in range(16):
        at, pitches, root = bar * 4, chords[bar // 2 % 4], roots[bar // 2 % 4]
        if bar % 2 == 0:
            loop.play(chord(pitches, at, 8, 0.6, 0.8), pad, 0.22)
        steps = ((0, 0, 1.4, 0.8), (0, 1.5, 0.45, 0.55), (12, 2.5, 0.5, 0.5), (7, 3.25, 0.6, 0.5))
        bass = [Note(root + up, at + beat, length, loud) for up, beat, length, loud in steps]
        loop.play(bass, sub, 0.34)
        loop.play([Note(36, at, 1, 0.9), Note(36, at + 2.5, 1, 0.6)], kick, 0.5, 0.004)
        loop.play(
            [Note(60, at + 1, 1, 0.7, 0.1), Note(60, at + 3, 1, 0.75, 0.1)],
            noise(900, 5200, 0.055),
            0.16,
            0.006,
        )
        hats = [
            Note(60, at + 0.5 * i + (0.06 if i % 2 else 0), 1, 0.5 if i % 2 else 0.3, -0.3) for i in range(8)
        ]
        loop.play(hats, noise(6500, 12000, 0.02), 0.09, 0.006)
    bells = Loop(64, 80, seed=6)
    order = [0, 2, 3, 1, 2, 0, 3, 2]
    for bar in range(16):
        pitches = chords[bar // 2 % 4]
        hits = [
            Note(pitches[order[i]] + 12, bar * 4 + 0.5 * i, 0.5, 0.4 + 0.2 * (i % 3 == 0), 0.5 - 0.14 * i)
            for i in range(8)
            if (i + bar) % 4 != 3 and (bar % 8 > 1 or i % 2 == 0)
        ]
        bells.play(hits, glass, 0.2)
    lead = "e+:3 d+:1 c+:2 b:2 .:1 a:3 g:1 a:3 .:2 e+:2 g+:2 e+:2 d+:3 b:1 a:4"
    bells.play(tune(lead, 32, 5, STEPS, 0.6, -0.15), glass, 0.24)
    bells.echo(0.75, 0.42)
    loop.samples += bells.samples
    loop.reverb(2.2, 0.24, 3200)
    return loop.mastered()


def bright() -> Wave:
    """Ukulele off the beat, a marimba tune, shaker and a light drum in C; 108 beats a minute."""
    loop = Loop(64, 108, seed=9)
    c, g, am, f = [60, 64, 67, 72], [59, 62, 67, 71], [57, 64, 69, 72], [57, 60, 65, 69]
    bars = [c, g, am, f, c, g, f, g, c, g, am, f, f, c, g, c]
    roots = [36, 43, 45, 41, 36, 43, 41, 43, 36, 43, 45, 41, 41, 36, 43, 36]
    for bar, (pitches, root) in enumerate(zip(bars, roots, strict=True)):
        at = bar * 4
        for beat, strength in ((0, 0.5), (1, 0.75), (1.5, 0.45), (2.5, 0.5), (3, 0.75), (3.5, 0.4)):
            order = pitches if beat in (0, 1, 3) else pitches[::-1]
            strum = [Note(p, at + beat + 0.022 * i, 0.6, strength, -0.35) for i, p in enumerate(order)]
            loop.play(strum, ukulele, 0.2, 0.006)
        steps = ((0, 0, 1.2, 0.8), (7, 2, 0.9, 0.65), (0, 3.5, 0.4, 0.5))
        loop.play([Note(root + up, at + beat, long, loud) for up, beat, long, loud in steps], sub, 0.3)
        loop.play([Note(36, at, 1, 0.7), Note(36, at + 2, 1, 0.6)], kick, 0.3, 0.004)
        shakes = [Note(60, at + 0.5 * i, 1, 0.6 if i % 2 else 0.35, 0.4) for i in range(8)]
        loop.play(shakes, noise(5000, 11000, 0.03, 0.015), 0.08, 0.006)
        loop.play(
            [Note(60, at + 1, 1, 0.5, 0.15), Note(60, at + 3, 1, 0.55, 0.15)],
            noise(1500, 6000, 0.03),
            0.1,
            0.006,
        )
    lines = [
        "e:.5 g:.5 c+:1 b:.5 a:.5 g:1 d:.5 g:.5 b:1 a:.5 g:.5 d:1 e:.5 a:.5 c+:1 b:.5 a:.5 e:1"
        " f:.5 a:.5 c+:1 a:2",
        "e:.5 g:.5 c+:1 d+:.5 c+:.5 g:1 d:.5 g:.5 b:1 d+:1 b:1 a:1 c+:.5 a:.5 f:1 a:1 g:1 b:.5 d+:.5 b:1 g:1",
        ".:1 e+:.5 d+:.5 c+:1 g:1 .:1 d+:.5 c+:.5 b:1 g:1 .:1 c+:.5 b:.5 a:1 e:1 .:1 a:.5 g:.5 f:2",
        "a:.5 c+:.5 f+:1 e+:.5 d+:.5 c+:1 g:.5 c+:.5 e+:1 d+:.5 c+:.5 g:1"
        " b:.5 d+:.5 g+:1 f+:.5 d+:.5 b:1 c+:2 .:2",
    ]
    for part, line in enumerate(lines):
        melody = tune(line, part * 16, 5, STEPS, 0.75, 0.2)
        loop.play(melody, marimba, 0.42, 0.008)
        if part in (1, 3):
            low = [
                Note(note.pitch - 12, note.start, note.length, 0.5, 0.35)
                for note in melody
                if note.length >= 1
            ]
            loop.play(low, marimba, 0.26, 0.008)
    loop.reverb(1.1, 0.16, 5200)
    return loop.mastered()


PIECES = {"calm": calm, "night": night, "bright": bright}


def write(name: str, samples: Wave) -> Path:
    """Writes Ogg Vorbis, a second at a time: libsndfile overflows its stack on long blocks."""
    import soundfile

    TARGET.mkdir(parents=True, exist_ok=True)
    path = TARGET / f"{name}.ogg"
    with soundfile.SoundFile(
        path, "w", RATE, 2, format="OGG", subtype="VORBIS", compression_level=0.78
    ) as file:
        for at in range(0, len(samples), RATE):
            file.write(samples[at : at + RATE])
    return path


if __name__ == "__main__":
    for piece in sys.argv[1:] or PIECES:
        print(write(piece, PIECES[piece]()))
