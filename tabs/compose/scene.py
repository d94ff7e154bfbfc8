"""One scene of a storyboard: its words, its picture, how it moves and sounds; fields are kept when left.

Pictures and words to choose from, listening and the preview are jobs (core.video.scene); what they made is
read from the film's folder.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt
from core.project import Project
from core.settings.video import SceneSettings
from core.video.storyboard import edit
from core.video.storyboard.board import Scene, Storyboard
from core.video.storyboard.draft import Draft
from tabs.compose import lora_box, scene_boxes, voice_box
from tabs.compose.film import Board, draft_of, fitting, stamp, taken_in
from tabs.compose.lora_box import specs_of
from tabs.compose.scene_boxes import CUT, FIELDS, Editor
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import choosing, left
from tabs.shell.wiring import Page, Studio, connect, select, watch


def build(studio: Studio, frame: Frame, board: Board) -> None:
    """The editor of the scene that is chosen in the strip; hidden until one is."""
    editor = scene_boxes.build()
    here = {"project": frame.project, "film": board.film, "scene": board.scene}

    # Fields are filled when another scene comes or a step is taken back, never while a person types in them.
    turns = [board.scene.change, board.turned.change, board.film.change]
    watch(studio, turns, partial(written, studio), inputs=here, outputs=editor.written)
    news = [*turns, board.changed.change, *frame.after("scene", "compose")]
    watch(studio, news, partial(made, studio), inputs=here, outputs=editor.made)
    loras = [editor.fields["lora"], editor.fields["text_lora"]]
    made_now = frame.after("image", "text")
    watch(studio, made_now, partial(offered, studio), inputs={"project": frame.project}, outputs=loras)
    picking(studio, board, here, editor.offered)
    keeping(studio, board, here, editor)
    for name, button in editor.orders.items():
        outputs = [board.changed, board.turned, board.scene]
        connect(studio, [button.click], partial(order, studio, name), inputs=here, outputs=outputs)
    for do, button in editor.asks.items():
        connect(studio, [button.click], partial(work, studio, do), inputs=here, outputs=[frame.news])


def keeping(studio: Studio, board: Board, here: dict[str, Any], editor: Editor) -> None:
    """Each field is kept when it is left or chosen, and so are words that are offered, a cut, a file."""
    outputs = [board.changed]
    fields = {name: box for name, box in editor.fields.items() if name not in ("lora", "weight")}
    for name, box in fields.items():
        connect(
            studio, [left(box)], partial(keep, studio, name), inputs=here | {"value": box}, outputs=outputs
        )
    loras = {name: editor.fields[name] for name in ("lora", "weight")}
    moved = [loras["lora"].input, loras["weight"].release]
    connect(studio, moved, partial(keep_loras, studio), inputs=here | loras, outputs=outputs)
    said = here | {"value": editor.words}
    chosen = partial(keep_twice, studio, "say")
    connect(studio, [editor.words.input], chosen, inputs=said, outputs=[board.changed, board.turned])
    own = editor.own
    moved = [box.release for box in own.cut.values()]
    connect(studio, moved, partial(keep_cut, studio), inputs=here | own.cut, outputs=outputs)
    file = here | {"value": own.upload}
    connect(studio, [own.upload.upload], partial(take_in, studio), inputs=file, outputs=outputs)
    undrawn = partial(keep, studio, "picture", value=None)
    connect(studio, [own.drop.click], undrawn, inputs=here, outputs=outputs)


def scene_of(studio: Studio, project: str, film: str | None, scene: str) -> tuple[Draft, Storyboard, int]:
    """The draft, its storyboard, and where the scene stands in it. Raises Mistake where any is gone."""
    draft = draft_of(studio, project, film)
    board = draft.read()
    return draft, board, edit.place(board, scene)


def written(studio: Studio, page: Page, project: str, film: str | None, scene: str) -> list[Any]:
    """Values of the scene's fields and of its cut; nothing changes where there is no scene."""
    found = attempt(lambda: scene_of(studio, project, film, scene))
    if isinstance(found, Mistake):
        return [gr.skip() for _ in range(len(FIELDS) + len(CUT))]
    _, board, at = found
    return values(page, studio.open(project), board, board.scenes[at])


def made(studio: Studio, page: Page, project: str, film: str | None, scene: str) -> list[Any]:
    """What is there of a scene: its picture, what it can choose from, its small film, its voice."""
    from core.video import scene as scenes

    found = attempt(lambda: scene_of(studio, project, film, scene))
    if isinstance(found, Mistake):
        return [gr.update(visible=False), *(gr.skip() for _ in range(10))]
    draft, board, at = found
    seen = attempt(lambda: scenes.seen_at(draft, board, at))
    picture = None if isinstance(seen, Mistake) else seen.picture
    offers = scenes.offers(draft.folder, scene)
    film_path, sound = (scenes.place(draft.folder, scene, ending) for ending in (".mp4", ".wav"))
    title = page.say("Scene {number} of {count}", number=at + 1, count=len(board.scenes))
    return [
        gr.update(visible=True),
        f"<h3>{title}</h3>",
        str(picture) if picture else scenes.undrawn(board),
        gr.update(value=[str(path) for path in offers.pictures.values()], visible=bool(offers.pictures)),
        gr.update(value=str(film_path) if film_path.is_file() else None, visible=film_path.is_file()),
        gr.update(value=str(sound) if sound.is_file() else None, visible=sound.is_file()),
        gr.update(choices=list(offers.words), value=None, visible=bool(offers.words)),
        *(gr.update(visible=there) for there in shown_of(board.scenes[at].picture)),
    ]


def shown_of(picture: Path | None) -> tuple[bool, bool, bool, bool]:
    """Whether what drops one's own picture shows, and the boxes for a still, for either and for a clip."""
    from core.video.picture import own

    clip = picture is not None and own.is_clip(picture)
    return picture is not None, picture is not None and not clip, picture is not None, clip


def offered(studio: Studio, page: Page, project: str) -> list[Any]:
    """LoRAs to choose from, where new ones have come; what is chosen stays."""
    mine = studio.open(project)
    return [gr.update(choices=lora_box.looks(mine)), gr.update(choices=lora_box.tones(page, mine))]


def values(page: Page, project: Project, board: Storyboard, scene: Scene) -> list[Any]:
    """The fields' values, and the cut's."""
    x, y, zoom = (*scene.cut, *(0.5, 0.5, 1.0)[len(scene.cut) :])
    told: dict[str, Any] = {name: getattr(scene, name, None) for name in FIELDS}
    told["lora"], told["weight"] = lora_box.chosen(project, scene.lora)
    told["voice"] = choosing(scene.voice, [(page.say("As the film"), ""), *voice_box.choices(page)])
    told["text_lora"] = choosing(str(scene.text_lora or ""), lora_box.tones(page, project))
    names = [one.name for one in board.subjects]
    told["subjects"] = gr.update(choices=names, value=list(scene.subjects), visible=bool(names))
    return [*told.values(), x, y, zoom]


def picking(studio: Studio, board: Board, here: dict[str, Any], offered: gr.Gallery) -> None:
    """A click on a card of the strip chooses its scene, one on an offered picture makes it the scene's."""

    def choose(page: Page, number: int, project: str, film: str | None, scene: str) -> str:
        scenes = draft_of(studio, project, film).read().scenes
        return scenes[number].id if number < len(scenes) else scene

    def take(page: Page, number: int, project: str, film: str | None, scene: str) -> str:
        from core.video import scene as scenes

        draft = draft_of(studio, project, film)
        seeds = list(scenes.offers(draft.folder, scene).pictures)
        if number >= len(seeds):
            return gr.skip()
        return stamp(draft.change(lambda board: edit.changed(board, scene, seed=seeds[number], takes=1)))

    select(studio, board.strip, choose, inputs=here, outputs=[board.scene])
    select(studio, offered, take, inputs=here, outputs=[board.changed])


def keep(
    studio: Studio, name: str, page: Page, project: str, film: str | None, scene: str, value: Any
) -> str:
    """Puts one field of a scene into the storyboard."""
    if not scene:
        return gr.skip()
    if name == "text_lora":
        value = value or None
    draft = draft_of(studio, project, film)
    return stamp(draft.change(lambda board: edit.changed(board, scene, **{name: value})))


def keep_loras(
    studio: Studio, page: Page, project: str, film: str | None, scene: str, lora: Any, weight: float
) -> str:
    """Puts the image LoRAs of a scene into the storyboard, all with one weight."""
    fitting(draft_of(studio, project, film).read(), lora or ())
    return keep(studio, "lora", page, project, film, scene, specs_of(lora, weight))


def keep_twice(studio: Studio, name: str, page: Page, **here: Any) -> Any:
    """As `keep`, for a value that was not typed into the field itself."""
    return [keep(studio, name, page, **here)] * 2


def keep_cut(
    studio: Studio, page: Page, project: str, film: str | None, scene: str, x: float, y: float, zoom: float
) -> str:
    """Puts the cut of a person's own picture into the storyboard."""
    cut = () if (x, y, zoom) == (0.5, 0.5, 1) else (x, y, zoom)
    return keep(studio, "cut", page, project, film, scene, cut)


def take_in(studio: Studio, page: Page, project: str, film: str | None, scene: str, value: Any) -> str:
    """Takes a person's file into the film's folder, without what it tells of them; the scene shows it."""
    draft = draft_of(studio, project, film)
    path = taken_in(draft, value)
    return stamp(draft.change(lambda board: edit.changed(board, scene, picture=path)))


def order(studio: Studio, name: str, page: Page, project: str, film: str | None, scene: str) -> Any:
    """Moves, parts, joins, copies or removes the scene; gives the stamp and the scene to go on with."""
    draft, new = draft_of(studio, project, film), scene

    def change(board: Storyboard) -> Storyboard:
        nonlocal new
        if name in ("earlier", "later"):
            return edit.moved(board, scene, 1 if name == "later" else -1)
        if name == "join":
            return edit.joined(board, scene)
        if name == "remove":
            at = edit.place(board, scene)
            after = edit.removed(board, scene)
            new = after.scenes[min(at, len(after.scenes) - 1)].id
            return after
        after, new = (edit.split if name == "split" else edit.copied)(board, scene)
        return after

    after = stamp(draft.change(change))
    return after, after, new


def work(studio: Studio, do: str, page: Page, project: str, film: str | None, scene: str) -> str:
    """Starts a job on the scene; asked again for pictures or words, it offers others."""
    draft = draft_of(studio, project, film)
    newest = studio.runner.newest("scene")
    turn = 0 if newest is None else newest.number
    settings = SceneSettings(storyboard=draft.file, scene=scene, do=do, seed=turn)
    return queue.submit(studio, "scene", page.say("Scene of {film}", film=draft.folder.name), settings)
