"""How a scene's captions will look, before anything is filmed."""

from __future__ import annotations

import numpy as np

from core.messages import Mistake, attempt
from core.settings.style import styled
from core.video import assembly
from core.video.audio.speech import silent
from core.video.picture import guides, own
from core.video.picture.captions import Captions
from core.video.picture.cutting import cut_to
from core.video.picture.phrasing import phrases
from core.video.scene import planned, standing, undrawn
from core.video.storyboard.board import Storyboard

DRESSED = 720  # pixels of the picture's longer side at most


def dressed(board: Storyboard, at: int) -> np.ndarray:
    """A scene with its captions as they would be seen, and what the apps lay over it, uint8 [H, W, 3].

    The scene's words, else the film's topic, in the midst of being said; its picture where there is one.
    """
    film = board.film
    small = max(1.0, max(film.width, film.height) / DRESSED)
    width, height = round(film.width / small), round(film.height / small)
    one = attempt(lambda: standing(planned(board, at)))
    seen = (
        undrawn(board) if one is None or isinstance(one, Mistake) or own.is_clip(one.path) else one.pixels()
    )
    frame = cut_to(seen, width, height, board.scenes[at].cut)
    guides.draw(frame)
    words = silent(board.scenes[at].say or board.topic).words
    if words and assembly.shows_captions(film):
        look = assembly.look(styled(film))
        shown = phrases(words, look, width, height)
        last = shown[0].words[-1]
        Captions(shown, look, width, height).blend(frame, (last.start + last.end) / 2)
    return frame
