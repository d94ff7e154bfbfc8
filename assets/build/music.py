"""Composes assets/music: loops in nine moods, original, given away under CC0.

    python -m assets.build.music [calm|night|bright ...]

A piece is a list of notes on a beat grid, played by assets/build/instruments.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from assets.build.instruments import (
    RATE,
    STEPS,
    Loop,
    Note,
    Wave,
    big_drum,
    chord,
    flute,
    glass,
    kick,
    marimba,
    noise,
    pad,
    piano,
    pluck,
    saw,
    strings,
    sub,
    tines,
    tune,
    ukulele,
    zither,
)  # fmt: skip

TARGET = Path(__file__).resolve().parent.parent / "music"


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


def tender() -> Wave:
    """A felted piano alone in G, unhurried; 72 beats a minute."""
    loop = Loop(48, 72, seed=11)
    g, d, em, c, am, bm = ([43, 50, 59], [38, 50, 57], [40, 52, 59], [36, 48, 55], [45, 52, 60], [47, 54, 62])
    bars = [g, d, em, c, g, bm, c, d, em, am, c, d]
    for bar, (low, middle, high) in enumerate(bars):
        at = bar * 4
        hands = (
            (low, 0, 3.8, 0.55),
            (middle, 0.5, 1.4, 0.4),
            (high, 1, 1.4, 0.42),
            (middle + 12, 1.5, 1.4, 0.36),
        )
        more = (
            (high, 2, 1.4, 0.4),
            (middle, 2.5, 1.4, 0.36),
            (high, 3, 1, 0.38),
            (middle + 12, 3.5, 0.8, 0.3),
        )
        loop.play(
            [Note(p, at + b, long, loud, -0.25) for p, b, long, loud in hands + more], piano, 0.26, 0.014
        )
    lines = [
        "d+:1.5 b:.5 a:1 g:1 | a:2 fs:1 a:1 | g:1.5 b:.5 e+:1 d+:1 | c+:1 b:1 g:2",
        "d+:1.5 b:.5 a:1 g:1 | fs:2 b:1 d+:1 | e+:1.5 d+:.5 c+:1 b:1 | a:3 .:1",
        "g:1 b:1 e+:1.5 d+:.5 | c+:1 a:1 e:2 | e:1 g:1 c+:1.5 b:.5 | a:2 d:1 .:1",
    ]
    for part, line in enumerate(lines):
        melody = tune(line.replace("|", ""), part * 16, 5, STEPS, 0.62, 0.2)
        loop.play(melody, piano, 0.5, 0.016)
        if part == 1:
            loop.play([Note(n.pitch + 12, n.start, n.length, 0.3, 0.35) for n in melody], piano, 0.22, 0.02)
    loop.reverb(2.0, 0.22, 4200)
    return loop.mastered()


def dream() -> Wave:
    """Wide pads in F, bells far apart, no drum; 70 beats a minute."""
    loop = Loop(48, 70, seed=12)
    chords = [
        [53, 60, 64, 69],
        [55, 59, 65, 69],
        [52, 60, 67, 71],
        [57, 60, 64, 71],
        [50, 60, 65, 69],
        [55, 62, 65, 71],
    ]
    for turn, pitches in enumerate(chords):
        loop.play(chord(pitches, turn * 8, 8.4, 0.55, 0.9), pad, 0.24)
        loop.play([Note(pitches[0] - 12, turn * 8, 7.5, 0.5)], pad, 0.2)
        shimmer = [
            Note(p + 24, turn * 8 + 2.1 * i + 0.7, 1.5, 0.22, 0.6 - 0.4 * i)
            for i, p in enumerate(pitches[1:])
        ]
        loop.play(shimmer, glass, 0.16, 0.05)
    bells = Loop(48, 70, seed=13)
    bells.play(
        tune("c+:3 e+:3 d+:2 b:4 .:4 a:3 c+:1 e+:4 .:8 g+:3 e+:1 c+:4 a:4 b:4", 0, 5, STEPS, 0.5, 0.1),
        glass,
        0.26,
    )
    bells.echo(1.5, 0.5, 4)
    loop.samples += bells.samples
    loop.play(tune(".:16 a:4 g:2 e:2 f:8 .:8 d:4 e:4", 0, 5, STEPS, 0.4, -0.3), flute, 0.1)
    loop.reverb(4.2, 0.42, 3600)
    return loop.mastered()


def drive() -> Wave:
    """A drum on every beat, a bass between them, a line that climbs, in A minor; 122 beats a minute."""
    loop = Loop(64, 122, seed=14)
    roots, chords = [45, 41, 48, 43], [[57, 60, 64], [57, 60, 65], [55, 60, 64], [55, 59, 62]]
    for bar in range(16):
        at, root, pitches = bar * 4, roots[bar // 2 % 4], chords[bar // 2 % 4]
        loop.play([Note(36, at + beat, 1, 0.95) for beat in range(4)], kick, 0.62, 0.001)
        bass = [
            Note(root - 12 + (12 if i % 4 == 3 else 0), at + 0.5 * i, 0.32, 0.8 if i % 2 else 0.45)
            for i in range(8)
        ]
        loop.play(bass, saw, 0.2, 0.002)
        if bar >= 4:
            loop.play(
                [Note(60, at + beat, 1, 0.8, 0.05) for beat in (1, 3)], noise(1100, 7000, 0.07), 0.2, 0.002
            )
        hats = [Note(60, at + 0.5 * i, 1, 0.6 if i % 2 else 0.2, 0.3) for i in range(8)]
        loop.play(hats, noise(7000, 13000, 0.022), 0.1, 0.003)
        if bar % 2 == 0:
            loop.play(chord([p + 12 for p in pitches], at, 8, 0.45, 0.9), pad, 0.12)
    line = Loop(64, 122, seed=15)
    for bar in range(2, 16):
        pitches = chords[bar // 2 % 4]
        steps = [
            pitches[0],
            pitches[1],
            pitches[2],
            pitches[1] + 12,
            pitches[2],
            pitches[0] + 12,
            pitches[1] + 12,
            pitches[2] + 12,
        ]
        loud = 0.35 + 0.03 * bar
        line.play(
            [Note(p + 12, bar * 4 + 0.5 * i, 0.3, loud, 0.5 - 0.13 * i) for i, p in enumerate(steps)],
            saw,
            0.15,
            0.002,
        )
    line.play(
        tune("e+:3 d+:1 c+:2 a:2 c+:3 d+:1 e+:4 g+:3 e+:1 d+:2 b:2 d+:4 .:4", 32, 5, STEPS, 0.6, -0.2),
        saw,
        0.2,
    )
    line.echo(0.75, 0.36)
    loop.samples += line.samples
    loop.reverb(1.3, 0.14, 5200)
    return loop.mastered()


def lofi() -> Wave:
    """Tines with sevenths, a lazy beat, a round bass, an old record's crackle; 78 beats a minute, swung."""
    loop = Loop(48, 78, seed=16)
    chords = [[50, 57, 60, 65], [43, 53, 59, 62], [48, 55, 59, 64], [45, 55, 60, 64]]
    roots = [38, 31, 36, 33]
    for bar in range(12):
        at, pitches, root = bar * 4, chords[bar % 4], roots[bar % 4]
        loop.play(chord(pitches, at, 2.3, 0.55, 0.4), tines, 0.3, 0.014)
        loop.play(chord([p for p in pitches[1:]], at + 2.62, 1.0, 0.4, 0.4), tines, 0.26, 0.014)
        loop.play(
            [
                Note(root, at, 1.6, 0.8),
                Note(root + 7, at + 2.6, 0.6, 0.55),
                Note(root + 12, at + 3.3, 0.5, 0.5),
            ],
            sub,
            0.36,
        )
        loop.play(
            [Note(36, at, 1, 0.9), Note(36, at + 1.62, 1, 0.55), Note(36, at + 2.62, 1, 0.7)],
            kick,
            0.5,
            0.008,
        )
        loop.play(
            [Note(60, at + 1.03, 1, 0.8, 0.1), Note(60, at + 3.03, 1, 0.8, 0.1)],
            noise(700, 4200, 0.07),
            0.2,
            0.008,
        )
        hats = [
            Note(60, at + i + late, 1, loud, -0.25)
            for i in range(4)
            for late, loud in ((0, 0.45), (0.62, 0.28))
        ]
        loop.play(hats, noise(5500, 9500, 0.025), 0.08, 0.008)
    melody = (
        "a:1.6 g:.4 f:1 e:1 d:2 .:2 e:1.6 d:.4 c:1 b-:1 c:2.6 .:1.4 a:1 "
        "c+:1 b:1 g:1 f:2 .:2 e:1 g:1 b:1.6 a:2.4 .:2"
    )
    loop.play(tune(melody, 16, 5, STEPS, 0.5, 0.2), tines, 0.26, 0.02)
    crackle = Loop(48, 78, seed=17)
    luck = np.random.default_rng(18)
    crackle.play(
        [
            Note(60, float(b), 1, float(v), float(p))
            for b, v, p in zip(
                luck.uniform(0, 48, 260),
                luck.uniform(0.05, 0.5, 260),
                luck.uniform(-0.7, 0.7, 260),
                strict=True,
            )
        ],
        noise(1800, 8000, 0.0012),
        0.05,
        0.0,
    )
    loop.reverb(1.0, 0.14, 3000)
    loop.samples += crackle.samples
    return loop.mastered()


def playful() -> Wave:
    """Plucked strings on tiptoe, wooden bars that answer, in F; 116 beats a minute."""
    loop = Loop(64, 116, seed=19)
    roots, thirds = [41, 48, 46, 48, 41, 38, 43, 48], [57, 55, 58, 58, 57, 53, 58, 58]
    names = STEPS | {"bb": 10}
    for bar in range(16):
        at, root, third = bar * 4, roots[bar % 8], thirds[bar % 8]
        loop.play(
            [Note(root, at, 0.4, 0.8, -0.2), Note(root + 7, at + 2, 0.4, 0.65, -0.2)], pluck, 0.46, 0.006
        )
        loop.play(
            [n for beat in (1, 3) for n in chord([third, third + 3, third + 7], at + beat, 0.3, 0.45)],
            pluck,
            0.24,
            0.008,
        )
        if bar % 4 == 3:
            loop.play(
                [Note(root + 12 - i * 2, at + 3 + 0.25 * i, 0.2, 0.5, -0.3) for i in range(4)],
                pluck,
                0.26,
                0.006,
            )
        loop.play(
            [Note(60, at + beat, 1, 0.5, 0.3) for beat in (0.5, 1.5, 2.5, 3.5)],
            noise(4500, 10000, 0.018),
            0.06,
            0.006,
        )
    lines = [
        "f:.5 a:.5 c+:.5 .:.5 a:.5 .:.5 f:1 | e:.5 g:.5 c+:.5 .:.5 bb:.5 .:.5 g:1 | "
        "bb:.5 a:.5 g:.5 .:.5 d:.5 .:.5 g:1 | c+:.5 bb:.5 a:.5 g:.5 e:1 .:1",
        "a:.5 .:.5 c+:.5 .:.5 f+:1 c+:1 | d+:.5 c+:.5 bb:.5 a:.5 d:1 .:1 | g:.5 "
        ".:.5 bb:.5 .:.5 d+:1 bb:1 | c+:.5 d+:.5 e+:.5 c+:.5 f+:1 .:1",
    ]
    for part in range(4):
        melody = tune(lines[part % 2].replace("|", ""), part * 16, 5, names, 0.7, 0.25)
        loop.play(melody, marimba if part < 2 else pluck, 0.42, 0.006)
        if part == 3:
            loop.play([Note(n.pitch + 12, n.start, n.length, 0.4, -0.3) for n in melody], marimba, 0.24, 0.01)
    loop.reverb(0.9, 0.15, 5600)
    return loop.mastered()


def heroic() -> Wave:
    """Bows driving on in eighths, big drums, a slow tune, in D minor and major; 100 beats a minute."""
    loop = Loop(64, 100, seed=20)
    names = STEPS | {"bb": 10, "cs": 1}
    roots = [38, 38, 34, 34, 41, 41, 36, 36, 38, 38, 34, 34, 43, 43, 45, 45]
    chords = {
        38: [50, 57, 62, 65],
        34: [50, 58, 62, 65],
        41: [53, 57, 60, 65],
        36: [52, 55, 60, 64],
        43: [50, 58, 62, 67],
        45: [52, 57, 61, 64],
    }
    for bar, root in enumerate(roots):
        at, pitches, loud = bar * 4, chords[root], 0.45 + 0.02 * bar
        drive_on = [
            Note(
                pitches[0 if i % 4 == 0 else 1 if i % 2 else 2],
                at + 0.5 * i,
                0.34,
                loud * (1.2 if i % 4 == 0 else 0.85),
                -0.35,
            )
            for i in range(8)
        ]
        loop.play(drive_on, strings, 0.3, 0.006)
        loop.play([Note(root, at, 3.9, 0.6, 0.1), Note(root - 12, at, 3.9, 0.5, -0.1)], strings, 0.24, 0.01)
        loop.play(chord(pitches[1:], at, 4, 0.4, 0.7), strings, 0.12, 0.012)
        hits = [(0, 0.95), (2.5, 0.6)] + ([(3, 0.7), (3.5, 0.8)] if bar % 4 == 3 else [])
        loop.play([Note(36, at + beat, 1, strength) for beat, strength in hits], big_drum, 0.55, 0.006)
    line = "d:4 a:3 g:1 f:4 d:4 c+:3 bb:1 a:4 g:3 e:1 c:4 d:4 a:3 c+:1 d+:4 bb:4 g:2 bb:2 d+:4 cs+:4 a:4"
    melody = tune(line, 0, 5, names, 0.65, 0.25)
    loop.play(melody, strings, 0.34, 0.014)
    loop.play([Note(n.pitch - 12, n.start, n.length, 0.5, -0.2) for n in melody], strings, 0.22, 0.016)
    loop.reverb(2.4, 0.26, 4600)
    return loop.mastered()


PIECES = {
    "calm": calm,
    "night": night,
    "bright": bright,
    "tender": tender,
    "dream": dream,
    "drive": drive,
    "lofi": lofi,
    "playful": playful,
    "heroic": heroic,
}


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
