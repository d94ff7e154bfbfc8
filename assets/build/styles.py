"""Four picture styles put on a picture by code: ink wash, neon night, paper cut, retro print.

They are what the starter LoRAs learn. They work on any RGB picture, best at 512 px and more, and know
nothing about scenes. The same picture and seed give the same pixels.

    python -m assets.build.styles IN.png OUT.png --style ink_wash [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

Picture = np.ndarray

INK = np.array([34, 33, 36], np.float32)
VERMILION = np.array([186, 45, 32], np.float32)
PAPER = np.array([243, 236, 220], np.float32)


def _noise(rng: np.random.Generator, h: int, w: int, cell: float) -> Picture:
    """Smooth noise of unit spread, float32 [h, w], with features of about cell px."""
    coarse = rng.standard_normal((max(3, round(h / cell)), max(3, round(w / cell)))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def _blur(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def rice_paper(rng: np.random.Generator, h: int, w: int) -> Picture:
    """Warm, unevenly toned paper with long fibres: float32 [h, w, 3]."""
    s = min(h, w) / 512
    tone = (
        _noise(rng, h, w, 150 * s) * 2.2 + _noise(rng, h, w, 40 * s) * 1.2 + _noise(rng, h, w, 2.2 * s) * 1.1
    )
    fibres = np.zeros((h, w), np.uint8)
    for _ in range(int(90 * h * w / (512 * 512 * s * s))):
        x, y, turn = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0, np.pi)
        length, bend = rng.uniform(12, 46) * s, rng.uniform(-0.9, 0.9)
        t = np.linspace(0, 1, 9)
        line = np.stack(
            [x + length * t * np.cos(turn + bend * t), y + length * t * np.sin(turn + bend * t)], 1
        )
        cv2.polylines(
            fibres,
            [np.round(line * 16).astype(np.int32)],
            False,
            int(rng.uniform(30, 110)),
            1,
            cv2.LINE_AA,
            4,
        )
    mesh = _blur(fibres.astype(np.float32), 0.6 * s + 0.3) * (8 / 110)
    return PAPER + (tone - mesh)[..., None] * np.array([1.0, 1.02, 1.12], np.float32)


def _wander(rng: np.random.Generator, picture: Picture, far: float, cell: float) -> Picture:
    """The picture with its pixels moved by smooth noise of far px."""
    h, w = picture.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    dx, dy = _noise(rng, h, w, cell) * far, _noise(rng, h, w, cell) * far
    return np.asarray(cv2.remap(picture, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _middle(h: int, w: int) -> Picture:
    """Where an object is taken to be when nothing is known: a soft oval, 0..1 [h, w]."""
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
    return np.clip((1.0 - np.hypot(x / 0.85, y / 0.85)) / 0.3, 0, 1)


def _clearing(rng: np.random.Generator, h: int, w: int) -> Picture:
    """How much of the picture the painter painted: 1 inside, 0 towards the edges, in a cloudy outline."""
    s = min(h, w) / 512
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
    far = np.maximum(np.abs(x) ** 1.0, np.abs(y) ** 1.0) * 0.55 + np.hypot(x, y) * 0.45
    cloud = _noise(rng, h, w, 120 * s) * 0.1 + _noise(rng, h, w, 34 * s) * 0.035
    return np.clip((1.06 - far + cloud) / 0.36, 0, 1) ** 1.3


def _outlines(rng: np.random.Generator, lab: Picture, shape: Picture | None, s: float) -> Picture:
    """Brush lines where colours meet and around a shape: 0..1 [h, w], swelling and running dry."""
    h, w = lab.shape[:2]
    slope = np.zeros((h, w), np.float32)
    for sigma, weight in ((0.9, 0.7), (1.6, 1.15)):
        soft = _blur(lab, sigma * s)
        for channel in range(3):
            plane = np.ascontiguousarray(soft[..., channel])
            gx, gy = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
            slope = np.maximum(slope, np.hypot(gx, gy) * s * weight * (1.0 if channel == 0 else 0.8))
    if shape is not None:
        plane = _blur(shape, 1.3 * s) * 105
        slope = np.maximum(
            slope, np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)) * s
        )
    press = np.clip(1 + 0.6 * _noise(rng, h, w, 64 * s), 0.25, 2.2)
    line = np.clip((slope * press - 30) / 80, 0, 1)
    dry = np.clip(0.74 + 0.26 * _noise(rng, h, w, 3.0 * s) + 0.5 * _noise(rng, h, w, 46 * s), 0, 1)
    return np.asarray(line * (0.2 + 0.8 * dry), np.float32)


def _seal(rng: np.random.Generator, picture: Picture) -> None:
    """A carved vermilion seal near the barer of the lower corners, in place."""
    h, w = picture.shape[:2]
    side = round(min(h, w) * 0.072)
    margin, y = round(w * 0.06), h - round(min(h, w) * 0.07) - side
    x = max((margin, w - margin - side), key=lambda left: picture[y : y + side, left : left + side].mean())
    big = 96
    stamp = np.zeros((big, big), np.uint8)
    cv2.rectangle(stamp, (5, 5), (big - 6, big - 6), 255, -1)
    for column in range(2):
        left = 15 + column * 36
        for row in range(2):
            top = 15 + row * 36
            for _ in range(3):
                if rng.random() < 0.5:
                    yy = top + int(rng.integers(3, 28))
                    cv2.line(stamp, (left + 2, yy), (left + 28, yy), 0, 5)
                else:
                    xx = left + int(rng.integers(4, 28))
                    cv2.line(stamp, (xx, top + 2), (xx, top + 28), 0, 5)
    worn = np.clip(0.9 + 0.5 * _noise(rng, big, big, 6), 0, 1) * stamp
    soft = cv2.resize(_blur(worn.astype(np.float32), 1.2), (side, side), interpolation=cv2.INTER_AREA)
    weight = (soft / 255 * 0.92)[..., None]
    part = picture[y : y + side, x : x + side]
    part += (VERMILION - part) * weight


def ink_wash(image: Picture, seed: int, mask: Picture | None = None) -> Picture:
    """The picture as ink wash on rice paper: uint8 [H, W, 3] to the same.

    Light and dark become a few washes of diluted ink with dark rims, edges become dry-brush outlines, the
    border dissolves into bare paper, strong reds stay as vermilion, and a seal is stamped. What the mask
    (uint8 [H, W], 255 on the object; by default the middle) covers is painted firmly, the rest as mist.
    """
    rng = np.random.default_rng(seed)
    h, w = image.shape[:2]
    s = min(h, w) / 512
    shaken = cv2.medianBlur(_wander(rng, image, 1.3 * s, 18 * s), 5)
    lab = cv2.cvtColor(shaken, cv2.COLOR_RGB2LAB).astype(np.float32)
    if mask is None:
        near = _middle(h, w)
    else:
        near = _blur(_wander(rng, mask, 1.3 * s, 18 * s).astype(np.float32) / 255, 1.2 * s)
    halo = np.clip(_blur(near, 12 * s) * 1.6, 0, 1) * (1 - near)
    lab += (_blur(lab, 2.6 * s) - lab) * (1 - near)[..., None]
    painted = np.maximum(_clearing(rng, h, w), near * 0.97)
    weight = painted * (0.5 + 0.5 * near) * (1 - 0.55 * halo)

    skin = _skin(lab, s) * near
    washes = _washes(rng, lab[..., 0] / 255) + 0.14 * skin
    lines = _outlines(rng, lab, None if mask is None else near, s)
    lines *= np.clip(0.5 + 0.5 * near + 0.5 * halo, 0, 1) * (1 - 0.2 * halo) * (1 - 0.85 * skin)
    ink = np.clip(washes * weight + lines * 0.88 * np.clip(painted * 1.5, 0, 1), 0, 0.94)[..., None]
    paper = rice_paper(rng, h, w)
    grain = 1 + 0.06 * _noise(rng, h, w, 1.8 * s)[..., None]
    picture = paper + (INK - paper) * np.clip(ink * grain, 0, 1)

    red = (
        _blur(_red(shaken, 140 if mask is None else 50), 1.6 * s)
        * (painted if mask is None else near)
        * (1 - 0.7 * lines)
    )
    depth = (0.15 * _noise(rng, h, w, 40 * s) + np.clip(2.1 - 1.9 * lab[..., 0] / 255, 0.3, 1.4))[..., None]
    vermilion = paper * np.power(VERMILION / PAPER, depth)
    picture += (vermilion - picture) * (np.clip(red, 0, 1) * 0.92)[..., None]
    _seal(rng, picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _washes(rng: np.random.Generator, light: Picture) -> Picture:
    """Five layers of diluted ink, the darker the place the more of them, each with a darker rim: [h, w]."""
    h, w = light.shape
    s = min(h, w) / 512
    low, high = np.percentile(light, (2, 97))
    dark = 1 - np.clip((light - low) / max(0.25, high - low), 0, 1)
    total = 0.1 * _blur(dark, 16 * s)
    layers = ((0.2, 0.11, 12), (0.34, 0.15, 9), (0.52, 0.2, 6), (0.7, 0.24, 4), (0.86, 0.24, 3))
    for level, (threshold, strength, bleed) in enumerate(layers):
        edge = _wander(rng, dark, (6 - level) * s, 26 * s)
        stain = np.clip((_blur(edge, bleed * s * 0.35) - threshold) / 0.1, 0, 1)
        rim = np.clip(stain - _blur(stain, bleed * s), 0, 1)
        pool = 1 + 0.24 * _noise(rng, h, w, 70 * s) + 0.1 * _noise(rng, h, w, 14 * s)
        total += strength * np.clip(stain * pool, 0, 1.4) + 0.16 * rim
    return total


def _skin(lab: Picture, s: float) -> Picture:
    """Where there is a face or a hand, which a painter leaves nearly bare: 0..1 [h, w]."""
    near = (np.abs(lab[..., 1] - 142) < 7) & (np.abs(lab[..., 2] - 152) < 9) & (lab[..., 0] > 150)
    side = 2 * round(7 * s) + 1
    closed = cv2.morphologyEx(near.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    inner = cv2.erode(closed, np.ones((3, 3), np.uint8), iterations=max(1, round(2 * s)))
    return _blur(inner.astype(np.float32), 1.5 * s)


def _red(image: Picture, pale: float) -> Picture:
    """How red the picture is, from saturation pale (0..255) to 80 above it: 0..1, float32 [h, w]."""
    hue, saturation, value = (c.astype(np.float32) for c in cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)))
    red = (np.abs((hue - 178 + 90) % 180 - 90) < 8) & (value > 150)
    return np.where(red, np.clip((saturation - pale) / 80, 0, 1), 0).astype(np.float32)


def neon_night(image: Picture, seed: int, mask: Picture | None = None) -> Picture:
    """The picture as a neon night: uint8 [H, W, 3] to the same.

    Everything sinks into deep blue and violet; edges glow cyan and magenta with bloom; light areas become
    lamps; the lower part mirrors the light like wet ground. What the mask (uint8 [H, W], 255 on the object)
    covers keeps its own colours, as if lit from close by, and the lines around it glow less.
    """
    rng = np.random.default_rng(seed)
    h, w = image.shape[:2]
    s = min(h, w) / 512
    lab = cv2.cvtColor(cv2.medianBlur(image, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    light = _blur(np.ascontiguousarray(lab[..., 0]), 1.5 * s)[..., None] / 255
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    deep = np.array([10, 8, 30], np.float32)
    haze = np.array([34, 14, 74], np.float32) * (1 - y) + np.array([12, 26, 66], np.float32) * y
    body = deep + haze * (0.35 + 1.25 * light)
    tint = image.astype(np.float32)
    tint -= tint.mean(-1, keepdims=True)
    body += tint * 0.22 + np.array([30, 6, 60], np.float32) * light**3
    near = np.zeros((h, w, 1), np.float32)
    if mask is not None:
        near = _blur(mask.astype(np.float32) / 255, 1.2 * s)[..., None]
        lit = (image / np.float32(255)) ** 1.4 * np.array([165, 130, 205], np.float32)
        body += (body * 0.4 + lit - body) * near

    slope = np.zeros((h, w), np.float32)
    soft = _blur(lab, 1.0 * s)
    for channel in range(3):
        plane = np.ascontiguousarray(soft[..., channel])
        gx, gy = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
        slope = np.maximum(slope, np.hypot(gx, gy) * s * (1.0 if channel == 0 else 0.7))
    line = np.clip((slope - 26) / 70, 0, 1) * (1 - 0.8 * _skin(lab, s))
    hue = np.clip(0.5 + 0.9 * _noise(rng, h, w, 170 * s) + (lab[..., 1] - lab[..., 2]) / 160, 0, 1)[..., None]
    cyan, magenta = np.array([40, 235, 255], np.float32), np.array([255, 50, 190], np.float32)
    neon = cyan + (magenta - cyan) * hue
    glow = neon * line[..., None] * (1 if mask is None else 0.55 + 0.45 * near)
    bloom = _blur(glow, 3 * s) * 0.9 + _blur(glow, 11 * s) * 0.9 + _blur(glow, 34 * s) * 0.8
    core = np.clip(line - 0.35, 0, 1)[..., None] * 120
    picture = body + glow * 0.85 + bloom + core

    start = round(h * 0.8)
    depth = h - start
    mirror = picture[start - depth : start][::-1]
    mirror = _wander(rng, np.ascontiguousarray(mirror), 3 * s, 12 * s)
    mirror = np.asarray(cv2.blur(mirror, (1, max(3, round(26 * s)))))
    fade = np.linspace(0.0, 0.5, depth, dtype=np.float32)[:, None, None]
    picture[start:] = picture[start:] * (1 - fade * 0.8) + mirror * fade
    shade = np.clip(1.12 - 0.5 * np.hypot(*np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]) ** 2, 0.45, 1)
    picture = 255 * (1 - np.exp(-picture * shade[..., None] / 190))
    return np.clip(picture * 1.08 + 0.5, 0, 255).astype(np.uint8)


def _flat_colours(image: Picture, count: int, seed: int, s: float) -> tuple[Picture, Picture]:
    """The picture in so many flat colours of its own: numbers [H, W], colours [count, 3] in LAB."""
    soft = cv2.medianBlur(image, 2 * round(3 * s) + 1)
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.float32)
    few = cv2.resize(lab, (96, 96), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    cv2.setRNGSeed(seed % 2**31)
    enough = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, colours = cv2.kmeans(few, count, None, enough, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return _nearest(lab, colours), colours


def _nearest(lab: Picture, colours: Picture) -> Picture:
    """The number of the nearest colour at each pixel, uint8 [H, W]; lightness counts for half."""
    weights = np.array([0.5, 1, 1], np.float32)
    far = np.stack([(((lab - colour) * weights) ** 2).sum(-1) for colour in colours])
    return far.argmin(0).astype(np.uint8)


def _cut(part: Picture, s: float) -> Picture:
    """A rough region 0..1 [h, w] with the smooth outline of scissors, its edge a pixel or two wide."""
    return np.clip((_blur(part, 2.4 * s) - 0.5) * 3.2 + 0.5, 0, 1)


def _lay(
    under: Picture, colour: Picture, shape: Picture, rng: np.random.Generator, s: float, high: float
) -> None:
    """Lays a sheet of coloured paper cut to `shape` on `under`, in place; it lies `high` px above it."""
    h, w = shape.shape
    shift = np.array([[1, 0, 0.7 * high], [0, 1, high]], np.float32)
    shadow = _blur(
        np.asarray(cv2.warpAffine(shape, shift, (w, h), borderMode=cv2.BORDER_REPLICATE)), high * 0.8
    )
    under *= 1 - 0.42 * (shadow * (1 - shape))[..., None]
    grain = _noise(rng, h, w, 1.6 * s) * 1.5 + _noise(rng, h, w, 60 * s) * 1.2
    lit = np.array([[1, 0, 1.1 * s], [0, 1, 1.1 * s]], np.float32)
    rim = np.clip(
        shape - np.asarray(cv2.warpAffine(shape, lit, (w, h), borderMode=cv2.BORDER_REPLICATE)), 0, 1
    )
    sheet = colour + (grain + 26 * rim)[..., None]
    under += (sheet - under) * shape[..., None]


def paper_cut(image: Picture, seed: int, mask: Picture | None = None) -> Picture:
    """The picture as layers of coloured paper: uint8 [H, W, 3] to the same.

    Its colours become sheets with smooth cut edges, the lower in the picture the nearer, each throwing a soft
    shadow on the one beneath. What the mask (uint8 [H, W], 255 on the object) covers lies on top, cut out
    with a rim of white card.
    """
    rng = np.random.default_rng(seed)
    h, w = image.shape[:2]
    s = min(h, w) / 512
    over = np.zeros((h, w), np.float32) if mask is None else _cut((mask > 100).astype(np.float32), s)
    picture = np.zeros((h, w, 3), np.float32)
    behind = image
    if mask is not None:  # the sheets behind go on beneath the object
        few = cv2.resize(image, (w // 4, h // 4), interpolation=cv2.INTER_AREA)
        hole = cv2.dilate(
            (cv2.resize(mask, (w // 4, h // 4)) > 40).astype(np.uint8), np.ones((5, 5), np.uint8)
        )
        filled = cv2.resize(
            cv2.inpaint(few, hole, 3, cv2.INPAINT_TELEA), (w, h), interpolation=cv2.INTER_CUBIC
        )
        behind = np.where(over[..., None] > 0.02, filled, image).astype(np.uint8)
    _sheets(picture, behind, np.ones((h, w), np.float32), 6, seed, rng, s)
    if mask is not None:
        side = 2 * round(5 * s) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        card = _cut(cv2.dilate((over > 0.5).astype(np.float32), disc), s)
        _lay(picture, np.array([247, 243, 234], np.float32), card, rng, s, 9 * s)
        _sheets(picture, image, over, 8, seed + 1, rng, s)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _sheets(
    picture: Picture,
    image: Picture,
    inside: Picture,
    count: int,
    seed: int,
    rng: np.random.Generator,
    s: float,
) -> None:
    """Lays the image's colours on the picture as sheets, where `inside` (0..1 [h, w]) lets them, in place."""
    h, w = inside.shape
    core = inside > 0.5
    shown = image if core.all() else np.where(core[..., None], image, image[core].mean(0).astype(np.uint8))
    numbers, colours = _flat_colours(shown.astype(np.uint8), count, seed, s)
    colours[:, 1:] = 128 + (colours[:, 1:] - 128) * 1.12
    rgb = cv2.cvtColor(np.clip(colours, 0, 255).astype(np.uint8)[None], cv2.COLOR_LAB2RGB)[0].astype(
        np.float32
    )
    areas = np.array([(numbers[core] == number).sum() for number in range(count)])
    rows = np.arange(h, dtype=np.float32)[:, None] * np.ones(w, np.float32)
    height = [rows[core & (numbers == n)].mean() if areas[n] else 0 for n in range(count)]
    whole = core.all()
    # behind: from the sky down; on the object: the largest sheet first, small ones (eyes) on top
    order = np.argsort(height) if whole else np.argsort(-areas)
    for place, number in enumerate(order):
        if not areas[number]:
            continue
        shape = (
            inside
            if place == 0
            else _cut((numbers == number).astype(np.float32), s * (1 if whole else 0.45)) * inside
        )
        _lay(picture, rgb[number], shape, rng, s, (7 if whole else 2.5) * s if place else 0.01)


INKS = (
    *((244, 234, 208), (240, 196, 96), (226, 128, 62), (206, 74, 62), (232, 158, 138), (122, 158, 108)),
    *((62, 140, 140), (150, 196, 190), (40, 84, 104), (28, 44, 68), (120, 78, 58), (126, 84, 128)),
)  # paper and inks, RGB: cream, mustard, orange, red, blush, sage, teal, mist, petrol, navy, brown, plum
NAVY = 9


def retro_print(image: Picture, seed: int, mask: Picture | None = None) -> Picture:
    """The picture as a screen print of the fifties: uint8 [H, W, 3] to the same.

    A dozen flat inks, dots where two of them meet in light and shade, dark inks printed a little beside
    their place, paper showing through. What the mask (uint8 [H, W], 255 on the object) covers keeps more
    contrast and gets an outline of navy.
    """
    rng = np.random.default_rng(seed)
    h, w = image.shape[:2]
    s = min(h, w) / 512
    soft = cv2.medianBlur(image, 2 * round(3 * s) + 1)
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.float32)
    low, high = np.percentile(lab[..., 0], (2, 98))
    lab[..., 0] = 48 + (lab[..., 0] - low) * (200 / max(high - low, 110))
    lab[..., 1:] = 128 + (lab[..., 1:] - 128) * 1.25
    near = np.zeros((h, w), np.float32) if mask is None else _blur(mask.astype(np.float32) / 255, 0.8 * s)
    angle, cell = np.deg2rad(rng.uniform(15, 75)), 11.0 * s
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    u = (x * np.cos(angle) + y * np.sin(angle)) * (np.pi / cell)
    v = (y * np.cos(angle) - x * np.sin(angle)) * (np.pi / cell)
    lab[..., 0] += np.sin(u) * np.sin(v) * 13 * (1 - near)
    inks = np.array(INKS, np.float32)
    colours = cv2.cvtColor(inks.astype(np.uint8)[None], cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    numbers = _nearest(lab, colours)
    picture = np.broadcast_to(inks[0], (h, w, 3)).copy()
    for number in np.argsort(-colours[:, 0]):  # light inks first, as a printer does
        part = _blur((numbers == number).astype(np.float32), 0.9 * s)
        shape = np.clip((part - 0.42) * 4, 0, 1)
        move = rng.uniform(-1.6, 1.6, 2) * s
        shift = np.array([[1, 0, move[0]], [0, 1, move[1]]], np.float32)
        shape = np.asarray(cv2.warpAffine(shape, shift, (w, h), borderMode=cv2.BORDER_REPLICATE))
        worn = np.clip(
            1.02 - 0.1 * np.clip(_noise(rng, h, w, 2.2 * s) + _noise(rng, h, w, 50 * s), 0, 3), 0, 1
        )
        picture += (inks[number] - picture) * (shape * worn)[..., None]
    if mask is not None:
        side = 2 * round(1.6 * s) + 1
        body = (mask > 120).astype(np.float32)
        outline = np.clip(
            _blur(cv2.dilate(body, np.ones((side, side), np.uint8)) - body, 0.8 * s) * 1.3, 0, 1
        )
        picture += (inks[NAVY] - picture) * (outline * 0.85)[..., None]
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


STYLES = {
    "ink_wash": ink_wash,
    "neon_night": neon_night,
    "paper_cut": paper_cut,
    "retro_print": retro_print,
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a picture")
    parser.add_argument("target", type=Path, help="PNG to write")
    parser.add_argument("--style", choices=sorted(STYLES), default="ink_wash")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = np.frombuffer(options.source.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{options.source} is no picture that can be read.")
    styled = STYLES[options.style](np.ascontiguousarray(image[..., ::-1]), options.seed)
    options.target.write_bytes(cv2.imencode(".png", styled[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    main()
