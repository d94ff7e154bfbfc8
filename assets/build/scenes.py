"""Illustrated scenes with captions, drawn by code and seeded: what the embedded models learn from.

A scene is one to three sprites (art.py) placed sensibly in a painted place (backdrops.py), lit alike, with
a sentence that says what is to be seen. The same seed gives the same pixels on one machine. Knows nothing
about models or training.

    python -m assets.build.scenes --sheet OUT.png [--seed 0] [--width 256] [--height 256]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from assets.build import art, backdrops
from assets.build.art import Noun
from assets.build.backdrops import Canvas, Stage

TIMES = ("morning", "day", "evening", "night")
WEATHERS = ("clear", "snow", "rain", "fog")
COUNTS = ("one", "two", "three")
STYLES = ("paper cut", "line drawing", "pastel", "watercolor")
FACTS = ("object", "color", "count", "object2", "setting", "backdrop", "time", "weather", "style")

LAND = (
    "meadow",
    "flowers",
    "hills",
    "mountains",
    "forest",
    "desert",
    "beach",
    "river",
    "lake",
    "town",
    "city",
    "street",
)
SETTINGS_BY_PLACE: dict[str, tuple[str, ...]] = {
    "ground": ("plain", *LAND),
    "building": (
        "plain",
        "meadow",
        "flowers",
        "hills",
        "mountains",
        "forest",
        "desert",
        "beach",
        "river",
        "lake",
        "town",
        "city",
    ),
    "plant": (
        "plain",
        "meadow",
        "flowers",
        "hills",
        "mountains",
        "forest",
        "desert",
        "beach",
        "river",
        "lake",
        "town",
        "city",
    ),
    "item": (
        "plain",
        "table",
        "table",
        "table",
        "room",
        "beach",
        "meadow",
        "flowers",
        "street",
        "forest",
        "town",
        "hills",
    ),
    "indoor": ("plain", "room", "room", "room", "beach", "meadow"),
    "boat": ("plain", "river", "river", "lake", "sea", "town", "town"),
    "swim": ("plain", "river", "lake", "lake", "meadow", "sea", "town"),
    "sea": ("plain", "underwater", "underwater", "underwater", "sea"),
    "fly": (
        "plain",
        "sky",
        "sky",
        "meadow",
        "flowers",
        "hills",
        "mountains",
        "sea",
        "city",
        "town",
        "lake",
        "forest",
    ),
    "sky": (
        "plain",
        "sky",
        "hills",
        "mountains",
        "sea",
        "lake",
        "city",
        "town",
        "river",
        "meadow",
        "desert",
        "beach",
    ),
    "hang": ("plain", "town", "town", "street", "room", "river", "forest", "sky", "lake", "city"),
    "span": ("plain", "river", "river", "lake", "town", "town"),
}
"""Where each place class of noun may be; repeated ones are drawn more often."""

EXTRA_SETTINGS = {
    "cat": ("room", "table"),
    "dog": ("room",),
    "woman": ("room",),
    "man": ("room",),
    "girl": ("room",),
    "boy": ("room",),
    "old man": ("room",),
    "old woman": ("room",),
    "teddy bear": ("room",),
    "robot": ("room", "space"),
    "rocket": ("space", "space", "space"),
    "flying saucer": ("space", "space"),
    "planet": ("space", "space", "space"),
    "turtle": ("beach", "lake"),
    "crab": ("beach", "beach"),
    "umbrella": ("town", "beach", "river", "city"),
    "bicycle": ("town", "street"),
    "lotus": ("lake", "lake", "river"),
    "basket of steamed buns": ("street", "town"),
    "fishing rod": ("river", "lake"),
    "potted plant": ("room",),
    "pumpkin": ("meadow",),
    "frog": ("lake",),
}

INDOOR = ("room", "table")
TIMELESS = ("plain", "underwater", "space")
DRY = (*TIMELESS, *INDOOR)

PLACE_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "room": {"": ("in a room", "inside a cozy room", "in a room with a window")},
    "table": {"": ("on a table", "on a wooden table", "on the table")},
    "street": {"": ("on a street", "on a street with shops", "in the street")},
    "city": {"": ("in a city", "in the city", "in a big city"), "over": ("over a city", "above the city")},
    "town": {
        "": ("in an old town", "in a river town", "by a canal in an old town"),
        "water": ("on a canal in an old town", "in a river town", "on a town canal"),
        "over": ("over an old town", "over a river town"),
        "span": ("over a canal in an old town", "in a river town"),
    },
    "river": {
        "": ("by a river", "beside a river", "on the bank of a river"),
        "water": ("on a river", "on the river", "on a quiet river"),
        "over": ("over a river",),
        "span": ("over a river", "across a river"),
    },
    "lake": {
        "": ("by a lake", "beside a lake", "on the shore of a lake"),
        "water": ("on a lake", "on a quiet lake", "on the lake"),
        "over": ("over a lake",),
        "span": ("over a lake", "across a lake"),
    },
    "sea": {
        "": ("on the sea", "at sea"),
        "water": ("on the sea", "at sea", "in the sea"),
        "over": ("over the sea", "above the sea"),
    },
    "beach": {"": ("on a beach", "on the beach", "on a sandy beach"), "over": ("over a beach",)},
    "meadow": {"": ("in a meadow", "on the grass", "in a green meadow"), "over": ("over a meadow",)},
    "flowers": {
        "": ("among flowers", "in a field of flowers", "in a flower garden"),
        "over": ("over a field of flowers",),
    },
    "hills": {"": ("in the hills", "on a hill", "among green hills"), "over": ("over the hills",)},
    "mountains": {
        "": ("in the mountains", "before snowy mountains", "in a mountain valley"),
        "over": ("over the mountains",),
    },
    "forest": {
        "": ("in a forest", "in the woods", "among the trees of a forest"),
        "over": ("over a forest", "in a forest"),
    },
    "desert": {"": ("in a desert", "in the desert", "among sand dunes"), "over": ("over a desert",)},
    "underwater": {"": ("under the sea", "under water", "deep under the sea")},
    "space": {"": ("in space", "in outer space", "among the stars")},
    "sky": {"": ("in the sky", "high in the sky", "among the clouds")},
    "plain": {
        "": (
            "on a {backdrop} background",
            "on a plain {backdrop} background",
            "against a {backdrop} background",
        )
    },
}
"""Setting → how the object stands to it ("" by default) → phrases; the first is the one prompts use."""

TIME_WORDS = {
    "morning": ("in the morning", "at dawn", "early in the morning", "in morning light"),
    "day": ("by day", "at noon", "in daylight", "on a bright day"),
    "evening": ("in the evening", "at sunset", "at dusk", "in evening light"),
    "night": ("at night", "late at night", "in the night"),
}
WEATHER_WORDS = {
    "clear": ("under a clear sky", "in clear weather"),
    "snow": ("in the snow", "in falling snow", "on a snowy day"),
    "rain": ("in the rain", "on a rainy day", "in rainy weather"),
    "fog": ("in the fog", "in the mist", "in foggy weather"),
}
STYLE_WORDS = {
    "paper cut": ("paper cut", "paper cut style"),
    "line drawing": ("line drawing", "a line drawing"),
    "pastel": ("pastel", "soft pastel drawing"),
    "watercolor": ("watercolor", "watercolor painting"),
}


@dataclass(frozen=True)
class Scene:
    """One drawn scene."""

    image: np.ndarray
    """uint8 [H, W, 3], RGB."""
    caption: str
    """One plain English sentence, lower case, at most 30 words."""
    facts: dict[str, str]
    """What the caption says, by FACTS; "" where it doesn't say."""
    box: tuple[float, float, float, float]
    """The main object's x0, y0, x1, y1 as shares of width and height."""
    mask: np.ndarray
    """uint8 [H, W]: 255 where an object is, 0 where the backdrop."""


def vocabulary() -> dict[str, list[str]]:
    """Every value that each fact can take; "" is left out."""
    names = [noun.name for noun in art.NOUNS]
    return {
        "object": names,
        "color": list(art.COLORS),
        "count": list(COUNTS),
        "object2": names,
        "setting": ["plain", *backdrops.PLACES],
        "backdrop": list(backdrops.BACKDROPS),
        "time": list(TIMES),
        "weather": list(WEATHERS),
        "style": list(STYLES),
    }


# ---- what to draw -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    noun: Noun
    second: Noun | None
    count: int
    color: str
    setting: str
    backdrop: str
    time: str
    weather: str
    style: str


NOUN = {noun.name: noun for noun in art.NOUNS}


@lru_cache(maxsize=1024)
def settings_of(noun: Noun) -> tuple[str, ...]:
    """Where a noun may be; repeated ones are drawn more often."""
    return SETTINGS_BY_PLACE[noun.place] + EXTRA_SETTINGS.get(noun.name, ())


def _plan(rng: np.random.Generator) -> _Plan:
    def pick(options, p=None):
        return options[int(rng.choice(len(options), p=p))]

    noun = pick(art.NOUNS)
    setting = pick(settings_of(noun))
    time = "day" if setting in TIMELESS else pick(TIMES, (0.22, 0.34, 0.22, 0.22))
    weather = "clear" if setting in DRY else pick(WEATHERS, (0.58, 0.16, 0.13, 0.13))
    if noun.place == "sky" and weather != "clear":
        weather = "clear"
    if noun.name == "sun":
        time = pick(TIMES[:3])
    elif noun.name == "rainbow":
        time = pick(TIMES[:2])
    elif noun.place == "sky" and setting not in TIMELESS:
        time = pick(("evening", "night"), (0.2, 0.8))
    backdrop = pick(tuple(backdrops.BACKDROPS)) if setting == "plain" else ""
    color = pick(tuple(art.COLORS)) if noun.dyeable and rng.random() < 0.55 else ""
    if color and color == backdrop:
        backdrop = pick(("white", "grey"))
    lone = noun.place in ("span", "sky", "indoor", "building") or " with " in noun.name
    count = 1 if lone else int(pick((1, 2, 3), (0.84, 0.1, 0.06)))
    second = None
    if count == 1 and noun.place in ("ground", "item", "plant", "building") and rng.random() < 0.13:
        kinds = {
            "ground": ("ground", "item", "plant"),
            "item": ("item",),
            "plant": ("ground",),
            "building": ("plant",),
        }[noun.place]
        fitting = [
            n
            for n in art.NOUNS
            if n.place in kinds and n.name != noun.name and setting in (*settings_of(n), "plain")
        ]
        second = pick(fitting) if fitting else None
    style = pick(STYLES) if rng.random() < 0.15 else ""
    if style == "line drawing":  # no colour, light or weather is to be seen in it
        time, weather, color = "day", "clear", ""
        backdrop = "white" if backdrop else ""
    return _Plan(noun, second, count, color, setting, backdrop, time, weather, style)


# ---- captions -----------------------------------------------------------------------------------------


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _relation(noun: Noun, setting: str) -> str:
    """How the noun stands to a setting: a key of PLACE_WORDS."""
    wanted = {
        "boat": "water",
        "swim": "water",
        "sea": "water",
        "fly": "over",
        "sky": "over",
        "hang": "over",
        "span": "span",
    }.get(noun.place, "")
    if noun.name == "lotus":
        wanted = "water"
    if noun.place == "hang" and setting in ("town", "city", "forest", "street"):
        wanted = ""
    return wanted if wanted in PLACE_WORDS[setting] else ""


def _place(noun: Noun, setting: str, backdrop: str, phrase: int = 0) -> str:
    phrases = PLACE_WORDS[setting][_relation(noun, setting)]
    return phrases[phrase % len(phrases)].format(backdrop=backdrop)


def _thing(noun: Noun, count: int, color: str) -> str:
    if count == 1:
        if noun.name in ("sun", "moon"):
            return f"the {noun.name}"
        if noun.name in ("bamboo",):
            return noun.name
        return _a(_colored(noun.name, color))
    return f"{COUNTS[count - 1]} {_colored(noun.many, color)}"


def _colored(name: str, color: str) -> str:
    """The colour before the coloured thing: "bottle of perfume" → "red bottle of perfume"."""
    return f"{color} {name}" if color else name


def _caption(rng: np.random.Generator, plan: _Plan) -> tuple[str, dict[str, str]]:
    chance = rng.random
    noun = plan.noun
    say_time = (
        plan.setting not in TIMELESS
        and plan.style != "line drawing"
        and chance() < (0.55 if plan.time == "day" else 0.9)
    )
    say_weather = (
        plan.setting not in DRY
        and plan.style != "line drawing"
        and chance() < (0.12 if plan.weather == "clear" else 0.95)
    )
    time, weather = (plan.time if say_time else ""), (plan.weather if say_weather else "")
    color = plan.color if chance() < 0.9 else ""
    # a plain backdrop is named by its colour nine times in ten, so that the bare word is learnt too
    backdrop = plan.backdrop if chance() < 0.9 else ""
    thing = _thing(noun, plan.count, color)
    if plan.second:
        thing += f" and {_thing(plan.second, 1, '')}"
    place = _place(noun, plan.setting, backdrop or "plain", int(rng.integers(3)) if chance() < 0.6 else 0)
    place = place.replace("plain plain", "plain")
    usual = chance() < 0.5
    when = TIME_WORDS[time][0 if usual else int(rng.integers(len(TIME_WORDS[time])))] if time else ""
    how = (
        WEATHER_WORDS[weather][0 if usual else int(rng.integers(len(WEATHER_WORDS[weather])))]
        if weather
        else ""
    )
    if when.startswith("on a") and how.startswith("on a"):
        how = WEATHER_WORDS[weather][0]
    order = int(rng.integers(6))
    if order <= 2:
        text = " ".join(filter(None, (thing, place, when, how)))
    elif order == 3 and time:
        lead = {"morning": "morning", "day": "daytime", "evening": "evening", "night": "night"}[time]
        text = ", ".join(filter(None, (lead, " ".join(filter(None, (thing, place, how))))))
    elif order == 4 and time:
        light = {"morning": "morning light", "day": "daylight", "evening": "evening light", "night": "night"}[
            time
        ]
        text = ", ".join((" ".join(filter(None, (thing, place, how))), light))
    elif weather in ("snow", "rain", "fog"):
        lead = {"snow": "snow", "rain": "rain", "fog": "fog"}[weather]
        text = ", ".join((" ".join(filter(None, (thing, place, when))), lead))
    else:
        text = ", ".join(filter(None, (f"{thing} {place}", when, how)))
    if plan.style:
        words = STYLE_WORDS[plan.style][int(rng.integers(2))]
        text = f"{text}, {words}" if chance() < 0.7 else f"{words} of {text}"
    facts = {
        "object": noun.name,
        "color": color,
        "count": COUNTS[plan.count - 1],
        "object2": plan.second.name if plan.second else "",
        "setting": plan.setting,
        "backdrop": backdrop if plan.setting == "plain" else "",
        "time": time,
        "weather": weather,
        "style": plan.style,
    }
    return text, facts


def prompt(
    object: str, setting: str, time: str = "", weather: str = "", color: str = "", style: str = ""
) -> str:
    """The caption that a storyboard would ask for, from the vocabulary's words.

    A setting "plain" may name its colour: "plain pink". Unknown objects are used as they are written.
    """
    noun = NOUN.get(object, Noun(object, "ground", ()))
    place_word, _, backdrop = setting.partition(" ")
    words = [_thing(noun, 1, color), _place(noun, place_word, backdrop or "white")]
    words += [TIME_WORDS[time][0]] if time else []
    words += [WEATHER_WORDS[weather][0]] if weather else []
    return " ".join(words) + (f", {style}" if style else "")


# ---- pixels -------------------------------------------------------------------------------------------

SPRITE_LIGHT = {
    "morning": (1.0, 0.97, 0.93),
    "day": (1.0, 1.0, 1.0),
    "evening": (1.0, 0.87, 0.8),
    "night": (0.7, 0.76, 0.95),
}
GLOWS = ("lantern", "candle", "lamp post", "light bulb", "moon", "sun", "lighthouse")


@dataclass(frozen=True)
class _Spot:
    """Where one sprite goes, px: its foot's middle, its height and width, how it meets the ground."""

    x: float
    y: float
    scale_px: float
    contact: str


def _foot(c: Canvas, stage: Stage, noun: Noun, setting: str, height: float) -> tuple[str, float]:
    """How a sprite of that height (px) meets the place (ground, water, air) and its foot's y, px."""
    crawls = noun.name in ("crab", "lobster", "turtle")
    if _relation(noun, setting) in ("water", "span") and stage.water is not None:
        low, high = stage.water
        deep = c.between(0.8, 0.9) if noun.name == "lotus" else c.between(0.5, 0.66)
        foot = max(c.h * (low + (high - low) * deep), height * 0.9 + c.h * 0.04)
        return "water", max(min(foot, c.h * (0.84 if high > 0.95 else high - 0.03)), height + c.h * 0.03)
    if setting == "underwater" and crawls:
        return "ground", c.h * 0.93
    if setting in ("underwater", "space", "sky"):
        return "air", c.h * c.between(0.44, 0.56) + height / 2
    if noun.place in ("fly", "sky", "hang") and setting not in INDOOR:
        middle = 0.5 if setting == "plain" else {"sky": 0.25, "fly": 0.38, "hang": 0.36}[noun.place]
        return "air", max(c.h * (middle + c.between(-0.06, 0.06)) + height / 2, height + c.h * 0.03)
    base = stage.base
    if setting in ("town", "river", "lake"):
        base = c.between(0.9, 0.93) if c.tall else c.between(0.93, 0.955)
    elif noun.place == "building":
        base -= 0.025
    return "ground", max(c.h * base, height + c.h * 0.03)


def _spots(c: Canvas, stage: Stage, noun: Noun, setting: str, count: int, aspect: float) -> list[_Spot]:
    """Places for count sprites of width/height aspect."""
    share = {1: c.between(0.54, 0.72), 2: c.between(0.4, 0.48), 3: c.between(0.32, 0.37)}[count] * noun.scale
    if noun.place in ("building", "plant"):
        share *= 1.08
    if noun.place in ("sky",):
        share *= 0.72
    if setting in ("sea", "lake", "river", "town") and noun.place in ("boat", "swim") and count == 1:
        share *= 0.95
    height = c.unit * min(share, 0.8) / max(1.0, aspect) ** 0.6
    if c.tall and aspect < 0.8:
        height *= 1 + 0.65 * (0.8 - aspect)
    room_x = (0.92 if count == 1 else 0.9 / count) * c.w
    height = min(height, room_x / aspect)
    width = height * aspect
    if noun.place == "span":
        width = min(c.w * 0.92, c.unit * c.between(0.8, 0.94))
        height = width / aspect
    contact, foot = _foot(c, stage, noun, setting, height)
    spots = []
    xs = {1: (0.5,), 2: (0.28, 0.72), 3: (0.2, 0.5, 0.8)}[count]
    for i, share_x in enumerate(xs):
        wander = 0.1 if count == 1 and width < 0.7 * c.w else 0.02
        x = c.w * (share_x + c.between(-wander, wander))
        x = float(np.clip(x, width / 2 + 2, c.w - width / 2 - 2)) if width < c.w - 4 else c.w / 2
        rise = (
            c.between(-0.05, 0.05) * c.unit if count > 1 and contact != "ground" else (i % 2) * 0.03 * c.unit
        )
        spots.append(_Spot(x, foot + rise, height, contact))
    return spots


def _premultiplied(rgba: np.ndarray, width: int, height: int, flip: bool) -> np.ndarray:
    source = rgba.astype(np.float32)
    source[..., :3] *= source[..., 3:] * np.float32(1 / 255)
    small = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
    return small[:, ::-1] if flip else small


def _stand(
    c: Canvas, rgba: np.ndarray, spot: _Spot, noun: Noun, setting: str, flip: bool
) -> tuple[float, float, float, float]:
    """Paints one sprite with its light, shadow or reflection; returns its box as shares."""
    m = c.mood
    h = max(8, round(spot.scale_px))
    w = max(8, round(h * rgba.shape[1] / rgba.shape[0]))
    pixels = _premultiplied(rgba, w, h, flip)
    left, upper = round(spot.x - w / 2), round(spot.y - h)
    if setting not in TIMELESS and noun.place != "sky":
        light = np.array(SPRITE_LIGHT[m.time], np.float32)
        if setting in INDOOR and m.time == "night":
            light = np.array((0.95, 0.84, 0.72), np.float32)
        if m.weather == "rain":
            light = light * 0.96
        pixels[..., :3] *= light
        if m.weather == "fog":
            pixels[..., :3] += (m.haze * (pixels[..., 3:] / 255) - pixels[..., :3]) * np.float32(0.14)
    if m.weather == "snow" and spot.contact == "ground" and noun.place in ("building", "plant", "ground"):
        _snow_on(pixels, m)
    if spot.contact == "ground":
        dark = 0.32 if setting not in ("plain",) else 0.22
        c.shadow(spot.x, spot.y - h * 0.012, w * 1.02, max(5.0, min(w, h) * 0.16), dark)
        c.shadow(spot.x, spot.y - h * 0.006, w * 0.7, max(3.0, min(w, h) * 0.07), dark)
    elif spot.contact == "water":
        _reflect(c, pixels, left, round(spot.y), noun)
    if noun.name in GLOWS and (m.dark or noun.place == "sky" or m.time == "evening") and setting != "plain":
        warm = backdrops.rgb("#ffd98a") if noun.name != "moon" else backdrops.rgb("#e8ecff")
        c.glow(spot.x, upper + h * (0.5 if noun.name != "lamp post" else 0.15), max(h, w) * 1.05, warm, 0.55)
    if noun.place == "hang" and spot.contact == "air" and setting != "sky":
        c.rect(spot.x - max(0.6, c.unit * 0.003), -2, max(1.2, c.unit * 0.006), upper + 6, m.tone("#5a3a2c"))
    x0, y0, x1, y1 = max(0, left), max(0, upper), min(c.w, left + w), min(c.h, upper + h)
    part = pixels[y0 - upper : y1 - upper, x0 - left : x1 - left]
    under = c.px[y0:y1, x0:x1]
    under *= 1 - part[..., 3:] * np.float32(1 / 255)
    under += part[..., :3]
    c.mask[y0:y1, x0:x1] = np.maximum(c.mask[y0:y1, x0:x1], part[..., 3])
    if spot.contact == "water" and noun.place in ("boat", "swim"):
        _waterline(c, spot.x, spot.y, w, h)
    return x0 / c.w, y0 / c.h, x1 / c.w, y1 / c.h


def _snow_on(pixels: np.ndarray, m: backdrops.Mood) -> None:
    """White along upward edges, in place."""
    k = max(1, round(pixels.shape[0] * 0.022))
    alpha = pixels[..., 3]
    above = np.zeros_like(alpha)
    above[k:] = alpha[:-k]
    cap = np.clip(alpha - above, 0, 255) * np.float32(0.9 / 255)
    pixels[..., :3] += (
        backdrops.mix(backdrops.FLAKE * m.light, backdrops.FLAKE, 0.5) * (alpha[..., None] / 255)
        - pixels[..., :3]
    ) * cap[..., None]


def _reflect(c: Canvas, pixels: np.ndarray, left: int, y: int, noun: Noun) -> None:
    """The sprite's wavering mirror image below y."""
    h, w = pixels.shape[:2]
    sunk = 0 if noun.place == "span" else round(h * 0.05)
    depth = min(c.h - y + sunk, round(h * 0.6))
    if depth <= 2:
        return
    mirror = cv2.resize(pixels[::-1], (w, max(2, round(h * 0.75))))[:depth]
    depth = mirror.shape[0]
    rows = np.arange(depth)
    sway = (np.sin(rows * 0.55) * (0.6 + rows * 0.02) * c.unit / 160).astype(int)
    columns = np.clip(np.arange(w)[None] + sway[:, None], 0, w - 1)
    mirror = mirror[rows[:, None], columns] * np.linspace(0.5, 0.1, depth, dtype=np.float32)[:, None, None]
    x0, x1 = max(0, left), min(c.w, left + w)
    top = y - sunk
    part = mirror[:, x0 - left : x1 - left]
    under = c.px[top : top + depth, x0:x1]
    under *= 1 - part[..., 3:] / 255
    under += part[..., :3] * np.float32(0.9)


def _waterline(c: Canvas, x: float, y: float, w: float, h: float) -> None:
    """Ripples where a hull meets the water."""
    shine = backdrops.mix(c.mood.sky[2], backdrops.FLAKE, 0.4)
    for k, (dy, half, alpha) in enumerate(((-0.035, 0.46, 0.55), (0.005, 0.56, 0.4), (0.05, 0.42, 0.3))):
        yy, thick = y + h * dy, max(0.7, c.unit * (0.006 - 0.0012 * k))
        lens = np.array([(x - w * half, yy), (x, yy - thick), (x + w * half, yy), (x, yy + thick)])
        c.polygon(lens, shine, None, alpha)


def _paint(
    rng: np.random.Generator, plan: _Plan, width: int, height: int
) -> tuple[Canvas, tuple[float, float, float, float]]:
    own_light = plan.noun.name not in ("sun", "moon")
    bank = _relation(plan.noun, plan.setting) == ""
    c = Canvas(width, height, backdrops.mood(rng, plan.time, plan.weather), rng, own_light, bank)
    if plan.setting == "plain":
        stage = backdrops.plain(c, plan.backdrop)
    else:
        stage = backdrops.PLACES[plan.setting](c)
    if plan.setting not in DRY:
        backdrops.mist(c, stage)
    px = 256 if min(width, height) <= 320 else 512
    drawings = plan.noun.dyeable if plan.color else plan.noun.drawings
    sprite = art.sprite(drawings[int(rng.integers(len(drawings)))], px)
    if plan.color:
        sprite = art.dye(sprite, plan.color)
    aspect = sprite.shape[1] / sprite.shape[0]
    total = plan.count + (plan.second is not None)
    spots = _spots(c, stage, plan.noun, plan.setting, total, aspect)
    boxes = []
    flip = c.chance(0.5) and plan.noun.name not in ("clock", "watch")
    order = rng.permutation(len(spots)) if plan.second else np.arange(len(spots))
    for i in order[: plan.count]:
        boxes.append(_stand(c, sprite, spots[int(i)], plan.noun, plan.setting, flip))
    if plan.second:
        other = art.sprite(plan.second.drawings[int(rng.integers(len(plan.second.drawings)))], px)
        spot = spots[int(order[1])]
        limit = min(spot.scale_px, 0.46 * width * other.shape[0] / other.shape[1])
        spot = _Spot(spot.x, spots[int(order[0])].y, limit, spot.contact)
        _stand(c, other, spot, plan.second, plan.setting, c.chance(0.5))
    if plan.setting not in DRY:
        backdrops.weather(c, stage)
    box = tuple(float(f(b[i] for b in boxes)) for i, f in enumerate((min, min, max, max)))
    return c, box  # type: ignore[return-value]


# ---- style words --------------------------------------------------------------------------------------


def _noise(rng: np.random.Generator, h: int, w: int, cell: float) -> np.ndarray:
    """Smooth noise about 0, float32 [h, w]."""
    coarse = rng.standard_normal((max(2, int(h / cell)), max(2, int(w / cell)))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def _moved(plane: np.ndarray, k: int) -> np.ndarray:
    """The plane [h, w] moved k px down and right, its border repeated."""
    return np.pad(plane, ((k, 0), (k, 0)), "edge")[:-k, :-k]


def _paper_cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Few flat tones, each sheet throwing a small shadow on the one beneath."""
    lab = cv2.cvtColor(cv2.medianBlur(image, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    steps = np.array([30, 18, 18], np.float32)
    sheets = np.clip(np.round(lab / steps) * steps, 0, 255).astype(np.uint8)
    sheets = np.asarray(cv2.medianBlur(cv2.medianBlur(sheets, 5), 5))
    flat = cv2.cvtColor(sheets, cv2.COLOR_LAB2RGB).astype(np.float32)
    level = sheets[..., 0].astype(np.float32)
    k = max(1, round(image.shape[1] / 110))
    above = cv2.GaussianBlur(_moved(level, k), (0, 0), k * 0.8)
    edge = np.clip(np.abs(above - level) / 46, 0, 1)[..., None]
    rim = np.clip((level - _moved(level, 1)) / 30, 0, 1)[..., None]
    return np.clip(flat * (1 - 0.38 * edge) + 16 * rim + 6, 0, 255).astype(np.uint8)


def _line_drawing(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark lines along the edges, on paper with a breath of grey."""
    s = image.shape[1] / 256
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.9 * s).astype(np.float32)
    slope = np.zeros(image.shape[:2], np.float32)
    for channel in range(3):
        plane = np.ascontiguousarray(lab[..., channel])
        gx, gy = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
        slope = np.maximum(slope, np.hypot(gx, gy))
    ink = np.clip((slope * s - 30) / 45, 0, 1)[..., None]
    grey = cv2.GaussianBlur(lab[..., 0], (0, 0), 2 * s)[..., None]
    paper = np.array((250.0, 247.0, 240.0), np.float32) - (255 - grey) * 0.12
    return np.clip(paper * (1 - ink) + np.array((44.0, 42.0, 50.0), np.float32) * ink, 0, 255).astype(
        np.uint8
    )


def _pastel(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pale, soft colours with a little chalk."""
    soft = cv2.GaussianBlur(image, (0, 0), image.shape[1] / 256 * 1.1).astype(np.float32)
    grey = soft.mean(-1, keepdims=True)
    soft = 255 - (255 - (grey + (soft - grey) * 0.9)) * 0.5
    chalk = _noise(rng, image.shape[0], image.shape[1], image.shape[1] / 90) * 2.2
    return np.clip(soft + np.array((4, -1, 2), np.float32) + chalk[..., None], 0, 255).astype(np.uint8)


def _watercolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    h, w = image.shape[:2]
    s = w / 256
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    bleed = cv2.remap(
        image,
        x + _noise(rng, h, w, 14 * s) * 1.6 * s,
        y + _noise(rng, h, w, 14 * s) * 1.6 * s,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    soft = cv2.medianBlur(bleed, 5).astype(np.float32)
    lab = cv2.cvtColor(soft.astype(np.uint8), cv2.COLOR_RGB2LAB).astype(np.float32)
    rim_of_paint = cv2.GaussianBlur(lab[..., 0], (0, 0), 3 * s) - cv2.GaussianBlur(
        lab[..., 0], (0, 0), 0.8 * s
    )
    pigment = (
        1
        + np.clip(rim_of_paint / 60, 0, 0.3)
        + _noise(rng, h, w, 26 * s) * 0.05
        + _noise(rng, h, w, 7 * s) * 0.02
    )
    washed = 255 - (255 - soft) * (0.78 * pigment[..., None])
    far = np.minimum(np.minimum(x, w - x) / w, np.minimum(y, h - y) / h) + _noise(rng, h, w, 20 * s) * 0.012
    rim = np.clip((far - 0.015) / 0.03, 0, 1)[..., None]
    return np.clip(253 + (washed - 253) * rim, 0, 255).astype(np.uint8)


RESTYLE = {
    "paper cut": _paper_cut,
    "line drawing": _line_drawing,
    "pastel": _pastel,
    "watercolor": _watercolor,
}


def draw(seed: int, width: int, height: int) -> Scene:
    """The scene of a seed at width × height px."""
    rng = np.random.default_rng(seed)
    return _scene(rng, _plan(rng), width, height)


def describe(seed: int) -> tuple[str, dict[str, str]]:
    """The caption and facts of `draw(seed, …)`, without painting it."""
    rng = np.random.default_rng(seed)
    return _caption(rng, _plan(rng))


def with_one_object(count: int, first: int) -> list[int]:
    """The first `count` seeds from `first` on whose scenes show one object in no style."""
    found: list[int] = []
    seed = first
    while len(found) < count:
        fact = describe(seed)[1]
        if fact["count"] == "one" and not fact["object2"] and not fact["style"]:
            found.append(seed)
        seed += 1
    return found


def compose(
    seed: int,
    width: int,
    height: int,
    object: str,
    setting: str,
    time: str = "day",
    weather: str = "clear",
    color: str = "",
    count: int = 1,
    object2: str = "",
    backdrop: str = "white",
    style: str = "",
) -> Scene:
    """A chosen scene, its details from the seed; words as in the vocabulary."""
    second = NOUN[object2] if object2 else None
    rng = np.random.default_rng(seed)
    plan = _Plan(
        NOUN[object],
        second,
        count,
        color,
        setting,
        backdrop if setting == "plain" else "",
        time,
        weather,
        style,
    )
    return _scene(rng, plan, width, height)


def _scene(rng: np.random.Generator, plan: _Plan, width: int, height: int) -> Scene:
    caption, facts = _caption(rng, plan)
    canvas, box = _paint(rng, plan, width, height)
    image = np.clip(canvas.px + 0.5, 0, 255).astype(np.uint8)
    if plan.style:
        image = RESTYLE[plan.style](image, rng)
    return Scene(image, caption, facts, box, canvas.mask.astype(np.uint8))


def sheet(seeds: range, width: int, height: int, columns: int = 8) -> np.ndarray:
    """Scenes side by side with their captions beneath: uint8 [H, W, 3]."""
    import textwrap

    from PIL import Image, ImageDraw

    rows = -(-len(seeds) // columns)
    page = Image.new("RGB", (columns * (width + 6), rows * (height + 42)), "white")
    pen = ImageDraw.Draw(page)
    for i, seed in enumerate(seeds):
        scene = draw(seed, width, height)
        x, y = i % columns * (width + 6), i // columns * (height + 42)
        page.paste(Image.fromarray(scene.image), (x, y))
        pen.text((x + 2, y + height + 2), textwrap.fill(f"{seed}: {scene.caption}", width // 6), fill="black")
    return np.asarray(page)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sheet", type=Path, required=True, help="write a contact sheet (PNG) here")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=40, help="pictures")
    parser.add_argument("--width", type=int, default=256, help="px")
    parser.add_argument("--height", type=int, default=256, help="px")
    parser.add_argument("--columns", type=int, default=8)
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    page = sheet(seeds, options.width, options.height, options.columns)
    options.sheet.write_bytes(cv2.imencode(".png", page[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    main()
