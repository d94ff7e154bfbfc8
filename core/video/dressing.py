"""How a scene's captions will look, before anything is filmed."""

from __future__ import annotations

import numpy as np

from core.messages import Mistake, attempt
from core.settings.style import styled
from core.video import assembly, titling
from core.video.audio.speech import silent
from core.video.picture import guides, own, titles
from core.video.picture.captions import Captions
from core.video.picture.cards import Card, opened
from core.video.picture.cutting import cut_to
from core.video.picture.lettering import blend
from core.video.picture.phrasing import phrases
from core.video.scene import planned, standing, undrawn
from core.video.storyboard.board import Storyboard

DRESSED = 720  # pixels of the picture's longer side at most
GAP = 12  # pixels between it and a card


def dressed(board: Storyboard, at: int) -> np.ndarray:
    """A scene with its captions as they would be seen, and what the apps lay over it, uint8 [H, W, 3].

    The scene's words, else the film's topic, in the midst of being said; its picture where there is one. The
    first scene has its title, and the cards before it and after the last one stand at their side.
    """
    film, style = board.film, styled(board.film)
    small = max(1.0, max(film.width, film.height) / DRESSED)
    width, height = round(film.width / small), round(film.height / small)
    one = attempt(lambda: standing(planned(board, at)))
    seen = (
        undrawn(board) if one is None or isinstance(one, Mistake) or own.is_clip(one.path) else one.pixels()
    )
    picture = cut_to(seen, width, height, board.scenes[at].cut)
    frame, look = picture.copy(), assembly.look(style)
    guides.draw(frame)
    title = titling.title_over(board, style, look)
    for layer in titles.over(title, width, height) if title and at == 0 else []:
        blend(frame, layer)
    words = silent(board.scenes[at].say or board.topic).words
    if words and assembly.shows_captions(film):
        shown = phrases(words, look, width, height)
        last = shown[0].words[-1]
        Captions(shown, look, width, height).blend(frame, (last.start + last.end) / 2)
    before, after = titling.cards_of(board, style, look)
    row = [before if at == 0 else None, frame, after if at == len(board.scenes) - 1 else None]
    shots = [_card(one, picture) if isinstance(one, Card) else one for one in row if one is not None]
    space = np.full((height, GAP, 3), 255, np.uint8)
    return np.concatenate([part for one in shots for part in (space, one)][1:], 1)


def _card(card: Card, picture: np.ndarray) -> np.ndarray:
    """A card as it is seen once all of it is there."""
    height, width = picture.shape[:2]
    return opened(card, lambda: picture, width, height, 1)(3)
