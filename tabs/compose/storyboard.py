"""A film's storyboard as cards: choose a film, see its scenes, take steps back, make the video of it.

What is shown is read from the film's folder at every change, by whichever page; one scene is worked on in
tabs/compose/scene.
"""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import gradio as gr

from core.messages import Mistake, Sentence, attempt, called
from core.settings.style import styled
from core.settings.video import ComposeSettings, FilmSettings, SceneSettings
from core.video.storyboard import edit
from core.video.storyboard.board import Storyboard
from core.video.storyboard.draft import Draft
from tabs.compose import craft, lora_box, styles, subject, videos, voice_box
from tabs.compose.film import Board, draft_of, fitting, stamp
from tabs.compose.lora_box import specs_of
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, choosing, field, heading, left, unseen
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

FILM = ("seed", "steps", "guidance", "takes", "fps", "ai_label", *craft.NAMES)
BUTTONS = {
    "undo": "Undo",
    "redo": "Redo",
    "add-scene": "Add a scene",
    "write-all": "Write all words anew",
    "draw-all": "Draw the pictures",
}
DOUBTS = {"dark": "nearly black", "flat": "empty", "other": "shows something else"}


def build(studio: Studio, frame: Frame) -> Board:
    """The card with the film's scenes; hidden until there is a film."""
    with gr.Column(elem_classes="st-card", visible=False, elem_id="board") as card:
        with gr.Row(elem_classes="st-boardhead"):
            heading("Storyboard", "Change any scene, then make the video; only what changed is done anew.")
            film = chooser("Film", [], None, "film-choice")
        note = gr.HTML(elem_id="board-note")
        strip = gr.Gallery(
            show_label=False,
            label=static("Scenes"),
            elem_id="scenes",
            columns=6,
            rows=1,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
        )
        with gr.Row(elem_classes="st-actions st-wrap"):
            buttons = {
                name: gr.Button(static(text), size="sm", elem_id=name) for name, text in BUTTONS.items()
            }
            file = gr.DownloadButton(static("Storyboard file"), size="sm", elem_id="board-file")
            make = gr.Button(static("Make video of this"), variant="primary", size="sm", elem_id="film-board")
        scene, changed, turned = (unseen() for _ in range(3))
        subjects = subject.build()
        boxes, dress, seen = how_filmed()
        open_fold = unseen()
    board = Board(film, scene, strip, changed, turned)
    subject.wire(studio, frame, board, subjects)
    listed(studio, frame, card, board)
    here = {"project": frame.project, "film": film}
    news = [film.change, changed.change, *frame.after("scene", "compose", "script")]
    cards = [strip, note, buttons["undo"], buttons["redo"], file]
    watch(studio, news, partial(shown, studio), inputs=here, outputs=cards)
    turns = [film.change, turned.change]
    watch(studio, turns, partial(filmed, studio), inputs=here, outputs=list(boxes.values()))
    newer = partial(looks, studio)
    watch(studio, frame.after("image"), newer, inputs={"project": frame.project}, outputs=[boxes["lora"]])
    looked = {**here, "scene": scene, "unfolded": open_fold}
    for event, said in ((dress.expand, "yes"), (dress.collapse, "")):
        watch(studio, [event], lambda page, said=said: said, outputs=[open_fold])
    dressing = [open_fold.change, film.change, changed.change, scene.change]
    watch(studio, dressing, partial(craft.seen, studio), inputs=looked, outputs=[seen])
    steps(studio, board, here, buttons)
    keeping(studio, here, boxes, changed)
    for name, do in (("write-all", "write"), ("draw-all", "draw")):
        asked = partial(work, studio, do)
        connect(studio, [buttons[name].click], asked, inputs=here, outputs=[frame.news])
    connect(studio, [make.click], partial(film_it, studio), inputs=here, outputs=[frame.news])
    return board


def work(studio: Studio, do: str, page: Page, project: str, film: str | None) -> str:
    """Starts a job on all scenes that are not locked."""
    draft = draft_of(studio, project, film)
    return queue.submit(studio, "scene", draft.folder.name, SceneSettings(storyboard=draft.file, do=do))


def film_it(studio: Studio, page: Page, project: str, film: str | None) -> str:
    """Starts the video of the storyboard."""
    draft = draft_of(studio, project, film)
    settings = ComposeSettings(storyboard=draft.file, output=draft.folder / "video.mp4")
    return queue.submit(studio, "compose", draft.read().topic or draft.folder.name, settings)


def keeping(studio: Studio, here: dict[str, Any], boxes: dict[str, Any], changed: gr.Textbox) -> None:
    """Each setting of the film is kept when its box is left or chosen."""
    loras = {name: boxes[name] for name in ("lora", "weight")}
    for name in boxes.keys() - loras.keys():
        box = {"value": boxes[name]}
        events = craft.changes(boxes[name]) or [left(boxes[name])]
        connect(studio, events, partial(keep, studio, name), inputs=here | box, outputs=[changed])
    moved = [loras["lora"].input, loras["weight"].release]
    connect(studio, moved, partial(keep_loras, studio), inputs=here | loras, outputs=[changed])


def how_filmed() -> tuple[dict[str, Any], gr.Accordion, gr.Image]:
    """Settings of the whole film, folded away; the fold of how it is dressed, and what shows that."""
    looks = [(one.title.get("en", one.name), one.name) for one in styles.all_styles()]
    with gr.Accordion(
        static("The whole film"), open=False, elem_id="film-details", elem_classes="st-details"
    ):
        boxes: dict[str, Any] = {
            "topic": gr.Textbox(label=static("Title"), max_length=300, elem_id="film-title"),
            "style": chooser("Style", looks, None, "film-style"),
            "size": chooser("Format", list(videos.SIZES), None, "film-size"),
            "pause": field(Storyboard, "pause"),
            "voice": chooser("Voice", voice_box.choices(Page("en")), None, "film-voice"),
            "lora": lora_box.several("film-lora", "None: the style's own."),
            "weight": lora_box.weight("film-weight"),
            **{name: field(FilmSettings, name) for name in FILM if name not in craft.NAMES},
        }
    with craft.fold("film") as dress:
        seen = gr.Image(
            show_label=False, interactive=False, buttons=[], height=420, elem_id="dressed", container=False
        )
        boxes |= craft.build("film")
    return boxes, dress, seen


def listed(studio: Studio, frame: Frame, card: gr.Column, board: Board) -> None:
    """Keeps the list of films; a film that has just been written or made is chosen."""

    def films(page: Page, project: str) -> Any:
        made = studio.open(project).films()
        choices = [(path.name, str(path)) for path in made]
        return gr.update(choices=choices, value=choices[0][1] if made else None), gr.update(
            visible=bool(made)
        )

    arrivals = [*frame.arrivals, *frame.after("compose", "script")]
    watch(studio, arrivals, films, inputs={"project": frame.project}, outputs=[board.film, card])


def shown(studio: Studio, page: Page, project: str, film: str | None) -> list[Any]:
    """Values for the strip, the note, Undo and Redo, and the file to download."""
    from core.video import scene as scenes
    from core.video import titling

    def look() -> tuple[Draft, Storyboard, list[Any], float]:
        draft = draft_of(studio, project, film)
        board = draft.read()
        return draft, board, scenes.seen(draft, board), sum(titling.seconds(board, styled(board.film)))

    found = attempt(look)
    if isinstance(found, Mistake):
        said = f"<p class='st-note'>{escape(page.sentence(found))}</p>" if film else ""
        return [[], said, gr.skip(), gr.skip(), gr.skip()]
    draft, board, seen, cards = found
    blank = scenes.undrawn(board)
    strip = [
        (str(one.picture) if one.picture else blank, caption(page, at, one)) for at, one in enumerate(seen, 1)
    ]
    undo, redo = draft.steps()
    taken = queue.film_time(lambda folder: ComposeSettings(storyboard=draft.file))
    steps = [gr.update(interactive=undo), gr.update(interactive=redo)]
    return [strip, note(page, seen, taken, cards), *steps, gr.update(value=str(draft.file))]


def filmed(studio: Studio, page: Page, project: str, film: str | None) -> list[Any]:
    """The settings of the film, as their boxes hold them."""
    board = attempt(lambda: draft_of(studio, project, film).read())
    if isinstance(board, Mistake):
        return [gr.skip() for _ in range(7 + len(FILM))]
    how = board.film
    size = next((name for name, one in videos.SIZES.items() if one == (how.width, how.height)), None)
    style = choosing(
        how.style, [(one.title.get(page.language, one.name), one.name) for one in styles.all_styles()]
    )
    voice = choosing(how.voice, voice_box.choices(page))
    fixed = [board.topic, style, size, board.pause, voice, *lora_box.chosen(studio.open(project), how.lora)]
    return [*fixed, *(craft.held(how, name) for name in FILM)]


def looks(studio: Studio, page: Page, project: str) -> Any:
    """Image LoRAs to choose from, where new ones have come; what is chosen stays."""
    return gr.update(choices=lora_box.looks(studio.open(project)))


def caption(page: Page, number: int, one: Any) -> str:
    """What stands below a scene's picture: its number and length, and what there is to know of it."""
    said = [f"{number} · {one.seconds:.1f} s"]
    said += [page.say("locked")] if one.scene.lock else []
    said += [page.say(DOUBTS[one.doubt])] if one.doubt in DOUBTS else []
    said += [page.say("missing")] if one.wrong else []
    return " · ".join(said)


def note(page: Page, seen: list[Any], taken: Sentence | Mistake, cards: float = 0.0) -> str:
    """How long the film is, what is still to be drawn and how long that takes, and what is missing for it.

    cards: seconds of those before and after the scenes.
    """
    seconds = sum(one.seconds for one in seen) + cards
    undrawn = sum(one.undrawn for one in seen)
    said: list[Sentence | Mistake]
    said = [Sentence("{count} scenes, about {seconds} s", count=len(seen), seconds=f"{seconds:.0f}")]
    if undrawn:
        said += [Sentence("pictures to be drawn: {count}", count=undrawn), taken]
    text = f"<p class='st-plan'>{escape(' · '.join(map(page.sentence, said)))}</p>"
    return text + "".join(f"<p class='st-note'>{escape(page.sentence(one))}</p>" for one in missing(seen))


def missing(seen: list[Any]) -> list[Sentence]:
    """Why scenes can't be shown or drawn, each reason once with the scenes it holds for."""
    reasons: dict[str, tuple[Mistake, list[str]]] = {}
    for number, one in enumerate(seen, 1):
        if one.wrong:
            problem = called(one.wrong, one.scene.picture)
            reasons.setdefault(str(problem), (problem, []))[1].append(str(number))
    return [
        Sentence("Scene {numbers}: {problem}", numbers=", ".join(numbers), problem=problem)
        for problem, numbers in reasons.values()
    ]


def steps(studio: Studio, board: Board, here: dict[str, Any], buttons: dict[str, gr.Button]) -> None:
    """Undo, redo, and a new scene behind the one that is worked on."""

    def step(page: Page, project: str, film: str | None, which: str) -> Any:
        return [stamp(getattr(draft_of(studio, project, film), which)())] * 2

    outputs = [board.changed, board.turned]
    for which in ("undo", "redo"):
        connect(studio, [buttons[which].click], partial(step, which=which), inputs=here, outputs=outputs)

    def insert(page: Page, project: str, film: str | None, scene: str) -> Any:
        made: list[str] = []

        def change(board: Storyboard) -> Storyboard:
            known = {one.id for one in board.scenes}
            after, new = edit.added(board, scene if scene in known else None)
            made.append(new)
            return after

        return stamp(draft_of(studio, project, film).change(change)), made[0]

    inputs = here | {"scene": board.scene}
    clicked = buttons["add-scene"].click
    connect(studio, [clicked], insert, inputs=inputs, outputs=[board.changed, board.scene])


def keep(studio: Studio, name: str, page: Page, project: str, film: str | None, value: Any) -> str:
    """Puts one setting of the film into its storyboard."""

    def change(board: Storyboard) -> Storyboard:
        if name == "size":
            width, height = videos.SIZES[value]
            return edit.filmed(board, width=width, height=height)
        if name in ("topic", "pause"):
            return edit.named(board, **{name: value})
        return edit.filmed(board, **{name: value})

    if name in craft.FILES:
        value = craft.taken_in(name, value, draft_of(studio, project, film).folder)
    return stamp(draft_of(studio, project, film).change(change))


def keep_loras(studio: Studio, page: Page, project: str, film: str | None, lora: Any, weight: float) -> str:
    """Puts the film's image LoRAs into its storyboard, all with one weight."""
    fitting(draft_of(studio, project, film).read(), lora or ())
    return keep(studio, "lora", page, project, film, specs_of(lora, weight))
