"""A film's title and its end card, as its style and its own settings want them, among its scenes.

What they look like stands in core.video.picture.titles and cards, when they are seen in core.video.timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.images.picture_file import open_picture
from core.messages import Sentence
from core.settings.style import Craft, Style
from core.texts.letters import language_of_letters
from core.video.drawing import Drawn, Plan
from core.video.picture import cards, clips, own, titles
from core.video.picture.cards import Card
from core.video.picture.cutting import cut_to
from core.video.picture.lettering import Look, caption_area
from core.video.picture.motion import STILL, Move
from core.video.picture.titles import Title
from core.video.render.film import Open, moving
from core.video.storyboard.board import Storyboard
from core.video.timeline import Timeline

THANKS = {"en": "Thanks for watching", "zh": "谢谢观看"}
SMALLEST = 160  # pixels of a picture's shorter side that are enough for a ground out of focus


@dataclass(frozen=True)
class Part:
    """What a film shows for a while: its name and picture, from which frame on, how, and how it comes in."""

    seen: tuple[str, Open]
    start: int
    path: Move
    kind: str


def check(film: Craft) -> None:
    """Raises Mistake where the end card's picture can't be used, before anything is made."""
    if film.end_picture is not None:
        open_picture(film.end_picture, least=64)


def seconds(board: Storyboard, style: Style) -> tuple[float, float]:
    """How long the cards before the first scene and after the last one stand; 0 where there is none."""
    return (
        style.title_seconds if style.title_shown == "card" and title_words(board) else 0.0,
        style.end_seconds if style.end_card else 0.0,
    )


def title_over(board: Storyboard, style: Style, look: Look, when: Timeline | None = None) -> Title | None:
    """The title over the first scene, which is gone before the next one comes; None where there is none."""
    words = title_words(board)
    if style.title_shown != "over" or not words:
        return None
    lasts = style.title_seconds
    if when is not None:
        followed = len(when.starts) > 1 or style.end_card
        lasts = max(0.0, min(lasts, when.length(0) - (style.transition_seconds / 2 if followed else 0)))
    return Title(words, style.title_look, look, lasts, board.film.ai_label)


def cards_of(board: Storyboard, style: Style, look: Look) -> tuple[Card | None, Card | None]:
    """The cards before the first scene and after the last one; None where there is none."""
    kind, (before, after) = style.title_look, seconds(board, style)
    words, link = end_words(board, style), style.end_link.strip()
    return (
        Card(title_words(board), kind, look) if before else None,
        Card(words, kind, look, link, board.film.end_picture, ends=True) if after else None,
    )


def with_cards(
    board: Storyboard,
    style: Style,
    look: Look,
    when: Timeline,
    scenes: Sequence[Part],
    ground: Callable[[int], np.ndarray],
) -> list[Part]:
    """The scenes' parts with those of the cards before and after them.

    ground: the picture of the scene `at`, which a card stands on.
    """
    film, (before, after) = board.film, cards_of(board, style, look)

    def part(card: Card, at: int, start: int, kind: str) -> Part:
        behind = partial(ground, at)
        made = partial(cards.opened, card, behind, film.width, film.height, film.fps)
        return Part((card.named(scenes[at].seen[0]), moving(made)), start, Move(*STILL, 0.0), kind)

    parts = [*scenes]
    if before is not None:
        parts.insert(0, part(before, 0, 0, "cut"))
    if after is not None:
        parts.append(part(after, -1, when.ends, style.transition))
    return parts


def ground(board: Storyboard, drawn: Sequence[Drawn], plans: Sequence[Plan], at: int) -> np.ndarray:
    """A scene's picture as it is cut for the film, small; of a clip that with which it begins."""
    scene, one, plan, film = board.scenes[at], drawn[at], plans[at], board.film
    if plan.own is None:
        return one.pixels()
    seen = clips.first(one.path, scene.clip_start) if own.is_clip(plan.own) else one.pixels()
    scale = SMALLEST / min(film.width, film.height)
    return cut_to(seen, round(film.width * scale), round(film.height * scale), scene.cut)


def title_words(board: Storyboard) -> str:
    """The title's words: those that were asked for, else the film's topic."""
    return board.film.title_words.strip() or board.topic.strip()


def end_words(board: Storyboard, style: Style) -> str:
    """The end card's words: those that were asked for, else thanks in the film's language."""
    if style.end_words.strip():
        return style.end_words.strip()
    said = " ".join([board.topic, *(scene.say for scene in board.scenes)])
    return THANKS["zh" if language_of_letters(said) == "zh" else "en"]


def texts(board: Storyboard, style: Style) -> list[str]:
    """All that title and end card say."""
    shown = [title_words(board)] if style.title_shown != "none" else []
    return shown + ([end_words(board, style), style.end_link] if style.end_card else [])


def left_out(board: Storyboard, style: Style, look: Look) -> Iterator[Sentence]:
    """What of title and end card has no room in the film."""
    size = board.film.width, board.film.height
    area = caption_area(*size)
    room = 0.9 * (area.bottom - area.top)
    if style.title_shown != "none" and not titles.set_lines(title_words(board), look, area, room, size)[2]:
        yield Sentence(
            "The title is too long for a film of {width}×{height} pixels, so its end is left out",
            width=size[0],
            height=size[1],
        )
    if style.end_card and style.end_link and not cards.code_side(style.end_link, *size)[1]:
        yield Sentence(
            "A film of {width}×{height} pixels is too small for a QR code, so it ends with the address alone",
            width=size[0],
            height=size[1],
        )
