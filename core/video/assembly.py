"""Everything of a film in its place and time: shots, captions and sound, from what was drawn and spoken."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from core import kept
from core.bases import picture_base
from core.messages import Sentence
from core.progress import Progress, Steps
from core.settings.style import Style
from core.settings.video import FilmSettings, WriteSettings
from core.video import drawing, titling
from core.video.audio import mix, music
from core.video.audio.speech import Samples, Speech
from core.video.drawing import Drawn, Plan
from core.video.picture import clips, cover, motion, own
from core.video.picture.captions import Captions
from core.video.picture.cutting import cut_to
from core.video.picture.enlarge import enlarge
from core.video.picture.focus import focus
from core.video.picture.frames import save_picture
from core.video.picture.lettering import Look
from core.video.picture.phrasing import Phrase, phrases, shifted
from core.video.picture.signs import missing
from core.video.render import render
from core.video.render.film import Film, Open, aigc, moving, shots_for, still
from core.video.render.pieces import Piece
from core.video.storyboard.board import Scene, Storyboard
from core.video.timeline import Timeline, timeline

LABEL = "AI生成 · AI-generated"
ENLARGED = 1  # how pictures are enlarged; another number enlarges all anew


def check(asked: WriteSettings, style: Style) -> None:
    """Raises Mistake where what a film is asked for can't be used: its LoRAs, its base; loads no model."""
    music.check(asked.music_file)
    titling.check(asked)
    one = Storyboard(film=asked.model_dump(include={*FilmSettings.model_fields}), scenes=(Scene(),))
    drawing.plans(one, style)


def assembled(
    board: Storyboard,
    style: Style,
    speeches: Sequence[Speech],
    drawn: Sequence[Drawn],
    plans: Sequence[Plan],
) -> Generator[Progress, None, tuple[Film, tuple[Phrase, ...]]]:
    """The film, and the phrases that its captions show."""
    film = board.film
    yield Progress("Mixing the sound")
    yield from (Progress("Mixing the sound", text=line) for line in unshown(board, style))
    bed = music.bed(style, film.music_file)
    lengths = [speech.seconds for speech in speeches]
    cards = titling.seconds(board, style)
    when = timeline(board, lengths, (), *cards)
    if style.on_beat and bed is not None:
        # Scenes grow by a beat each at most, and there is more than one a second.
        most = when.seconds + len(board.scenes) + 2
        when = timeline(board, lengths, music.beats_of(style, film.music_file, bed, most).tolist(), *cards)
    shown = tuple(
        shifted(phrase, at)
        for speech, at in zip(speeches, when.spoken, strict=True)
        for phrase in phrases(speech.words, look(style), film.width, film.height)
    )
    captions = Captions(shown, look(style), film.width, film.height) if shows_captions(film) else None
    track = sound(board, style, speeches, when, bed)
    seen = [
        pictured(board, at, style, one, plan) for at, (one, plan) in enumerate(zip(drawn, plans, strict=True))
    ]
    paths = motion.moves(
        [(one.id, one.motion) for one in board.scenes],
        film.seed,
        style.motion,
        lambda at: eye(film, board.scenes[at], drawn[at], plans[at]),
    )
    kinds = [style.transition if one.transition == "auto" else one.transition for one in board.scenes]
    scenes = [titling.Part(*one) for one in zip(seen, when.starts, paths, kinds, strict=True)]
    ground = partial(titling.ground, board, drawn, plans)
    parts = titling.with_cards(board, style, look(style), when, scenes, ground)
    made = Film(
        shots=shots_for(
            [part.seen for part in parts],
            [part.start for part in parts],
            when.frames,
            [part.path for part in parts],
            [part.kind for part in parts],
            round(style.transition_seconds * film.fps),
        ),
        captions=captions,
        sound=track if track.any() else None,
        frames=when.frames,
        width=film.width,
        height=film.height,
        fps=film.fps,
        label=LABEL if film.ai_label else "",
        metadata={"title": board.topic, **aigc("LoRA Studio", f"{film.seed}")},
        cards=(parts.index(scenes[0]), len(parts) - 1 - parts.index(scenes[-1])),
        title=titling.title_over(board, style, look(style), when),
    )
    return made, shown


def eye(film: FilmSettings, scene: Scene, one: Drawn, plan: Plan) -> tuple[float, float]:
    """Where a scene's picture draws the eye, x and y from 0 to 1; a clip's middle."""
    if plan.own is None:
        return focus(one.pixels())
    if own.is_clip(plan.own):
        return 0.5, 0.5
    return focus(cut_to(one.pixels(), max(8, film.width // 8), max(8, film.height // 8), scene.cut))


def sound(
    board: Storyboard, style: Style, speeches: Sequence[Speech], when: Timeline, bed: Samples | None
) -> Samples:
    """The film's sound, float32 [n, 2]: voices, clips that are heard, music."""
    clip_sounds = [
        (when.starts[at] / when.fps, heard)
        for at, scene in enumerate(board.scenes)
        if scene.picture is not None and scene.clip_sound and own.is_clip(scene.picture)
        if (heard := clips.sound(scene.picture, scene.clip_start, when.length(at))) is not None
    ]
    spoken = list(zip(when.spoken, speeches, strict=True))
    return mix.mix(when.seconds, spoken, bed, style.music_volume, clip_sounds, style.music_fade)


def pictured(board: Storyboard, at: int, style: Style, one: Drawn, plan: Plan) -> tuple[str, Open]:
    """What tells a scene's picture from any other, and what opens it at the size that its motion needs."""
    scene, film = board.scenes[at], board.film
    if plan.own is not None and own.is_clip(plan.own):
        name = f"{kept.contents_hash(plan.own)} {scene.clip_start} {scene.cut}"
        size = film.width, film.height
        return name, moving(lambda: clips.Clip(one.path, scene.clip_start, scene.cut, *size, film.fps))
    path = enlarged_path(board, at, style, one, plan)
    return path.stem, still(lambda: own.picture(path))


def enlarged_path(board: Storyboard, at: int, style: Style, one: Drawn, plan: Plan) -> Path:
    """Where a scene's picture is kept at the film's size and what its motion needs beyond."""
    film = board.film
    return kept.place(
        "enlarged",
        ".png",
        picture=one.path if plan.own is not None else one.path.stem,
        cut=board.scenes[at].cut if plan.own is not None else (),
        size=motion.cover_size(film.width, film.height, style.motion),
        edges="plain" if plan.own is not None else picture_base.drawing(film.image_base).edges,
        enlarged=ENLARGED,
    )


def enlarged(
    film: Film,
    left: Sequence[Piece],
    board: Storyboard,
    style: Style,
    drawn: Sequence[Drawn],
    plans: Sequence[Plan],
) -> Generator[Progress, None, None]:
    """Enlarges the pictures that the pieces which are left to encode, and the film's cover, show."""
    scenes = (at - film.cards[0] for at in render.shots_of(film, left))
    wanted = sorted({0, *(at for at in scenes if 0 <= at < len(drawn))})
    enlarging = Steps("Enlarging", len(wanted))
    yield enlarging.report()
    for at in wanted:
        if (own_file := plans[at].own) is None or not own.is_clip(own_file):
            large(board, at, style, drawn[at], plans[at])
        yield enlarging.report(1)


def large(board: Storyboard, at: int, style: Style, one: Drawn, plan: Plan) -> Path:
    """A scene's picture at the size that its motion needs, made where it isn't there yet."""
    path = enlarged_path(board, at, style, one, plan)
    if not kept.there(path):
        width, height = motion.cover_size(board.film.width, board.film.height, style.motion)
        edges = picture_base.drawing(board.film.image_base).edges
        save_picture(_enlarged(one.pixels(), plan, board.scenes[at], width, height, edges), path)
    return path


def _enlarged(
    picture: np.ndarray, plan: Plan, scene: Scene, width: int, height: int, edges: str
) -> np.ndarray:
    if plan.own is not None:
        return cut_to(picture, width, height, scene.cut)
    return enlarge(picture, width, height, edges)


def unshown(board: Storyboard, style: Style) -> Iterator[Sentence]:
    """What of the texts the film and its cover can't show."""
    how, film = look(style), board.film
    said = [scene.say for scene in board.scenes] if shows_captions(film) else []
    if signs := missing(" ".join([board.topic, *said, *titling.texts(board, style)]), how.font):
        yield Sentence("No font here has these signs, so the film leaves them out: {signs}", signs=signs)
    _, _, whole = cover.title_lines(board.topic, how, film.width, film.height)
    if not whole:
        yield Sentence(
            "The topic is too long for a cover of {width}×{height} pixels, so its end is left out there",
            width=film.width,
            height=film.height,
        )
    yield from titling.left_out(board, style, how)


def shows_captions(film: FilmSettings) -> bool:
    """Whether captions are drawn into the picture."""
    return film.captions and film.caption_look != "none"


def look(style: Style) -> Look:
    """A style's captions."""
    return Look(
        style.caption_font,
        style.caption_size,
        style.caption_color,
        style.caption_accent,
        style.caption_back,
        style.caption_show,
        style.caption_place,
        style.caption_lines,
    )
