"""The painted places behind the objects: 19 settings, by time of day and weather, at any size.

A place is painted into a float32 canvas [H, W, 3] (0..255) with cv2 polygons and soft pieces, far layers
first, each mixed with the haze of the sky by its depth. Knows nothing about sprites or captions; tells
only where things may stand (Stage).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

Color = np.ndarray

SKIES = {
    "morning": (
        ("#86bfe6", "#cbe2ee", "#ffe2c0"),
        ("#a5c9e8", "#f2dcd8", "#ffd7ac"),
        ("#a8d5e0", "#e6efe2", "#fff0cc"),
        ("#9fb8e0", "#e8cfe0", "#ffdccb"),
    ),
    "day": (
        ("#3f9ade", "#86c6f0", "#d6eefa"),
        ("#52b2e6", "#9fd9f2", "#e8f6ee"),
        ("#4a8fd4", "#90c2ec", "#f2f4ea"),
    ),
    "evening": (
        ("#54478c", "#dd6f8a", "#ffb266"),
        ("#3f5799", "#d68aa2", "#ffd08a"),
        ("#77487c", "#f0885a", "#ffd37c"),
        ("#2f4a86", "#a86a9c", "#ff9a7a"),
    ),
    "night": (
        ("#0b1434", "#1b2d60", "#3c548e"),
        ("#100f36", "#26255e", "#4b4a8c"),
        ("#071930", "#11385a", "#2e6482"),
    ),
}
LIGHT = {
    "morning": (1.02, 0.97, 0.92),
    "day": (1.0, 1.0, 1.0),
    "evening": (0.96, 0.78, 0.72),
    "night": (0.42, 0.5, 0.72),
}
FLAKE = np.array([244.0, 248.0, 255.0], np.float32)
WINDOW = np.array([255.0, 214.0, 120.0], np.float32)


def rgb(hex_color: str) -> Color:
    """A "#rrggbb" colour as float32 [3], 0..255."""
    return np.array([int(hex_color[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def mix(a: Color, b: Color, share: float) -> Color:
    """Colour a with share of b."""
    return a + (b - a) * np.float32(share)


@dataclass(frozen=True)
class Mood:
    """Time of day and weather turned into colours."""

    time: str
    weather: str
    sky: tuple[Color, Color, Color]
    light: Color

    @property
    def haze(self) -> Color:
        """What far things fade into."""
        return self.sky[2] * 0.75 + self.sky[1] * 0.25

    @property
    def dark(self) -> bool:
        """Whether windows are lit."""
        return self.time == "night"

    def tone(self, color: str | Color, depth: float = 0.0) -> Color:
        """A daylight colour under this light, depth 0 (near) to 1 (lost in the haze)."""
        lit = (rgb(color) if isinstance(color, str) else color) * self.light
        if self.weather == "fog":
            depth = min(1.0, 0.12 + depth * 1.7)
        return mix(lit, self.haze, depth)

    def ground(self, color: str, depth: float = 0.0) -> Color:
        """Like tone for lying ground, which snow covers."""
        if self.weather != "snow":
            return self.tone(color, depth)
        lit = mix(rgb(color), FLAKE, 0.86) * self.snow_light
        return mix(lit, self.haze, depth)

    @property
    def snow_light(self) -> Color:
        """Light on snow, which shines a little even at night."""
        return mix(self.light, np.full(3, 0.85, np.float32), 0.3)


def mood(rng: np.random.Generator, time: str, weather: str) -> Mood:
    """Colours of a time of day and weather, one of several palettes."""
    sky = [rgb(c) for c in SKIES[time][rng.integers(len(SKIES[time]))]]
    light = np.array(LIGHT[time], np.float32)
    if weather == "rain":
        grey = rgb("#8493a3") * (0.42 if time == "night" else 0.95)
        sky = [mix(c, grey * k, 0.68) for c, k in zip(sky, (0.8, 1.0, 1.22), strict=True)]
        light = light * 0.84
    elif weather == "fog":
        veil = mix(sky[2], np.full(3, sky[2].mean(), np.float32), 0.55)
        sky = [mix(c, veil, s) for c, s in zip(sky, (0.5, 0.75, 0.85), strict=True)]
    elif weather == "snow":
        veil = rgb("#dfe8f2") * (0.36 if time == "night" else 1.0)
        sky = [mix(c, veil, s) for c, s in zip(sky, (0.4, 0.5, 0.6), strict=True)]
    return Mood(time, weather, (sky[0], sky[1], sky[2]), light)


@dataclass(frozen=True)
class Stage:
    """Where things may stand, as shares of the height: feet at base, horizon, the water's surface from…to."""

    base: float
    horizon: float
    water: tuple[float, float] | None = None
    top: float = 0.0


class Canvas:
    """A picture being painted: px float32 [H, W, 3], the objects' mask [H, W], mood, generator."""

    def __init__(
        self,
        width: int,
        height: int,
        mood: Mood,
        rng: np.random.Generator,
        body: bool = True,
        bank: bool = False,
    ) -> None:
        """Body says whether the sky shows its own sun or moon, bank whether water leaves land in front."""
        self.w, self.h, self.mood, self.rng = width, height, mood, rng
        self.px = np.tile(mood.haze, (height, width, 1))
        self.unit = min(width, height)
        self.body, self.bank = body, bank
        self.mask = np.zeros((height, width), np.float32)

    @property
    def tall(self) -> bool:
        """Whether it is a portrait picture."""
        return self.h > 1.25 * self.w

    def between(self, low: float, high: float) -> float:
        """A seeded number."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def pick(self, options: tuple) -> str:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def vertical(self, y0: float, y1: float, *colors: Color) -> None:
        """Rows y0..y1 (px) filled with a vertical gradient through the colours."""
        a, b = max(0, int(y0)), min(self.h, int(np.ceil(y1)))
        if b > a:
            self.px[a:b] = gradient(np.linspace(a - y0, b - y0, b - a) / max(1.0, y1 - y0), colors)[:, None]

    def polygon(
        self, points: np.ndarray, top: Color, bottom: Color | None = None, alpha: float = 1.0
    ) -> None:
        """A filled polygon [n, 2] (px), a vertical gradient from top to bottom colour across its height."""
        points = np.asarray(points, np.float32)
        x0, y0 = np.floor(points.min(0)).astype(int) - 1
        x1, y1 = np.ceil(points.max(0)).astype(int) + 2
        cx0, cy0, cx1, cy1 = max(0, x0), max(0, y0), min(self.w, x1), min(self.h, y1)
        if cx1 <= cx0 or cy1 <= cy0:
            return
        mask = np.zeros((cy1 - cy0, cx1 - cx0), np.uint8)
        cv2.fillPoly(mask, [np.round((points - (cx0, cy0)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        color = (
            top
            if bottom is None
            else gradient((np.arange(cy0, cy1) - y0) / max(1, y1 - y0), (top, bottom))[:, None]
        )
        self._over(cx0, cy0, mask, color, alpha)

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        top: Color,
        bottom: Color | None = None,
        alpha: float = 1.0,
    ) -> None:
        """A filled rectangle on whole pixels, at least one px wide and high."""
        x0, y0 = round(x), round(y)
        x1, y1 = max(x0 + 1, round(x + w)), max(y0 + 1, round(y + h))
        cx0, cy0, cx1, cy1 = max(0, x0), max(0, y0), min(self.w, x1), min(self.h, y1)
        if cx1 <= cx0 or cy1 <= cy0:
            return
        color = (
            top
            if bottom is None
            else gradient((np.arange(cy0, cy1) - y0) / (y1 - y0), (top, bottom))[:, None]
        )
        part = self.px[cy0:cy1, cx0:cx1]
        if alpha == 1.0:
            part[:] = color
        else:
            part += (color - part) * np.float32(alpha)

    def _over(self, x: int, y: int, mask: np.ndarray, color: Color, alpha: float) -> None:
        part = self.px[y : y + mask.shape[0], x : x + mask.shape[1]]
        part += (color - part) * (mask.astype(np.float32) * np.float32(alpha / 255))[..., None]

    def piece(
        self,
        piece: Piece,
        x: float,
        y: float,
        height: float,
        dark: Color,
        light: Color,
        alpha: float = 1.0,
        flip: bool = False,
    ) -> None:
        """A soft piece standing with its foot's middle at x, y, so many px high, shaded dark to light."""
        h = max(2, round(height))
        w = max(2, round(height * piece.shade.shape[1] / piece.shade.shape[0]))
        left, upper = round(x - w / 2), round(y - h)
        cx0, cy0, cx1, cy1 = max(0, left), max(0, upper), min(self.w, left + w), min(self.h, upper + h)
        if cx1 <= cx0 or cy1 <= cy0:
            return
        both = cv2.resize(piece.at(h), (w, h), interpolation=cv2.INTER_AREA)
        if flip:
            both = both[:, ::-1]
        both = both[cy0 - upper : cy1 - upper, cx0 - left : cx1 - left]
        color = dark + (light - dark) * (both[..., 1:] / np.float32(255))
        self._over(cx0, cy0, both[..., 0], color, alpha)

    def glow(self, x: float, y: float, radius: float, color: Color, strength: float) -> None:
        """Adds a soft round light."""
        r = max(2, round(radius))
        left, upper = round(x) - r, round(y) - r
        cx0, cy0, cx1, cy1 = (
            max(0, left),
            max(0, upper),
            min(self.w, left + 2 * r),
            min(self.h, upper + 2 * r),
        )
        if cx1 <= cx0 or cy1 <= cy0:
            return
        spot = cv2.resize(_spot(), (2 * r, 2 * r))[cy0 - upper : cy1 - upper, cx0 - left : cx1 - left]
        part = self.px[cy0:cy1, cx0:cx1]
        part += (255 - part) * (color / 255 * np.float32(strength)) * spot[..., None]

    def shadow(self, x: float, y: float, width: float, height: float, strength: float) -> None:
        """Darkens a soft ellipse around x, y."""
        w, h = max(2, round(width)), max(2, round(height))
        left, upper = round(x - w / 2), round(y - h / 2)
        cx0, cy0, cx1, cy1 = max(0, left), max(0, upper), min(self.w, left + w), min(self.h, upper + h)
        if cx1 <= cx0 or cy1 <= cy0:
            return
        spot = cv2.resize(_spot(), (w, h))[cy0 - upper : cy1 - upper, cx0 - left : cx1 - left]
        self.px[cy0:cy1, cx0:cx1] *= 1 - np.float32(strength) * np.sqrt(spot)[..., None]

    def veil(self, y0: float, y1: float, color: Color, strength: float) -> None:
        """A horizontal band of mist, thickest in its middle."""
        a, b = max(0, int(y0)), min(self.h, int(y1))
        if b > a:
            profile = np.clip(
                np.sin(np.linspace((a - y0) / (y1 - y0), (b - y0) / (y1 - y0), b - a) * np.pi), 0, 1
            )
            weight = (strength * profile**1.5).astype(np.float32)[:, None, None]
            self.px[a:b] += (color - self.px[a:b]) * weight


def gradient(t: np.ndarray, colors: tuple[Color, ...]) -> np.ndarray:
    """Colours along t (0..1): float32 [len(t), 3]."""
    at = np.clip(t, 0, 1).astype(np.float32)[:, None] * np.float32(len(colors) - 1)
    if len(colors) == 2:
        return colors[0] + (colors[1] - colors[0]) * at
    stops = np.stack(colors).astype(np.float32)
    lower = np.minimum(at[:, 0].astype(int), len(colors) - 2)
    return stops[lower] + (stops[lower + 1] - stops[lower]) * (at - lower[:, None].astype(np.float32))


# ---- soft pieces: alpha and shade, coloured when painted ---------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A shape with its shading (0 dark … 255 light), as uint8 pictures that halve in size."""

    levels: tuple[np.ndarray, ...]

    @property
    def shade(self) -> np.ndarray:
        """The largest picture [h, w, 2]: alpha, shade."""
        return self.levels[0]

    def at(self, height: int) -> np.ndarray:
        """The smallest picture that is at least so high."""
        fit = [level for level in self.levels if level.shape[0] >= height]
        return fit[-1] if fit else self.levels[0]


def _piece(alpha: np.ndarray, shade: np.ndarray) -> Piece:
    both = np.dstack([alpha, shade]).astype(np.uint8)
    ys, xs = np.nonzero(both[..., 0] > 4)
    both = np.ascontiguousarray(both[: ys.max() + 1, xs.min() : xs.max() + 1][ys.min() :])
    levels: list[np.ndarray] = [both]
    while min(levels[-1].shape[:2]) > 24:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return Piece(tuple(levels))


@lru_cache(maxsize=1)
def _spot() -> np.ndarray:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    return (np.clip(1 - np.hypot(x, y), 0, 1) ** 2).astype(np.float32)


@lru_cache(maxsize=256)
def _blobs(seed: int, kind: str) -> Piece:
    """Cloud, bush or round tree: overlapping discs, each lit from the upper left."""
    rng = np.random.default_rng(seed)
    side = 256
    alpha: np.ndarray = np.zeros((side, side), np.uint8)
    shade: np.ndarray = np.zeros((side, side), np.uint8)
    discs = []
    if kind == "cloud":
        n = rng.integers(5, 9)
        for i in range(n):
            t = (i + 0.5) / n
            r = 18 + 30 * np.sin(t * np.pi) * rng.uniform(0.7, 1.15)
            discs.append((24 + t * 208, 168 - r * rng.uniform(0.35, 0.8), r))
    else:
        cx, cy, spread = 128, (96 if kind == "tree" else 150), (56 if kind == "tree" else 62)
        for _ in range(15):
            a, d = rng.uniform(0, 2 * np.pi), spread * np.sqrt(rng.random())
            discs.append(
                (
                    cx + d * np.cos(a) * (1 if kind == "tree" else 1.5),
                    cy + d * np.sin(a) * 0.85,
                    rng.uniform(20, 36),
                )
            )
    if kind == "tree":
        trunk = np.array([(118, 120), (138, 120), (144, 252), (112, 252)], np.int32)
        cv2.fillPoly(alpha, [trunk], 255, cv2.LINE_AA)
        cv2.fillPoly(shade, [trunk], 10, cv2.LINE_AA)
    for x, y, r in sorted(discs, key=lambda d: d[1] + d[2]) if kind != "cloud" else discs:
        centre, radius = (round(x * 16), round(y * 16)), round(r * 16)
        cv2.circle(alpha, centre, radius, 255, -1, cv2.LINE_AA, 4)
    for x, y, r in sorted(discs, key=lambda d: -d[1]):
        level = int(np.clip(255 - (y + r * 0.2 - 40) * (1.15 if kind == "cloud" else 1.05), 45, 235))
        cv2.circle(
            shade, (round(x * 16), round(y * 16)), round(r * 16), max(45, level - 38), -1, cv2.LINE_AA, 4
        )
        cv2.circle(
            shade,
            (round((x - r * 0.2) * 16), round((y - r * 0.22) * 16)),
            round(r * 0.72 * 16),
            level,
            -1,
            cv2.LINE_AA,
            4,
        )
    if kind == "cloud":
        cut = np.clip((188 - np.arange(side)) * 14, 0, 255).astype(np.float32)[:, None] / 255
        alpha = cv2.GaussianBlur(alpha, (0, 0), 2.4) * cut
        shade = cv2.GaussianBlur(shade, (0, 0), 7)
    else:
        shade = cv2.GaussianBlur(shade, (0, 0), 1.6)
    return _piece(alpha, shade)


@lru_cache(maxsize=64)
def _conifer(seed: int) -> Piece:
    """A fir in tiers."""
    rng = np.random.default_rng(seed)
    alpha, shade = np.zeros((320, 200), np.uint8), np.zeros((320, 200), np.uint8)
    cv2.rectangle(alpha, (92, 270), (108, 316), 255, -1)
    tiers = int(rng.integers(4, 7))
    for i in reversed(range(tiers)):
        top, bottom = 4 + 250 * i / tiers * 0.86, 4 + 250 * (i + 1.35) / (tiers + 0.35)
        half = (22 + 68 * (i + 1) / tiers) * rng.uniform(0.9, 1.08)
        xs = np.linspace(-half, half, 9)
        lower = [
            (100 + x, bottom + (5 if k % 2 else -7) + 8 * (abs(x) / half) ** 2 * -1) for k, x in enumerate(xs)
        ]
        points = np.array([(100, top), *lower[::-1]], np.float32)
        cv2.fillPoly(alpha, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        cv2.fillPoly(shade, [np.round(points * 16).astype(np.int32)], 80 + 22 * (tiers - i), cv2.LINE_AA, 4)
        left = np.array([(100, top), lower[0], lower[3]], np.float32)
        cv2.fillPoly(shade, [np.round(left * 16).astype(np.int32)], 140 + 18 * (tiers - i), cv2.LINE_AA, 4)
    return _piece(alpha, cv2.GaussianBlur(shade, (0, 0), 2))


@lru_cache(maxsize=64)
def _tuft(seed: int, kind: str) -> Piece:
    """Grass, reeds or seaweed: curved blades from one root."""
    rng = np.random.default_rng(seed)
    alpha, shade = np.zeros((200, 200), np.uint8), np.zeros((200, 200), np.uint8)
    blades, width = {"grass": (13, 7), "reed": (8, 5), "weed": (5, 15)}[kind]
    for i in range(blades):
        x0 = 100 + (i - blades / 2) * (80 / blades) * rng.uniform(0.6, 1.1)
        tip = x0 + (x0 - 100) * rng.uniform(0.5, 1.5) + rng.uniform(-14, 14)
        top = rng.uniform(6, 90)
        t = np.linspace(0, 1, 14)
        sway = np.sin(t * 7 + i) * 10 * t if kind == "weed" else 0
        x, y = x0 + (tip - x0) * t**1.7 + sway, 198 + (top - 198) * t
        half = width * (1 - t) ** 0.6 / 2 + (1.2 if kind != "weed" else 3)
        points = np.concatenate([np.stack([x - half, y], 1), np.stack([x + half, y], 1)[::-1]])
        level = int(rng.uniform(60, 230))
        cv2.fillPoly(alpha, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        cv2.fillPoly(shade, [np.round(points * 16).astype(np.int32)], level, cv2.LINE_AA, 4)
        if kind == "reed" and i % 3 == 0:
            cv2.ellipse(alpha, (int(tip), int(top) + 14), (5, 16), 0, 0, 360, 255, -1, cv2.LINE_AA)
            cv2.ellipse(shade, (int(tip), int(top) + 14), (5, 16), 0, 0, 360, 20, -1, cv2.LINE_AA)
    return _piece(alpha, shade)


@lru_cache(maxsize=16)
def _blossom(seed: int) -> Piece:
    """A flower head of five or six petals, darker towards the middle."""
    rng = np.random.default_rng(seed)
    alpha, shade = np.zeros((96, 96), np.uint8), np.zeros((96, 96), np.uint8)
    petals = int(rng.integers(5, 7))
    for a in (np.arange(petals) + rng.random()) * 2 * np.pi / petals:
        x, y = 48 + 25 * np.cos(a), 48 + 23 * np.sin(a)
        cv2.circle(alpha, (round(x * 16), round(y * 16)), 21 * 16, 255, -1, cv2.LINE_AA, 4)
        cv2.circle(shade, (round(x * 16), round(y * 16)), 21 * 16, 200, -1, cv2.LINE_AA, 4)
        cv2.circle(
            shade,
            (round((x + 4 * np.cos(a)) * 16), round((y + 4 * np.sin(a) - 2) * 16)),
            14 * 16,
            255,
            -1,
            cv2.LINE_AA,
            4,
        )
    cv2.circle(alpha, (48, 48), 12, 255, -1)
    return _piece(alpha, cv2.GaussianBlur(shade, (0, 0), 3))


# ---- parts that several places share ------------------------------------------------------------------


def sky(c: Canvas, horizon: float, clouds: float = 1.0) -> None:
    """Sky down to the horizon (px): gradient, stars, sun or moon, clouds."""
    m = c.mood
    c.vertical(0, horizon + 2, *m.sky)
    veiled = m.weather in ("rain", "fog", "snow")
    if m.dark and m.weather not in ("rain", "fog"):
        for _ in range(int(26 * c.h / c.w)):
            x, y = c.between(0, c.w), c.between(0, horizon * 0.85)
            c.glow(x, y, c.unit * c.between(0.006, 0.013), FLAKE, c.between(0.5, 1.0))
    if c.body and m.weather != "rain":
        _sun_or_moon(c, horizon, 0.45 if veiled else 1.0)
    light = {"morning": "#fff6ea", "day": "#ffffff", "evening": "#ffd9b8", "night": "#5a6ea6"}[m.time]
    bright, dim = rgb(light), mix(rgb(light), m.sky[1], 0.55)
    if m.weather == "rain":
        bright, dim = mix(bright, m.sky[0], 0.5), m.sky[0] * 0.85
    count = c.rng.integers(1, 4) + (2 if m.weather == "rain" else 0) + (1 if c.tall else 0)
    for _ in range(round(count * clouds)):
        size = c.unit * c.between(0.09, 0.2) * (1.5 if m.weather == "rain" else 1)
        y = c.between(0.1, 0.78) * horizon
        alpha = c.between(0.55, 0.92) * (0.45 if m.weather == "fog" else 1)
        c.piece(
            _blobs(int(c.rng.integers(40)), "cloud"),
            c.between(-0.05, 1.05) * c.w,
            y,
            size,
            dim,
            bright,
            alpha,
        )


def _sun_or_moon(c: Canvas, horizon: float, strength: float) -> None:
    m = c.mood
    x = c.w * (c.between(0.12, 0.34) if c.chance(0.5) else c.between(0.66, 0.88))
    height = {"morning": (0.45, 0.8), "day": (0.14, 0.35), "evening": (0.6, 0.9), "night": (0.16, 0.4)}[
        m.time
    ]
    y, r = horizon * c.between(*height), c.unit * c.between(0.038, 0.06)
    color = rgb({"morning": "#fff0c8", "day": "#fff6cf", "evening": "#ffd98a", "night": "#f4f0da"}[m.time])
    c.glow(x, y, r * (7 if m.time != "night" else 4.5), color, 0.5 * strength)
    angle = np.linspace(0, 2 * np.pi, 40)
    disc = np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], 1)
    c.polygon(disc, mix(color, FLAKE, 0.4), color, 0.95 * strength)
    if m.dark:
        for dx, dy, k in ((-0.3, -0.2, 0.22), (0.25, 0.3, 0.16), (0.3, -0.3, 0.12)):
            spot = np.stack([x + r * dx + r * k * np.cos(angle), y + r * dy + r * k * np.sin(angle)], 1)
            c.polygon(spot, color * 0.9, None, 0.7 * strength)


def ridge(
    c: Canvas,
    y: float,
    swing: float,
    waves: float,
    top: Color,
    bottom: Color,
    foot: float,
    jagged: float = 0.0,
) -> np.ndarray:
    """A range of hills from its wavy top around y (px) down to foot; returns its top line [n, 2]."""
    x = np.linspace(-4, c.w + 4, 64 if jagged else 40)
    t = x / c.w
    line = np.zeros_like(t)
    for k in range(1, 4):
        line += np.sin(2 * np.pi * (waves * k * 0.6 * t + c.rng.random())) / k**1.2
    if jagged:
        knots = int(5 + 5 * waves)
        peaks = c.rng.uniform(-1, 1, knots) * np.where(np.arange(knots) % 2, 1, -0.6)
        line = line * 0.45 + np.interp(t, np.linspace(-0.05, 1.05, knots), peaks) * 1.3
        line += c.rng.uniform(-1, 1, t.size) * 0.08 * jagged
    top_line = np.stack([x, y - swing * line * 0.55], 1)
    c.polygon(np.concatenate([top_line, [(c.w + 4, foot), (-4, foot)]]), top, bottom)
    return top_line


def trees(
    c: Canvas,
    line: np.ndarray,
    count: int,
    height: tuple[float, float],
    depth: float,
    kind: str,
    sink: float = 0.04,
) -> None:
    """Trees along a top line [n, 2] (px), heights in px."""
    m = c.mood
    snow = m.weather == "snow"
    for x in np.sort(c.rng.uniform(0, c.w, count)):
        y = float(np.interp(x, line[:, 0], line[:, 1]))
        h = c.between(*height)
        if kind == "fir":
            dark, light = m.tone("#1f4a3c", depth), m.tone("#4f8a5f", depth)
            shape = _conifer(int(c.rng.integers(12)))
        else:
            leaf = c.pick(
                ("#7fb24e", "#8fbb56", "#6aa04a", "#a8b84e")
                if m.time != "evening"
                else ("#b59a48", "#8fa04a", "#c98a4a")
            )
            dark, light = m.tone(rgb(leaf) * 0.5, depth), m.tone(leaf, depth)
            shape = _blobs(int(c.rng.integers(24)) + 100, kind)
        if snow:
            light = m.tone(FLAKE, depth)
        c.piece(shape, float(x), y + h * sink, h, dark, light, 1.0, c.chance(0.5))


def tufts(
    c: Canvas, y0: float, y1: float, count: int, color: str, kind: str = "grass", size: float = 0.09
) -> None:
    """Grass from y0 (far, small) to y1 (near, large), px."""
    m = c.mood
    for s in np.sort(c.rng.random(count)):
        y, h = y0 + (y1 - y0) * s, c.unit * size * (0.35 + 0.75 * s) * c.between(0.7, 1.2)
        dark, light = m.ground(color) * 0.84, mix(m.ground(color), m.tone("#f4f0a0"), 0.3)
        c.piece(_tuft(int(c.rng.integers(16)), kind), c.between(0, c.w), y, h, dark, light, 0.45 + 0.4 * s)


def blossoms(
    c: Canvas, y0: float, y1: float, count: int, colors: tuple[str, ...], size: float = 0.03
) -> None:
    """Flower heads from y0 (far) to y1 (near), px."""
    m = c.mood
    for s in np.sort(c.rng.random(count) ** 0.8):
        x, y = c.between(0, c.w), y0 + (y1 - y0) * s
        r = c.unit * size * (0.3 + 0.8 * s) * c.between(0.7, 1.2)
        color = m.tone(c.pick(colors))
        stem = m.tone("#4f8a3c")
        c.rect(x - r * 0.1, y, max(0.8, r * 0.2), r * 2.2, stem)
        c.piece(_blossom(int(c.rng.integers(12))), x, y + r, 2 * r, color * 0.78, color)
        if r > 3:
            c.polygon(_disc(x, y, r * 0.27, r * 0.25, 8), m.tone("#ffd65a"))


def _disc(x: float, y: float, rx: float, ry: float, n: int = 14) -> np.ndarray:
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([x + rx * np.cos(a), y + ry * np.sin(a)], 1)


def water(
    c: Canvas, y0: float, y1: float, hue: str = "#4f9ec4", mirror: float = 0.45, lines: int = 22
) -> None:
    """Water from y0 to y1 (px): the sky's colours, a blurred mirror of what is above, wave lines."""
    m = c.mood
    a, b = max(0, int(y0)), min(c.h, int(np.ceil(y1)))
    if b <= a:
        return
    far, near = mix(m.tone(hue), m.sky[2], 0.55), mix(m.tone(hue) * 0.82, m.sky[0], 0.3)
    surface = gradient(np.linspace(0, 1, b - a), (far, mix(far, near, 0.6), near))[:, None]
    rows = np.clip(a - 1 - (np.arange(b - a) * 0.9).astype(int), 0, c.h - 1)
    reflection = cv2.blur(np.ascontiguousarray(c.px[rows]), (1, max(1, c.h // 60)))
    fade = np.linspace(mirror, mirror * 0.25, b - a, dtype=np.float32)[:, None, None]
    x = np.arange(c.w)
    wobble = (np.sin(np.arange(b - a) * 0.9 + np.linspace(0, 30, b - a)) * c.unit * 0.006).astype(int)
    reflection = reflection[np.arange(b - a)[:, None], np.clip(x[None] + wobble[:, None], 0, c.w - 1)]
    c.px[a:b] = surface + (reflection - surface) * fade
    shine = mix(m.sky[2], FLAKE, 0.35)
    for s in c.rng.random(lines) ** 1.4:
        y = y0 + (y1 - y0) * s
        half = c.w * c.between(0.03, 0.12) * (0.5 + s)
        thick = c.unit * (0.002 + 0.006 * s)
        x0 = c.between(0, c.w)
        lens = np.array([(x0 - half, y), (x0, y - thick), (x0 + half, y), (x0, y + thick)])
        c.polygon(lens, shine if c.chance(0.6) else near * 0.8, None, 0.5)


def _horizon(c: Canvas, low: float = 0.5, high: float = 0.6) -> float:
    shift = 0.04 if c.tall else 0.0
    return c.between(low + shift, high + shift)


def _base(c: Canvas) -> float:
    return c.between(0.76, 0.84) if c.tall else c.between(0.84, 0.92)


def _far(c: Canvas, h: float) -> None:
    """Hazy ranges on the horizon."""
    m = c.mood
    if c.chance(0.7):
        ridge(
            c,
            h - c.unit * c.between(0.06, 0.13),
            c.unit * c.between(0.05, 0.1),
            c.between(0.6, 1.3),
            m.tone("#7d93b5", 0.62),
            m.tone("#9db4c4", 0.75),
            h + 4,
            0.6 if c.chance(0.5) else 0,
        )
    ridge(
        c,
        h - c.unit * c.between(0.015, 0.06),
        c.unit * 0.04,
        c.between(0.8, 1.6),
        m.ground("#7fa58a", 0.5),
        m.ground("#93b58c", 0.45),
        h + 6,
    )


# ---- the places ---------------------------------------------------------------------------------------


def meadow(c: Canvas) -> Stage:
    """Grass with tufts, a tree line, far hills."""
    m, hz, base = c.mood, _horizon(c), _base(c)
    h = hz * c.h
    sky(c, h)
    _far(c, h)
    green = c.pick(("#86b84e", "#7cb356", "#98bd52", "#6fae5c"))
    line = ridge(
        c,
        h,
        c.unit * 0.03,
        c.between(0.4, 1),
        m.ground(green, 0.22),
        m.ground(rgb_scale(green, 0.74)),
        c.h + 2,
    )
    trees(
        c,
        line,
        int(c.rng.integers(0, 7)),
        (c.unit * 0.08, c.unit * 0.2),
        0.25,
        c.pick(("tree", "tree", "fir", "bush")),
    )
    tufts(c, h + c.unit * 0.05, c.h * 1.02, 26, rgb_scale(green, 0.86))
    if c.chance(0.5) and m.weather != "snow":
        blossoms(c, h + c.unit * 0.08, c.h * 0.99, 10, ("#ffffff", "#ffe27a", "#f7b0c4"), 0.018)
    return Stage(base, hz)


def rgb_scale(color: str, k: float) -> str:
    """A hex colour made darker (k < 1) or lighter."""
    return "#" + "".join(f"{min(255, round(v * k)):02x}" for v in rgb(color))


def flowers(c: Canvas) -> Stage:
    """A field of flowers."""
    m, hz, base = c.mood, _horizon(c, 0.42, 0.54), _base(c)
    h = hz * c.h
    sky(c, h)
    _far(c, h)
    ridge(c, h, c.unit * 0.02, 0.6, m.ground("#8fbf5c", 0.2), m.ground("#4f8f45"), c.h + 2)
    palette = (
        ("#f26d8f", "#f9a8bd", "#ffffff"),
        ("#e8463f", "#f2705a", "#f7b24a"),
        ("#8f6fd0", "#b59ae6", "#f2c6ea"),
        ("#f6c445", "#f7e08a", "#f08a4a"),
        ("#5f8fe0", "#9fc0f2", "#ffffff"),
        ("#f26d8f", "#f6c445", "#8f6fd0"),
    )[int(c.rng.integers(6))]
    tufts(c, h + c.unit * 0.04, c.h * 1.02, 12, "#5f9a48")
    blossoms(c, h + c.unit * 0.015, c.h * 1.0, int(62 * min(1.5, c.h / c.w)), palette, 0.042)
    return Stage(base, hz)


def hills(c: Canvas) -> Stage:
    """Rolling hills, one behind another."""
    m, hz, base = c.mood, _horizon(c, 0.42, 0.52), _base(c)
    h = hz * c.h
    sky(c, h + c.unit * 0.1)
    greens = (
        ("#8fb8a0", "#86bb6a", "#79b24e", "#6aa544"),
        ("#a8b58a", "#b5bb62", "#a3b04a", "#8a9f3f"),
        ("#8aa8c0", "#7fb59a", "#6fae72", "#5c9f56"),
    )[int(c.rng.integers(3))]
    for i, green in enumerate(greens):
        y = h + c.unit * (0.02 + 0.11 * i)
        depth = (0.6, 0.36, 0.16, 0.0)[i]
        line = ridge(
            c,
            y,
            c.unit * c.between(0.05, 0.1),
            c.between(0.5, 1.1),
            m.ground(green, depth),
            m.ground(rgb_scale(green, 0.78), depth),
            c.h + 2,
        )
        if i in (1, 2) and c.chance(0.7):
            trees(
                c,
                line,
                int(c.rng.integers(2, 6)),
                (c.unit * 0.05, c.unit * (0.08 + 0.05 * i)),
                depth,
                c.pick(("tree", "fir", "bush")),
            )
    tufts(c, h + c.unit * 0.42, c.h * 1.02, 12, "#5c9444")
    return Stage(base, hz)


def mountains(c: Canvas) -> Stage:
    """Snow-topped ranges, firs, a meadow in front."""
    m, hz, base = c.mood, _horizon(c, 0.54, 0.62), _base(c)
    h = hz * c.h
    sky(c, h)
    tall = c.unit * (0.34 if c.tall else 0.26)
    for i, (color, depth) in enumerate((("#6f86ad", 0.5), ("#5a7596", 0.26))):
        y = h - tall * (0.95 - 0.45 * i)
        line = ridge(
            c,
            y,
            tall * 0.5,
            c.between(0.6, 1.0),
            m.tone(color, depth),
            m.tone("#a3b8c4", depth + 0.25),
            h + 6,
            0.5,
        )
        _snow_caps(c, line, tall * (0.3 if i == 0 else 0.2), depth)
    line = ridge(
        c, h - c.unit * 0.02, c.unit * 0.05, 0.9, m.ground("#5f8f62", 0.25), m.ground("#6a9a5a", 0.1), c.h + 2
    )
    trees(c, line, 14, (c.unit * 0.07, c.unit * 0.15), 0.28, "fir")
    line = ridge(
        c, h + c.unit * 0.07, c.unit * 0.03, 0.7, m.ground("#86b35c", 0.08), m.ground("#5f8f45"), c.h + 2
    )
    trees(c, line, int(c.rng.integers(1, 5)), (c.unit * 0.13, c.unit * 0.22), 0.1, "fir")
    tufts(c, h + c.unit * 0.15, c.h * 1.02, 16, "#6a9c48")
    return Stage(base, hz)


def _snow_caps(c: Canvas, line: np.ndarray, drop: float, depth: float) -> None:
    """White from the top line down to a zigzag, deepest under the peaks."""
    high = line[:, 1].min()
    reach = np.clip(1.4 - (line[:, 1] - high) / (drop * 2.0), 0, 1) * drop
    zigzag = np.where(np.arange(len(line)) % 2, 1.0, 0.55)
    lower = np.stack([line[:, 0], line[:, 1] + reach * zigzag], 1)
    c.polygon(np.concatenate([line, lower[::-1]]), c.mood.tone(FLAKE, depth * 0.6), c.mood.tone(FLAKE, depth))


def forest(c: Canvas) -> Stage:
    """Rows of trees in depth, with light between them."""
    m, hz, base = c.mood, _horizon(c, 0.56, 0.64), _base(c)
    h = hz * c.h
    sky(c, h, 0.4)
    c.px[: int(h)] = mix(c.px[: int(h)], m.tone("#9fc08a"), 0.25)
    kind = c.pick(("fir", "fir", "tree"))
    for depth, drop, size, count in ((0.62, -0.03, 0.36, 13), (0.4, 0.01, 0.48, 9)):
        line = np.array([(0, h + c.unit * drop), (c.w, h + c.unit * drop)])
        scale = c.h / c.unit
        trees(
            c, line, count, (c.unit * size * 0.8 * scale**0.6, c.unit * size * 1.3 * scale**0.6), depth, kind
        )
        ridge(
            c,
            h + c.unit * drop,
            c.unit * 0.02,
            1,
            m.ground("#7fa05c", depth),
            m.ground("#6f944f", depth * 0.6),
            c.h + 2,
        )
    ridge(c, h + c.unit * 0.08, c.unit * 0.02, 0.7, m.ground("#6f9650", 0.1), m.ground("#41683a"), c.h + 2)
    for side in (0.02, 0.98, c.between(0.08, 0.2), c.between(0.8, 0.92)):
        x, y = c.w * side, h + c.unit * c.between(0.1, 0.18)
        size = c.unit * c.between(0.6, 0.85) * (c.h / c.unit) ** 0.7
        line = np.array([(0, y), (c.w, y)])
        snow = m.weather == "snow"
        dark, light = (
            (m.tone("#1d4636", 0.12), m.tone("#3f7a52", 0.1))
            if kind == "fir"
            else (m.tone("#2f5330", 0.1), m.tone("#6a9c46", 0.1))
        )
        shape = (
            _conifer(int(c.rng.integers(12)))
            if kind == "fir"
            else _blobs(int(c.rng.integers(24)) + 100, "tree")
        )
        c.piece(shape, x, y, size, dark, m.tone(FLAKE, 0.1) if snow else light)
    if m.time in ("morning", "day", "evening") and m.weather == "clear":
        _rays(c, c.w * c.between(0.1, 0.9), -0.1 * c.h, h * 1.2, m.sky[2], 0.16)
    tufts(c, h + c.unit * 0.12, c.h * 1.02, 18, "#4f7f42")
    return Stage(base, hz)


def _rays(c: Canvas, x: float, y0: float, y1: float, color: Color, strength: float) -> None:
    """Beams of light spreading downward."""
    for _ in range(3):
        lean, spread = c.between(-0.35, 0.35) * c.w, c.w * c.between(0.06, 0.14)
        beam = np.array([(x - 4, y0), (x + 4, y0), (x + lean + spread, y1), (x + lean - spread, y1)])
        c.polygon(beam, color, color, strength)


def desert(c: Canvas) -> Stage:
    """Dunes with a lit and a shaded side."""
    m, hz, base = c.mood, _horizon(c, 0.5, 0.58), _base(c)
    h = hz * c.h
    sky(c, h, 0.5)
    sand = c.pick(("#efc27a", "#e8b06a", "#f2cf94"))
    if c.chance(0.5):
        ridge(
            c,
            h - c.unit * 0.06,
            c.unit * 0.09,
            1.0,
            m.tone("#c98a68", 0.45),
            m.tone("#d8a880", 0.5),
            h + 5,
            0.7,
        )
    for i in range(4):
        y, depth = h + c.unit * (0.01 + 0.1 * i), (0.4, 0.2, 0.08, 0)[i]
        line = ridge(
            c,
            y,
            c.unit * 0.07,
            c.between(0.4, 0.9),
            m.ground(sand, depth),
            m.ground(rgb_scale(sand, 0.82), depth),
            c.h + 2,
        )
        lower = line + np.stack(
            [np.zeros(len(line)), c.unit * 0.05 * (0.5 + 0.5 * np.sin(line[:, 0] / c.w * 5 + i))], 1
        )
        c.polygon(
            np.concatenate([line, lower[::-1]]),
            m.ground(rgb_scale(sand, 1.08), depth),
            m.ground(sand, depth),
            0.7,
        )
    if c.chance(0.6):
        x = c.w * (c.between(0.06, 0.2) if c.chance(0.5) else c.between(0.8, 0.94))
        _cactus(c, x, h + c.unit * c.between(0.12, 0.2), c.unit * c.between(0.14, 0.24))
    return Stage(base, hz)


def _cactus(c: Canvas, x: float, y: float, s: float) -> None:
    green, dark = c.mood.tone("#5f9a5a", 0.08), c.mood.tone("#3f6f45", 0.08)
    for dx, top, foot, w in ((0, 1.0, 0, 0.17), (-0.3, 0.72, 0.42, 0.12), (0.3, 0.85, 0.32, 0.12)):
        c.rect(x + s * (dx - w / 2), y - s * top, s * w, s * (top - foot), green, dark)
        c.polygon(_disc(x + s * dx, y - s * top, s * w / 2, s * w / 2), green)
    c.rect(x - s * 0.34, y - s * 0.46, s * 0.34, s * 0.1, dark)
    c.rect(x, y - s * 0.38, s * 0.34, s * 0.1, dark)


def sea(c: Canvas) -> Stage:
    """Open water to the horizon."""
    hz = _horizon(c, 0.46, 0.56)
    h = hz * c.h
    sky(c, h)
    if c.chance(0.4):
        ridge(
            c,
            h - c.unit * 0.02,
            c.unit * 0.05,
            0.7,
            c.mood.tone("#6f8fa5", 0.55),
            c.mood.tone("#8aa5b0", 0.6),
            h + 3,
        )
    water(c, h, c.h, c.pick(("#2f8fc0", "#2f9fb5", "#3f86c8")), 0.2, 34)
    _crests(c, h)
    base = c.between(0.74, 0.8) if c.tall else c.between(0.78, 0.86)
    return Stage(base, hz, (hz, 1.0))


def _crests(c: Canvas, h: float) -> None:
    """Rows of waves growing towards the viewer."""
    m = c.mood
    for i in range(5):
        s = (i + 1) / 5.5
        y = h + (c.h - h) * s**1.3
        x = np.linspace(-5, c.w + 5, 60)
        lift = c.unit * 0.016 * (0.4 + s)
        line = y - lift * np.abs(np.sin(x / c.w * np.pi * (9 - 5 * s) + c.between(0, 6)))
        band = np.concatenate(
            [np.stack([x, line], 1), np.stack([x, line + c.unit * 0.012 * (0.4 + s)], 1)[::-1]]
        )
        c.polygon(band, mix(m.sky[2], FLAKE, 0.4), None, 0.35)


def beach(c: Canvas) -> Stage:
    """Sand in front, the sea behind."""
    m, hz, base = c.mood, _horizon(c, 0.42, 0.5), _base(c)
    h = hz * c.h
    sky(c, h)
    shore = h + (c.h - h) * c.between(0.3, 0.42)
    water(c, h, shore + c.unit * 0.04, c.pick(("#3fa5c8", "#35b0b8", "#4a95d0")), 0.15, 16)
    x = np.linspace(-5, c.w + 5, 50)
    for k, (shift, color, alpha) in enumerate(
        ((0.0, FLAKE, 0.8), (0.022, m.ground("#d8b582") / m.light.mean() * m.light, 1.0), (0.045, None, 1.0))
    ):
        wave = shore + c.unit * (shift + 0.014 * np.sin(x / c.w * 7 + 1.3) + 0.006 * np.sin(x / c.w * 19))
        tone = m.tone(color) if k == 0 else m.ground("#dcb987") if k == 1 else m.ground("#f2d9a5")
        tone2 = tone if k < 2 else m.ground("#d9b57c")
        c.polygon(
            np.concatenate([np.stack([x, wave], 1), [(c.w + 5, c.h + 2), (-5, c.h + 2)]]), tone, tone2, alpha
        )
    for _ in range(9):
        px, py = c.between(0, c.w), c.between(shore + c.unit * 0.1, c.h)
        c.polygon(
            _disc(px, py, c.unit * 0.012, c.unit * 0.007),
            m.tone(c.pick(("#ffffff", "#c99a70", "#f2b5a0"))),
            None,
            0.8,
        )
    if c.chance(0.35):
        left = c.chance(0.5)
        _palm(
            c,
            c.w * (0.06 if left else 0.94),
            shore + c.unit * 0.16,
            c.unit * c.between(0.45, 0.65),
            1 if left else -1,
        )
    return Stage(base, hz)


def _palm(c: Canvas, x: float, y: float, s: float, lean: int) -> None:
    m, t = c.mood, np.linspace(0, 1, 12)
    cx, cy = x + lean * s * 0.16 * t**2, y - s * t
    half = s * (0.035 - 0.018 * t)
    c.polygon(
        np.concatenate([np.stack([cx - half, cy], 1), np.stack([cx + half, cy], 1)[::-1]]),
        m.tone("#a8805a"),
        m.tone("#7a5a3c"),
    )
    for a in np.linspace(-0.3, np.pi + 0.3, 7):
        u = np.linspace(0, 1, 10)
        fx, fy = cx[-1] + np.cos(a) * s * 0.42 * u, cy[-1] - np.sin(a) * s * 0.2 * u + s * 0.26 * u**2
        wide = s * 0.045 * np.sin(np.pi * np.clip(u, 0.05, 0.98))
        c.polygon(
            np.concatenate([np.stack([fx, fy - wide], 1), np.stack([fx, fy + wide], 1)[::-1]]),
            m.tone("#6faf56"),
            m.tone("#3f7f45"),
        )


def lake(c: Canvas) -> Stage:
    """Still water that mirrors mountains and trees; a near bank."""
    m, hz = c.mood, _horizon(c, 0.42, 0.5)
    h = hz * c.h
    sky(c, h)
    ridge(
        c,
        h - c.unit * 0.13,
        c.unit * 0.13,
        c.between(0.6, 1.0),
        m.tone("#6f8cb0", 0.5),
        m.tone("#9fb8c8", 0.7),
        h + 4,
        0.5 if c.chance(0.6) else 0,
    )
    line = ridge(
        c, h - c.unit * 0.03, c.unit * 0.035, 1.1, m.ground("#5f8f68", 0.38), m.ground("#6f9f66", 0.35), h + 4
    )
    trees(c, line, 12, (c.unit * 0.05, c.unit * 0.12), 0.36, c.pick(("fir", "tree", "bush")))
    water(c, h, c.h, c.pick(("#4f9ec4", "#5fa8b8", "#4a8fc0")), 0.75, 20)
    bank = (0.83 if c.tall else 0.84) if c.bank else (0.9 if c.tall else 0.93)
    left = c.chance(0.5)
    x = np.linspace(-5, c.w + 5, 30)
    t = x / c.w if left else 1 - x / c.w
    shore = c.h * bank + c.unit * (0.02 * np.sin(t * 6) + (0.02 if c.bank else 0.07) * t)
    c.polygon(
        np.concatenate([np.stack([x, shore], 1), [(c.w + 5, c.h + 2), (-5, c.h + 2)]]),
        m.ground("#7fa858"),
        m.ground("#4f7f42"),
    )
    for _ in range(5):
        rx = c.w * (c.between(0.0, 0.22) if left else c.between(0.78, 1.0))
        c.piece(
            _tuft(int(c.rng.integers(16)), "reed"),
            rx,
            c.h * (bank + 0.04),
            c.unit * c.between(0.14, 0.24),
            m.ground("#4f6f3a"),
            m.ground("#9fb562"),
            0.95,
        )
    base = c.between(0.7, 0.76) if c.tall else c.between(0.74, 0.82)
    return Stage(base, hz, (hz, bank))


def river(c: Canvas) -> Stage:
    """A river winding from the hills to the viewer between green banks."""
    m, hz = c.mood, _horizon(c, 0.4, 0.5)
    h = hz * c.h
    sky(c, h)
    _far(c, h)
    water(c, h, c.h, c.pick(("#4f9fc8", "#58a5b5", "#4f94c8")), 0.4, 30)
    side = 1 if c.chance(0.5) else -1
    t = np.linspace(0, 1, 24)
    y = h + (c.h * 1.02 - h) * t**1.25
    middle = 0.5 + side * (0.24 * np.sin(t * 3.6) * (1 - t) ** 0.8)
    half = 0.035 + 0.62 * t**1.05
    green = c.pick(("#86b656", "#7cad5c", "#98b858"))
    for s in (-1, 1):
        edge = (middle + s * half) * c.w
        out = -6.0 if s < 0 else c.w + 6.0
        c.polygon(
            np.concatenate(
                [
                    np.stack([edge + s * -c.unit * 0.012 * (0.3 + t), y + c.unit * 0.01], 1),
                    [(out, c.h + 4), (out, h)],
                ]
            ),
            m.ground("#a08a62", 0.15),
            m.ground("#7a6a4a"),
        )
        c.polygon(
            np.concatenate([np.stack([edge, y], 1), [(out, c.h + 4), (out, h)]]),
            m.ground(green, 0.25),
            m.ground(rgb_scale(green, 0.7)),
        )
        for u in np.sort(c.rng.random(5)):
            k = u * 0.55
            ey = float(np.interp(k, t, y))
            ex = float(np.interp(k, t, edge)) + s * c.between(0.02, 0.3) * c.w
            leaf = c.pick(("#7fb04e", "#6aa048", "#9ab552"))
            lit = m.tone(FLAKE, 0.2) if m.weather == "snow" else m.tone(leaf, 0.3 * (1 - k))
            c.piece(
                _blobs(int(c.rng.integers(24)) + 100, "tree"),
                ex,
                ey + 3,
                c.unit * (0.09 + 0.3 * k),
                m.tone(rgb(leaf) * 0.5, 0.3 * (1 - k)),
                lit,
            )
        for u in np.sort(c.rng.random(7)) * 0.9 + 0.1:
            ex, ey = float(np.interp(u, t, edge)), float(np.interp(u, t, y))
            c.piece(
                _tuft(int(c.rng.integers(16)), "reed" if u > 0.3 else "grass"),
                ex + s * c.unit * 0.01,
                ey + c.unit * 0.015,
                c.unit * (0.03 + 0.12 * u),
                m.ground("#4f7338"),
                m.ground("#a3ba66"),
            )
    if c.bank:
        shore = c.h * (0.84 if c.tall else 0.85)
        ridge(c, shore, c.unit * 0.02, 0.6, m.ground("#a08a62", 0.1), m.ground("#7a6a4a"), c.h + 2)
        ridge(
            c,
            shore + c.unit * 0.015,
            c.unit * 0.02,
            0.6,
            m.ground(green),
            m.ground(rgb_scale(green, 0.72)),
            c.h + 2,
        )
        tufts(c, shore + c.unit * 0.06, c.h * 1.02, 9, rgb_scale(green, 0.86))
    base = c.between(0.72, 0.79) if c.tall else c.between(0.76, 0.84)
    return Stage(base, hz, (hz, 1.0))


def town(c: Canvas) -> Stage:
    """White-walled, grey-roofed houses along a canal."""
    m, hz = c.mood, _horizon(c, 0.5, 0.57)
    h = hz * c.h
    sky(c, h * 0.9, 0.8)
    ridge(c, h - c.unit * 0.26, c.unit * 0.08, 0.7, m.tone("#8aa0b5", 0.6), m.tone("#a5b8c0", 0.7), h)
    _row_of_houses(c, h, 0.3, 0.34)
    _row_of_houses(c, h, 0.4, 0.1)
    c.rect(-2, h - c.unit * 0.025, c.w + 4, c.unit * 0.05, m.ground("#b5ada0", 0.1), m.tone("#857d72", 0.08))
    quay = 0.83 if c.bank else (0.89 if c.tall else 0.9)
    water(c, h + c.unit * 0.02, c.h * quay, "#6fa3a8", 0.62, 22)
    if c.chance(0.35):
        _small_bridge(
            c, c.w * (c.between(0.05, 0.2) if c.chance(0.5) else c.between(0.8, 0.95)), h + c.unit * 0.03
        )
    c.rect(-2, c.h * quay, c.w + 4, c.h * (1 - quay) + 4, m.ground("#cfc6b6"), m.ground("#a39a8c"))
    c.rect(-2, c.h * quay, c.w + 4, c.unit * 0.014, m.ground("#e6dfd0"))
    for i in range(7):
        x = c.w * (i + c.between(0.2, 0.8)) / 7
        c.rect(x, c.h * quay + c.unit * 0.014, max(1.0, c.unit * 0.005), c.h, m.ground("#938a7c"), None, 0.7)
    if c.chance(0.5):
        left = c.chance(0.5)
        _hanging_branches(c, left)
    base = c.between(0.74, 0.79) if c.tall else c.between(0.76, 0.83)
    return Stage(base, hz, (hz + 0.02, quay))


def _row_of_houses(c: Canvas, foot: float, size: float, depth: float) -> None:
    m, x = c.mood, -c.unit * c.between(0.0, 0.2)
    wall, roof = c.pick(("#f4efe4", "#f7f2ea", "#efe8da")), "#4f5967"
    while x < c.w:
        w, tall = c.unit * c.between(0.2, 0.32), c.unit * size * c.between(0.72, 1.12)
        top = foot - tall
        c.rect(x, top, w, tall + 1, m.tone(wall, depth), m.tone(rgb_scale(wall, 0.9), depth))
        over, rise = w * 0.08, c.unit * c.between(0.06, 0.09)
        roof_line = np.array(
            [
                (x - over, top + rise * 0.25),
                (x + w * 0.14, top - rise),
                (x + w * 0.86, top - rise),
                (x + w + over, top + rise * 0.25),
            ]
        )
        snow = m.weather == "snow"
        c.polygon(
            roof_line,
            m.tone("#e6edf5" if snow else roof, depth),
            m.tone(rgb_scale(roof, 0.85) if not snow else "#c8d2de", depth),
        )
        c.rect(x + w * 0.12, top - rise - c.unit * 0.008, w * 0.76, c.unit * 0.014, m.tone("#333b47", depth))
        _windows(c, x, top + rise * 0.5, w, tall - rise * 0.5, depth)
        x += w * c.between(0.98, 1.12)


def _windows(c: Canvas, x: float, y: float, w: float, h: float, depth: float) -> None:
    m = c.mood
    rows = 2 if h > c.unit * 0.24 else 1
    frame, cell = m.tone("#8a5a3b", depth), h / (rows + 0.25)
    for row in range(rows):
        for col in range(2):
            wx, wy = x + w * (0.14 + 0.42 * col), y + cell * (row + 0.22)
            ww, wh = w * 0.28, min(cell * 0.5, w * 0.36)
            lit = m.dark and c.chance(0.7)
            door = row == rows - 1 and col == 1
            if door:
                wh = y + h - wy
            pane = WINDOW if lit else m.tone("#6b4a35" if door else "#77828c", depth)
            c.rect(wx, wy, ww, wh, frame)
            c.rect(wx + ww * 0.14, wy + wh * 0.12, ww * 0.72, wh * 0.78, pane, pane * 0.85)
            c.rect(wx + ww * 0.46, wy, ww * 0.08, wh, frame)
            if lit:
                c.glow(wx + ww / 2, wy + wh / 2, ww * 2.2, WINDOW, 0.3)


def _small_bridge(c: Canvas, x: float, y: float) -> None:
    m, s = c.mood, c.unit * 0.3
    a = np.linspace(np.pi, 0, 20)
    outer = np.stack([x + s * np.cos(a), y + s * 0.06 - s * 0.48 * np.sin(a)], 1)
    inner = np.stack([x + s * 0.62 * np.cos(a), y + s * 0.06 - s * 0.28 * np.sin(a)], 1)
    c.polygon(np.concatenate([outer, inner[::-1]]), m.ground("#c9c1b3", 0.15), m.tone("#8f887c", 0.12))


def _hanging_branches(c: Canvas, left: bool) -> None:
    m = c.mood
    for _ in range(9):
        x = c.w * (c.between(0, 0.26) if left else c.between(0.74, 1.0))
        length, n = c.h * c.between(0.12, 0.34), 9
        green = m.ground(c.pick(("#7fae4d", "#94c05c", "#6c9a3f")), 0.05)
        for k in range(n):
            y = length * k / n
            c.polygon(
                _disc(x + c.unit * 0.006 * np.sin(k), y, c.unit * 0.007, length / n * 0.75, 10),
                green,
                green * 0.85,
                0.9,
            )


def city(c: Canvas) -> Stage:
    """A skyline of towers behind a square."""
    m, hz, base = c.mood, _horizon(c, 0.62, 0.7), _base(c)
    h = hz * c.h
    sky(c, h, 0.7)
    tall = (c.h - c.unit * 0.3) * 0.5 if c.tall else c.unit * 0.46
    palettes = (
        ("#8fa5bd", "#6f8aa8", "#5a7390"),
        ("#b5a0a8", "#94808f", "#7a6a7c"),
        ("#a8b0a0", "#8a9a98", "#6f8488"),
    )[int(c.rng.integers(3))]
    for i, (color, depth) in enumerate(zip(palettes, (0.55, 0.34, 0.14), strict=True)):
        _towers(c, h, tall * (1.15 - 0.28 * i), color, depth)
    c.vertical(h, c.h, m.ground("#b8bac0", 0.12), m.ground("#8a8d96"))
    c.rect(-2, h, c.w + 4, c.unit * 0.02, m.ground("#8f9a78", 0.15))
    for k in range(-4, 5):
        x = c.w / 2 + k * c.w * 0.1
        far = c.w / 2 + k * c.w * 0.075
        near = c.w / 2 + k * c.w * 0.34
        del x
        c.polygon(
            np.array(
                [(far, h + c.unit * 0.02), (far + 1, h + c.unit * 0.02), (near + 1.5, c.h), (near, c.h)]
            ),
            m.ground("#777b86"),
            None,
            0.35,
        )
    if m.weather == "rain":
        _puddles(c, h)
    trees(c, np.array([(0, h + 3), (c.w, h + 3)]), 4, (c.unit * 0.08, c.unit * 0.14), 0.12, "tree")
    return Stage(base, hz)


def _towers(c: Canvas, foot: float, tall: float, color: str, depth: float) -> None:
    m, x = c.mood, -c.unit * c.between(0, 0.1)
    while x < c.w:
        w, height = c.unit * c.between(0.09, 0.18), tall * c.between(0.45, 1.0)
        top = foot - height
        c.rect(x, top, w, height + 2, m.tone(color, depth), m.tone(rgb_scale(color, 0.88), depth))
        if c.chance(0.3):
            c.rect(x + w * 0.3, top - w * 0.3, w * 0.4, w * 0.3 + 1, m.tone(color, depth))
        step = c.unit * 0.036
        for row in range(int(height / step) - 1):
            for col in range(max(1, int(w / step) - 1)):
                lit = (m.time == "night" and c.chance(0.45)) or (m.time == "evening" and c.chance(0.25))
                pane = (
                    WINDOW
                    if lit
                    else m.tone(rgb_scale(color, 0.8), depth)
                    if m.dark
                    else m.tone("#dfeaf2", min(0.9, depth + 0.1))
                )
                if lit or (row + col) % 2 == 0 or depth < 0.4:
                    c.rect(
                        x + step * (col + 0.6),
                        top + step * (row + 0.6),
                        step * 0.5,
                        step * 0.55,
                        pane,
                        None,
                        0.55 if not lit else 0.95,
                    )
        x += w * c.between(1.0, 1.25)


def _puddles(c: Canvas, y0: float) -> None:
    for _ in range(4):
        x, y = c.between(0, c.w), c.between(y0 + c.unit * 0.1, c.h)
        size = c.unit * c.between(0.06, 0.16) * (y / c.h)
        c.polygon(_disc(x, y, size, size * 0.2, 24), mix(c.mood.sky[2], FLAKE, 0.1), c.mood.sky[1], 0.55)


def street(c: Canvas) -> Stage:
    """Shop fronts, a pavement, a road."""
    m, hz, base = c.mood, 0.7, _base(c)
    h = (hz + c.between(-0.02, 0.02)) * c.h
    sky(c, h * 0.6, 0.8)
    x, tallest = -c.unit * c.between(0, 0.25), (0.62 if c.tall else 0.56) * c.h
    while x < c.w:
        w, tall = c.unit * c.between(0.32, 0.46), tallest * c.between(0.75, 1.05)
        _shop(c, x, h, w, tall)
        x += w
    c.vertical(h, h + c.unit * 0.07, m.ground("#cfc8bc"), m.ground("#b5aea2"))
    c.rect(-2, h + c.unit * 0.07, c.w + 4, c.unit * 0.012, m.ground("#8f8a82"))
    c.vertical(h + c.unit * 0.08, c.h, m.ground("#7d8088"), m.ground("#5f626b"))
    dash = c.unit * 0.14
    for k in range(-1, int(c.w / dash) + 1):
        y = min(c.h * 0.95, h + (c.h - h) * 0.72)
        c.rect(k * dash * 1.6 + c.unit * 0.04, y, dash, c.unit * 0.014, m.ground("#efe9d8"), None, 0.8)
    if m.weather == "rain":
        _puddles(c, h)
    return Stage(base, h / c.h)


def _shop(c: Canvas, x: float, foot: float, w: float, tall: float) -> None:
    m, depth = c.mood, 0.1
    wall = c.pick(("#e8b58f", "#f0d9a8", "#b5cfc4", "#d98f7a", "#c4b8d8", "#e9e2d0", "#a8c0d4", "#d4a5a8"))
    trim = c.pick(("#8a4f3f", "#4f6f6a", "#5a5f78", "#7a5a3c"))
    top = foot - tall
    c.rect(x, top, w, tall + 1, m.tone(wall, depth), m.tone(rgb_scale(wall, 0.9), depth))
    c.rect(x - 1, top - c.unit * 0.02, w + 2, c.unit * 0.03, m.ground(trim, depth))
    shop = c.unit * 0.24
    floor = c.unit * 0.2
    for row in range(int((tall - shop) / floor)):
        for col in range(2):
            wx, wy = x + w * (0.16 + 0.42 * col), foot - shop - floor * (row + 0.86)
            lit = m.dark and c.chance(0.6)
            pane = WINDOW if lit else m.tone("#8fb5cc", depth)
            c.rect(wx - w * 0.02, wy - c.unit * 0.008, w * 0.3, floor * 0.68, m.tone("#fbf4e6", depth))
            c.rect(wx, wy, w * 0.26, floor * 0.6, pane, pane * 0.84)
            c.rect(wx + w * 0.12, wy, w * 0.02, floor * 0.6, m.tone("#fbf4e6", depth))
    pane = WINDOW if m.dark or m.time == "evening" else m.tone("#b8d4de", depth)
    c.rect(x + w * 0.08, foot - shop * 0.72, w * 0.5, shop * 0.6, pane, pane * 0.8)
    c.rect(x + w * 0.68, foot - shop * 0.72, w * 0.22, shop * 0.72, m.tone(trim, depth))
    cloth = c.pick(("#d5553f", "#3f8f7a", "#e0a04a", "#4f78b0", "#c86a8a"))
    n = 6
    for k in range(n):
        a, b = x + w * (0.03 + 0.94 * k / n), x + w * (0.03 + 0.94 * (k + 1) / n)
        tone = m.ground(cloth if k % 2 else "#fbf3e2", depth)
        c.polygon(
            np.array([(a, foot - shop), (b, foot - shop), (b, foot - shop * 0.74), (a, foot - shop * 0.74)]),
            tone,
            tone * 0.9,
        )


def _window_view(c: Canvas, x: float, y: float, w: float, h: float) -> None:
    """A window that shows the sky and a hill."""
    m = c.mood
    frame = mix(rgb("#fbf6ea") * m.light, rgb("#fbf6ea"), 0.25)
    c.rect(x - w * 0.06, y - w * 0.06, w * 1.12, h + w * 0.12, frame, frame * 0.93)
    a, b, left, right = int(y), int(y + h), int(x), int(x + w)
    left, right, a, b = max(0, left), min(c.w, right), max(0, a), min(c.h, b)
    if b > a and right > left:
        c.px[a:b, left:right] = gradient(np.linspace(0, 1, b - a), m.sky)[:, None]
        if m.dark:
            c.glow(x + w * 0.7, y + h * 0.25, w * 0.3, rgb("#f4f0da"), 0.5)
            c.polygon(_disc(x + w * 0.7, y + h * 0.25, w * 0.08, w * 0.08), rgb("#f7f2d8"))
        t = np.linspace(0, 1, 16)
        hill = np.stack([x + w * t, y + h * (0.72 - 0.1 * np.sin(t * 4 + 1))], 1)
        c.polygon(
            np.concatenate([hill, [(x + w, y + h), (x, y + h)]]),
            m.ground("#8fb56a", 0.3),
            m.ground("#6f9f5a", 0.1),
        )
    c.rect(x + w * 0.48, y, w * 0.04, h, frame)
    c.rect(x, y + h * 0.48, w, w * 0.04, frame)
    c.rect(x - w * 0.1, y + h, w * 1.2, w * 0.07, frame * 0.95, frame * 0.85)


def _indoor(c: Canvas) -> Color:
    """Light indoors: lamp-warm at night, else near daylight."""
    m = c.mood
    return np.array((0.66, 0.56, 0.5), np.float32) if m.dark else mix(m.light, np.ones(3, np.float32), 0.35)


def room(c: Canvas) -> Stage:
    """A room: wall, floor, window, a picture, a rug."""
    hz, light = _horizon(c, 0.62, 0.7), _indoor(c)
    base, y = _base(c), hz * c.h
    wall = rgb(c.pick(("#e9d3b8", "#cfdcc8", "#d4d8e6", "#efd6cc", "#e6dcc0", "#c8d8dc", "#dcc8d4"))) * light
    c.vertical(0, y, wall * 0.95, wall)
    wood = rgb(c.pick(("#b8865a", "#a8754c", "#c99a6a", "#8f6f56"))) * light
    c.vertical(y, c.h, wood, wood * 0.8)
    for k in range(-6, 7):
        far, near = c.w * (0.5 + k * 0.1), c.w * (0.5 + k * 0.24)
        c.polygon(np.array([(far, y), (far + 0.8, y), (near + 1.4, c.h), (near, c.h)]), wood * 0.7, None, 0.5)
    c.rect(-2, y - c.unit * 0.035, c.w + 4, c.unit * 0.035, rgb("#fbf6ea") * light, rgb("#e6dcca") * light)
    left = c.chance(0.5)
    w = c.unit * c.between(0.3, 0.38)
    _window_view(
        c, c.w * 0.09 if left else c.w * 0.91 - w, c.h * c.between(0.12, 0.18), w, w * c.between(1.0, 1.3)
    )
    fx, fs = (c.w * 0.72 if left else c.w * 0.1), c.unit * 0.18
    if c.chance(0.7):
        fy = c.h * c.between(0.16, 0.24)
        c.rect(fx, fy, fs, fs * 0.8, rgb("#7a5a3c") * light)
        c.rect(
            fx + fs * 0.08,
            fy + fs * 0.08,
            fs * 0.84,
            fs * 0.64,
            rgb(c.pick(("#8fb5c4", "#e0b58a", "#a8c09a"))) * light,
            rgb("#f0e2c4") * light,
        )
    c.polygon(
        _disc(c.w * 0.5, c.h * base, c.w * 0.4, (c.h - y) * 0.28, 40),
        rgb(c.pick(("#b5564a", "#5a7a94", "#c9a05a", "#6f8f6a"))) * light,
        None,
        0.9,
    )
    c.polygon(
        _disc(c.w * 0.5, c.h * base, c.w * 0.35, (c.h - y) * 0.23, 40), rgb("#efe0c0") * light, None, 0.25
    )
    if c.mood.dark:
        _lamp_light(c, c.w * (0.86 if left else 0.14), c.h * 0.2)
    return Stage(base, hz)


def _lamp_light(c: Canvas, x: float, y: float) -> None:
    """A hanging lamp."""
    s = c.unit * 0.07
    c.rect(x - 0.7, -2, 1.4, y - s + 2, rgb("#4a4038"))
    c.glow(x, y, c.unit * 0.6, rgb("#ffd27a"), 0.55)
    c.polygon(
        np.array([(x - s * 0.4, y - s), (x + s * 0.4, y - s), (x + s, y), (x - s, y)]),
        rgb("#f2b85a"),
        rgb("#ffe9ad"),
    )


def table(c: Canvas) -> Stage:
    """A table top close up, a soft wall and window behind."""
    light, hz = _indoor(c), _horizon(c, 0.58, 0.66)
    y = hz * c.h
    wall = rgb(c.pick(("#e6d8c0", "#cbd8cf", "#d8d4e2", "#ecd4c6", "#c9d6dd", "#e4dcb8", "#b8c4b0"))) * light
    c.vertical(0, y, wall * 0.9, wall)
    if c.chance(0.75):
        w = c.unit * c.between(0.34, 0.44)
        _window_view(
            c,
            c.w * (c.between(0.04, 0.14) if c.chance(0.5) else c.between(0.5, 0.6)),
            c.h * c.between(0.08, 0.16),
            w,
            w * (1.3 if c.tall else 1.0),
        )
    top = max(1, int(y))
    c.px[:top] = cv2.GaussianBlur(c.px[:top], (0, 0), c.unit * 0.008)
    if c.mood.dark:
        _lamp_light(c, c.w * (0.14 if c.chance(0.5) else 0.86), c.h * 0.16)
    wood = rgb(c.pick(("#a8703f", "#c08a56", "#8a5a3b", "#b5794a", "#d4ad7a", "#6f4f3c"))) * light
    c.vertical(y, c.h, wood * 1.06, wood * 0.78)
    c.rect(-2, y, c.w + 4, c.unit * 0.012, np.minimum(wood * 1.25, 255))
    for _ in range(7):
        gy, gx, half = c.between(y + c.unit * 0.03, c.h), c.between(0, c.w), c.w * c.between(0.08, 0.3)
        c.polygon(
            np.array([(gx - half, gy), (gx, gy - 1.2), (gx + half, gy), (gx, gy + 1.2)]),
            wood * 0.72,
            None,
            0.5,
        )
    base = c.between(0.78, 0.84) if c.tall else c.between(0.84, 0.9)
    return Stage(base, hz)


def underwater(c: Canvas) -> Stage:
    """Under the sea: rays, sand, weed, bubbles."""
    hues = (
        ("#7fd4e6", "#2f8fc0", "#12508a"),
        ("#8fe0d8", "#2fa0a8", "#0f5a78"),
        ("#6fb8e8", "#2f72b8", "#143a78"),
    )[int(c.rng.integers(3))]
    c.vertical(0, c.h, *(rgb(v) for v in hues))
    _rays(c, c.w * c.between(0.2, 0.8), -0.1 * c.h, c.h * 0.9, rgb("#e6ffff"), 0.13)
    deep = rgb(hues[2])
    for i in range(2):
        tone = mix(rgb(hues[1]), deep, 0.4 + 0.4 * i)
        ridge(c, c.h * (0.74 + 0.07 * i), c.unit * 0.08, 1.0, tone, mix(tone, deep, 0.5), c.h + 2)
    sand = mix(rgb("#e8d09a"), rgb(hues[1]), 0.32)
    ridge(c, c.h * 0.89, c.unit * 0.03, 0.7, sand, sand * 0.8, c.h + 2)
    for _ in range(7):
        x = c.w * (c.between(0, 0.28) if c.chance(0.5) else c.between(0.72, 1.0))
        color = mix(rgb(c.pick(("#4f9a5a", "#8fb04a", "#c8607a", "#3f8f7a"))), rgb(hues[1]), 0.25)
        c.piece(
            _tuft(int(c.rng.integers(16)), "weed"),
            x,
            c.h * c.between(0.9, 1.0),
            c.unit * c.between(0.16, 0.4),
            color * 0.7,
            np.minimum(color * 1.2, 255),
        )
    for _ in range(12):
        x, y, r = c.between(0, c.w), c.between(0.05, 0.8) * c.h, c.unit * c.between(0.006, 0.02)
        c.polygon(_disc(x, y, r, r), rgb("#d8f6ff"), None, 0.35)
        c.polygon(_disc(x - r * 0.3, y - r * 0.3, r * 0.3, r * 0.3), FLAKE, None, 0.8)
    return Stage(0.92, 0.85)


def space(c: Canvas) -> Stage:
    """Stars, clouds of gas, a planet."""
    deep, gas = ((rgb("#0a0c26"), "#5a3a9a"), (rgb("#0c0a20"), "#9a3a7a"), (rgb("#071424"), "#2f6a9a"))[
        int(c.rng.integers(3))
    ]
    c.vertical(0, c.h, deep, mix(deep, rgb(gas), 0.25), deep)
    for _ in range(5):
        c.glow(
            c.between(0, c.w), c.between(0, c.h), c.unit * c.between(0.3, 0.6), rgb(gas), c.between(0.2, 0.5)
        )
    for _ in range(int(50 * c.h / c.w)):
        c.glow(
            c.between(0, c.w), c.between(0, c.h), c.unit * c.between(0.005, 0.014), FLAKE, c.between(0.5, 1)
        )
    x, y, r = (
        c.w * (0.12 if c.chance(0.5) else 0.88),
        c.h * c.between(0.1, 0.26),
        c.unit * c.between(0.1, 0.17),
    )
    color = rgb(c.pick(("#e0946a", "#7fb5d8", "#c8a0d8", "#d8c48a", "#7fc4a8")))
    c.glow(x, y, r * 2, color, 0.3)
    c.polygon(_disc(x, y, r, r, 48), color, color * 0.45)
    for k in (-0.35, 0.1, 0.45):
        half = r * np.sqrt(1 - k**2)
        c.polygon(_disc(x, y + r * k, half * 0.96, r * 0.07, 24), color * 0.8, None, 0.6)
    return Stage(0.82, 0.9)


def heaven(c: Canvas) -> Stage:
    """High in the sky among clouds."""
    m = c.mood
    sky(c, c.h, 1.8)
    light = rgb({"morning": "#fff4e6", "day": "#ffffff", "evening": "#ffcfb0", "night": "#6f82b8"}[m.time])
    for s in np.sort(c.rng.random(8)):
        c.piece(
            _blobs(int(c.rng.integers(40)), "cloud"),
            c.between(-0.1, 1.1) * c.w,
            c.h * (0.86 + 0.2 * s),
            c.unit * c.between(0.2, 0.36),
            mix(light, m.sky[1], 0.5),
            light,
            0.92,
        )
    return Stage(0.8, 1.0)


BACKDROPS = {
    "white": "#f4f2ee",
    "grey": "#a9adb3",
    "black": "#26272c",
    "red": "#c8443c",
    "orange": "#eb9a4c",
    "yellow": "#f2d468",
    "green": "#86b57c",
    "blue": "#6fa6d6",
    "purple": "#a08cc8",
    "pink": "#f2b3c0",
}
"""Colour word → the plain backdrop's colour."""


def plain(c: Canvas, color: str) -> Stage:
    """A plain studio backdrop of a colour of BACKDROPS, a little lighter behind the object."""
    tone = np.clip(rgb(BACKDROPS[color]) + c.rng.uniform(-9, 9, 3).astype(np.float32), 0, 255)
    c.vertical(0, c.h, tone * 0.95, tone, tone * 0.9)
    c.glow(c.w * 0.5, c.h * 0.5, c.unit * 0.8, FLAKE, 0.16)
    return Stage(0.7 if c.tall else c.between(0.82, 0.88), 0.8)


PLACES: dict[str, Callable[[Canvas], Stage]] = {
    "room": room,
    "table": table,
    "street": street,
    "city": city,
    "town": town,
    "river": river,
    "lake": lake,
    "sea": sea,
    "beach": beach,
    "meadow": meadow,
    "flowers": flowers,
    "hills": hills,
    "mountains": mountains,
    "forest": forest,
    "desert": desert,
    "underwater": underwater,
    "space": space,
    "sky": heaven,
}
"""Every place but the plain backdrop, by its setting word."""


def mist(c: Canvas, stage: Stage) -> None:
    """Banks of fog, before the objects are painted."""
    m = c.mood
    if m.weather == "fog":
        for _ in range(3):
            y = c.h * (stage.horizon + c.between(-0.14, 0.2))
            c.veil(
                y - c.unit * 0.22, y + c.unit * 0.22, mix(m.haze, FLAKE * m.light, 0.25), c.between(0.3, 0.55)
            )


def weather(c: Canvas, stage: Stage) -> None:
    """Falling snow, rain or thin fog over everything painted so far."""
    m = c.mood
    if m.weather == "fog":
        c.px += (m.haze - c.px) * np.float32(0.1)
        y = c.h * (stage.base - 0.04)
        c.veil(y - c.unit * 0.2, y + c.unit * 0.2, mix(m.haze, FLAKE * m.light, 0.25), c.between(0.12, 0.3))
    elif m.weather in ("snow", "rain"):
        mask = np.zeros((c.h, c.w), np.uint8)
        if m.weather == "snow":
            for x, y, r in c.rng.random((int(70 * c.h / c.w), 3)):
                radius = c.unit * (0.004 + 0.011 * r**2)
                cv2.circle(
                    mask, (int(x * c.w * 16), int(y * c.h * 16)), int(radius * 16), 235, -1, cv2.LINE_AA, 4
                )
            color, alpha = mix(FLAKE, FLAKE * m.light, 0.3), 0.95
        else:
            lean = c.between(-0.12, 0.12)
            for x, y, r in c.rng.random((int(80 * c.h / c.w), 3)):
                length = c.unit * (0.05 + 0.07 * r)
                a = (int(x * c.w), int(y * c.h))
                cv2.line(
                    mask,
                    a,
                    (int(a[0] + lean * length), int(a[1] + length)),
                    int(110 + 110 * r),
                    max(1, round(c.unit / 300)),
                    cv2.LINE_AA,
                )
            color, alpha = mix(FLAKE, m.sky[2], 0.35), 0.6
        c._over(0, 0, mask, color, alpha)
