"""What the platforms take, as data; and what of a film or its text they don't.

Read 2026-11-30. TikTok: the Media Transfer Guide of its Content Posting API (developers.tiktok.com). Reels:
Instagram's content publishing, as publishing services list it. Shorts: YouTube's length and texts, as guides
list them. Douyin: one upload to its open platform takes 15 minutes and 128 MB (noted 2025-09); the 30 signs
of its titles and its five hashtags are told by others, unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from core.messages import Sentence, together


@dataclass(frozen=True)
class Platform:
    """A platform's limits: seconds, MB of a million bytes, frames a second, pixels of the shorter side.

    title, text: most signs of a title (0: it has none) and of what stands below a film, hashtags counted in;
    hashtags: how many it takes. upright: whether it takes no wide film.
    """

    name: Sentence
    longest: float
    shortest: float = 0
    megabytes: float = inf
    rates: tuple[float, float] = (0, inf)
    least_side: int = 0
    upright: bool = False
    title: int = 0
    text: int = 2200
    hashtags: int = 30


DOUYIN = Platform(Sentence("Douyin"), 900, megabytes=128, title=30, text=1000, hashtags=5)
TIKTOK = Platform(Sentence("TikTok"), 600, 3, 4000, (23, 60), least_side=360)
REELS = Platform(Sentence("Instagram Reels"), 900, 3, 300, (23, 60), least_side=540)
SHORTS = Platform(Sentence("YouTube Shorts"), 180, upright=True, title=100, text=5000, hashtags=15)
ALL = (DOUYIN, TIKTOK, REELS, SHORTS)


@dataclass(frozen=True)
class Made:
    """What of a finished film the platforms look at: seconds, pixels, frames a second, bytes."""

    seconds: float
    width: int
    height: int
    fps: float
    size: int


@dataclass(frozen=True)
class Unfit:
    """What some platforms don't take: `what` is a field of Platform, `limit` the strictest of theirs."""

    what: str
    names: Sentence
    limit: float


def unfit(film: Made) -> list[Unfit]:
    """What of a film some platform doesn't take; each kind once, with all platforms that it holds for."""
    side = min(film.width, film.height)
    checks: list[tuple[str, Callable[[Platform], bool], Callable[[Sequence[Platform]], float]]] = [
        ("longest", lambda one: film.seconds > one.longest, lambda some: min(one.longest for one in some)),
        ("shortest", lambda one: film.seconds < one.shortest, lambda some: max(one.shortest for one in some)),
        (
            "megabytes",
            lambda one: film.size > one.megabytes * 1e6,
            lambda some: min(one.megabytes for one in some),
        ),
        (
            "rates",
            lambda one: not one.rates[0] <= film.fps <= one.rates[1],
            lambda some: max(one.rates[0] for one in some),
        ),
        ("least_side", lambda one: side < one.least_side, lambda some: max(one.least_side for one in some)),
        ("upright", lambda one: one.upright and film.width > film.height, lambda some: 0),
    ]
    found = [(what, [one for one in ALL if wrong(one)], limit) for what, wrong, limit in checks]
    return [
        Unfit(what, together([one.name for one in some]), limit(some)) for what, some, limit in found if some
    ]
