"""A film's cover: which picture it shows, and its words, as the storyboard's post says.

The picture is a scene's, as large as the film needs it, or a moment of the finished film.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.messages import Mistake
from core.settings.style import Style
from core.video import assembly
from core.video.drawing import Drawn, Plan
from core.video.picture import clips, cover, own
from core.video.picture.cutting import cut_to
from core.video.picture.frames import save_picture
from core.video.places import Places
from core.video.scene import planned, standing
from core.video.storyboard.board import Storyboard

NO_WORDS = "-"


def covered(board: Storyboard, style: Style, places: Places, made: tuple[Plan, Drawn] | None = None) -> Path:
    """Writes the cover beside the film; returns its path.

    made: the plan and picture of the scene that it shows, where they are known. Raises Mistake where that
    picture is gone.
    """
    film, post = board.film, board.post
    if post.cover_second is not None:
        picture = moment(places.video, post.cover_second)
    else:
        picture = _scene(board, scene_of(board), style, places, made)
    words = "" if post.cover_words.strip() == NO_WORDS else post.cover_words.strip() or board.topic
    look = assembly.look(style)
    drawn = (
        cover.cover(picture, words, look, film.width, film.height)
        if words
        else cut_to(picture, film.width, film.height)
    )
    return save_picture(drawn, places.beside("cover.png"))


def scene_of(board: Storyboard) -> int:
    """The scene, counted from 0, whose picture is the cover; the first where the one asked for is gone."""
    return next((at for at, one in enumerate(board.scenes) if one.id == board.post.cover_scene), 0)


def moment(video: Path, second: float) -> np.ndarray:
    """What a film shows at a second, uint8 [H, W, 3]; its end where it is shorter. Raises Mistake."""
    import av

    shown = None
    with av.open(str(video.absolute())) as film:
        stream = film.streams.video[0]
        half = 0.5 / float(stream.average_rate or 30)
        last = max(0.0, float((film.duration or 0) / av.time_base) - 2 * half)
        film.seek(int(min(second, last) * av.time_base), backward=True)
        for frame in film.decode(stream):
            shown = frame
            if (frame.time or 0.0) >= min(second, last) - half:
                break
    if shown is None:
        raise Mistake("{path} shows nothing at second {second}.", path=video, second=second)
    turned = shown.reformat(format="rgb24", src_colorspace="ITU709", src_color_range=1, dst_color_range=2)
    return turned.to_ndarray()


def _scene(
    board: Storyboard, at: int, style: Style, places: Places, made: tuple[Plan, Drawn] | None
) -> np.ndarray:
    """A scene's picture, or its clip's beginning, at the film's size."""
    scene, film = board.scenes[at], board.film
    plan, one = made if made is not None else (planned(board, at), None)
    if plan.own is not None and own.is_clip(plan.own):
        return cut_to(clips.first(plan.own, scene.clip_start), film.width, film.height, scene.cut)
    one = one or standing(plan)
    if one is not None:
        return own.picture(assembly.large(board, at, style, one, plan))
    beside = places.beside("scenes") / f"{scene.id}.png"
    if not beside.is_file():
        raise Mistake("Scene {number} isn't drawn yet; make the video, or choose another.", number=at + 1)
    return cut_to(own.picture(beside), film.width, film.height)
