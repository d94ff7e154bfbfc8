"""Work on one scene before the film is made: pictures and wordings to choose from, its voice, a small film.

What is offered stands in the folder `offers` beside the storyboard; choosing is a change of the storyboard
(core.video.storyboard.edit). What was drawn or spoken is kept, so that the film finds it.
"""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import kept
from core.bases import picture_base
from core.files import contents
from core.messages import Mistake, attempt
from core.progress import Progress
from core.project import replacing, write_atomic
from core.settings.style import Style, styled
from core.settings.video import SceneSettings
from core.texts.engine import Engine, opened, writes_storyboards
from core.texts.writer import Writer
from core.video import assembly, drawing, speaking
from core.video.audio import voice
from core.video.audio.mix import write_wav
from core.video.picture import clips, own
from core.video.render import pieces
from core.video.render.render import missing, render
from core.video.script import by_model, narration
from core.video.script.brief import Brief, Wishes
from core.video.script.write import settled, training_lines
from core.video.storyboard import edit
from core.video.storyboard.board import Scene, Storyboard
from core.video.storyboard.draft import Draft

PREVIEW_SIDE = 360  # pixels of a preview's shorter side
PREVIEW_FPS = 15
SMALL = 640  # pixels of a small picture's longer side
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Offers:
    """What a scene can choose from: pictures by their seeds, and words."""

    pictures: dict[int, Path]
    words: tuple[str, ...]


def work(settings: SceneSettings) -> Iterator[Progress]:
    """Does what is asked for with a scene; the last report's `result` is what was made.

    Raises Mistake where the storyboard is damaged or has no such scene.
    """
    draft = Draft(settings.storyboard.absolute().parent)
    board = draft.read()
    style = styled(board.film)
    if settings.scene:
        edit.place(board, settings.scene)
    todo = {"draw": draw, "write": write, "speak": speak, "preview": preview}[settings.do]
    result = yield from todo(draft, board, style, settings)
    kept.trim(kept.folder(), kept.limit())
    yield Progress("Done", result=result)


def place(folder: Path, scene: str, ending: str) -> Path:
    """Where something of a scene is offered, beside its storyboard."""
    return folder / "offers" / f"{scene}{ending}"


def offers(folder: Path, scene: str) -> Offers:
    """What a scene can choose from; nothing where nothing was made, or it can't be read."""
    words = attempt(lambda: json.loads(contents(place(folder, scene, ".json"), MOST_BYTES)))
    said = words if isinstance(words, list) and all(isinstance(one, str) for one in words) else []
    drawn = {
        int(number): path
        for path in sorted(place(folder, scene, "").parent.glob(f"{scene}-*.png"))
        if (number := path.stem.removeprefix(f"{scene}-")).isdigit()
    }
    return Offers(drawn, tuple(said))


def draw(
    draft: Draft, board: Storyboard, style: Style, settings: SceneSettings
) -> Generator[Progress, None, Path]:
    """Pictures of one scene to choose from; of all scenes, each one's own picture."""
    plans = drawing.plans(board, style)
    if not settings.scene:
        yield from drawing.drawn(plans)
        return draft.file
    at = edit.place(board, settings.scene)
    plan = plans[at]
    if plan.own is not None:
        raise Mistake("This scene shows a picture of your own as it is; give it a strength to draw it anew.")
    wanted = [
        replace(plan, seed=seed, how=replace(plan.how, takes=1))
        for seed in seeds(plan.seed, settings.count, settings.seed)
    ]
    made = yield from drawing.drawn(wanted)
    for old in offers(draft.folder, settings.scene).pictures.values():
        old.unlink(missing_ok=True)
    for one, found in zip(wanted, made, strict=True):
        with replacing(place(draft.folder, settings.scene, f"-{one.seed}.png")) as part:
            shutil.copyfile(found.path, part)
    return place(draft.folder, settings.scene, f"-{wanted[0].seed}.png")


def seeds(first: int, count: int, turn: int) -> list[int]:
    """Seeds of pictures to choose from; the scene's own is among the first ones."""
    luck = random.Random(f"{first} {turn}")
    others = [luck.randrange(2**32) for _ in range(count)]
    return [first, *others[1:]] if not turn else others


def write(
    draft: Draft, board: Storyboard, style: Style, settings: SceneSettings
) -> Generator[Progress, None, Path]:
    """Wordings of one scene to choose from; of all that are not locked new words, put in their place."""
    names = [settings.scene] if settings.scene else [one.id for one in board.scenes if not one.lock]
    yield Progress("Loading the language model")
    film = settled(board.film)
    loras = [scene.text_lora for scene in board.scenes if scene.text_lora]
    writer = opened(film.text_base, film.text_model, loras)
    try:
        for name in names:
            at = edit.place(board, name)
            count = settings.count if settings.scene else 1
            found = yield from wordings(board, at, style, writer, count, settings.seed)
            if not found:
                nothing = Mistake(
                    "The language model found no words for scene {number}; say what it is about, or choose a "
                    "larger model.",
                    number=at + 1,
                )
                if settings.scene:
                    raise nothing
                yield Progress("Writing the script", text=nothing.sentence)
                continue
            for said in found:
                yield Progress("Writing the script", text=said)
            if settings.scene:
                return write_atomic(place(draft.folder, name, ".json"), json.dumps(found, ensure_ascii=False))
            board = draft.change(functools.partial(edit.changed, name=name, say=found[0]))
    finally:
        writer.close()
    return draft.file


def wordings(
    board: Storyboard, at: int, style: Style, writer: Engine, count: int, seed: int
) -> Generator[Progress, None, list[str]]:
    """Several wordings of a scene, the best first: as many as come out sound."""
    scene = board.scenes[at]
    topic, who = board.topic or scene.about or scene.draw, scene.voice or board.film.voice
    wishes = Wishes(
        board.film.seed + seed + at,
        style.tone,
        style.ending,
        style.beats,
        tuple(known(board, at)),
        functools.partial(voice.seconds, voice=who, speed=style.voice_speed),
    )
    if writes_storyboards(writer):
        return (yield from by_model.offers(topic, brief(board, at), writer, count, wishes))
    assert isinstance(writer, Writer)
    return (yield from narration.offers(topic, brief(board, at), writer, count, wishes))


def brief(board: Storyboard, at: int) -> Brief:
    """What the writer is told of a scene: its words shall take the time that they take now."""
    scene = board.scenes[at]
    seconds = voice.seconds(scene.say, scene.voice or board.film.voice) if scene.say.strip() else 0.0
    asked = seconds or max(0.0, scene.seconds - board.pause) or 4.0
    about = scene.about or scene.draw or board.topic
    return Brief(at + 1, about, scene.thing, asked, scene.text_lora, at + 1 == len(board.scenes))


def known(board: Storyboard, at: int) -> list[str]:
    """What is not to be said again: the other scenes' words, and what the scene's LoRA learnt from."""
    lora = board.scenes[at].text_lora
    others = [scene.say for number, scene in enumerate(board.scenes) if number != at and scene.say]
    return [*others, *(training_lines(lora) if lora else ())]


def speak(
    draft: Draft, board: Storyboard, style: Style, settings: SceneSettings
) -> Generator[Progress, None, Path]:
    """A scene's words as its voice says them, as a file to listen to."""
    scene = _one(board, settings)
    yield Progress("Speaking")
    said = speaking.say(scene, board, style)
    if not said.samples.any():
        raise Mistake("Nothing is said in this scene; write its words, or choose a voice.")
    track = said.samples[:, None].repeat(2, 1)
    path = place(draft.folder, scene.id, ".wav")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_wav(track, path)


def preview(
    draft: Draft, board: Storyboard, style: Style, settings: SceneSettings
) -> Generator[Progress, None, Path]:
    """A small film of one scene, with its voice, its motion and its captions."""
    scene = _one(board, settings)
    small = one_alone(board, scene)
    style = styled(small.film)
    speeches = yield from speaking.spoken(small, style)
    plans = drawing.plans(small, style)
    drawn = yield from drawing.drawn(plans)
    film, _ = yield from assembly.assembled(small, style, speeches, drawn, plans)
    left = missing(pieces.cut(film, "preview"))
    yield from assembly.enlarged(film, left, small, style, drawn, plans)
    path = place(draft.folder, scene.id, ".mp4")
    yield from render(film, path, "preview")
    return path


def one_alone(board: Storyboard, scene: Scene) -> Storyboard:
    """A storyboard of one scene of a film, at a small size of the film's shape."""
    film = board.film
    scale = PREVIEW_SIDE / min(film.width, film.height)
    size = {
        name: max(64, round(getattr(film, name) * min(1.0, scale) / 2) * 2) for name in ("width", "height")
    }
    values: dict[str, Any] = {**size, "fps": min(film.fps, PREVIEW_FPS), "music": "none", "music_file": None}
    values |= {"title_shown": "none", "end_card": False}
    seeded = scene.model_copy(update={"seed": board.seed_of(edit.place(board, scene.id))})
    return board.model_copy(update={"film": film.model_copy(update=values), "scenes": (seeded,)})


def _one(board: Storyboard, settings: SceneSettings) -> Scene:
    if not settings.scene:
        raise Mistake("Name the scene that is meant, by its id.")
    return board.scenes[edit.place(board, settings.scene)]


@dataclass(frozen=True)
class Seen:
    """A scene as a storyboard shows it: a small picture where there is one, its length, what is odd about it.

    undrawn: its picture is still to be drawn, or again: a small one of before still shows.
    doubt: what seems wrong with it (core.video.picture.frames), empty: nothing. wrong: why it can't be drawn
    or shown, as where its picture or LoRA is gone.
    """

    scene: Scene
    picture: Path | None
    seconds: float
    undrawn: bool = False
    doubt: str = ""
    wrong: Mistake | None = None


def seen(draft: Draft, board: Storyboard) -> list[Seen]:
    """Every scene with its picture as it was drawn last, or is one's own; draws nothing.

    Raises Mistake where the film's style is gone.
    """
    return [seen_at(draft, board, at) for at in range(len(board.scenes))]


def seen_at(draft: Draft, board: Storyboard, at: int) -> Seen:
    """As `seen`, the scene `at` alone, counted from 0."""
    scene = board.scenes[at]
    seconds = max(scene.seconds, speaking.expected(scene, board) + board.pause)
    plan = attempt(lambda: planned(board, at))
    if isinstance(plan, Mistake):
        return Seen(scene, None, seconds, wrong=plan)
    one = standing(plan)
    return Seen(scene, small(draft.folder, plan, scene), seconds, one is None, one.doubt if one else "")


def planned(board: Storyboard, at: int) -> drawing.Plan:
    """What decides a scene's picture. Raises Mistake where one's own, the base or a LoRA is gone."""
    return drawing.plan(board, at, styled(board.film), picture_base.vocabulary(board.film.image_base))


def standing(plan: drawing.Plan) -> drawing.Drawn | None:
    """A scene's picture where it is there already."""
    return drawing.found(plan) if plan.own is not None or kept.there(plan.path) else None


def small(folder: Path, plan: drawing.Plan, scene: Scene) -> Path | None:
    """A small copy of a scene's picture, or its clip's beginning, in the film's folder, which pages see.

    None where there is neither the picture nor a copy of when it was there.
    """
    picture = plan.path
    name = picture.stem
    if plan.own is not None:
        name = kept.place("", "", of=[str(picture), picture.stat().st_mtime_ns, scene.clip_start]).name
    copy = folder / "scenes" / f"{name}.jpg"
    if not copy.is_file():
        if not picture.is_file():
            return None
        pixels = clips.first(picture, scene.clip_start) if own.is_clip(picture) else own.picture(picture)
        image = Image.fromarray(pixels)
        image.thumbnail((SMALL, SMALL))
        with replacing(copy) as part:
            image.save(part, quality=88)
    return copy


def undrawn(board: Storyboard) -> np.ndarray:
    """What stands where a scene's picture isn't drawn yet: an empty frame of the film's shape."""
    import cv2

    scale = 320 / max(board.film.width, board.film.height)
    width, height = round(board.film.width * scale), round(board.film.height * scale)
    page = np.full((height, width, 3), (236, 229, 214), np.uint8)
    edge, line = 10, (190, 178, 156)
    cv2.rectangle(page, (edge, edge), (width - edge, height - edge), line, 1, cv2.LINE_AA)
    x, y, size = width // 2, height // 2, 22
    cv2.line(page, (x - size, y + size), (x + size, y - size), line, 7, cv2.LINE_AA)
    cv2.line(page, (x - size - 6, y + size + 6), (x - size, y + size), line, 2, cv2.LINE_AA)
    return page
