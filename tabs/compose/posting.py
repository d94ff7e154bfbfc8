"""What comes after a finished video: what should be mended, its cover, its words, and a zip with all of it.

What was found stands in the video's report, what is chosen in its storyboard; each is read from the folder
when it is shown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt
from core.settings.post import PostSettings
from core.video.places import Places
from core.video.post.finding import Finding
from core.video.storyboard.board import Storyboard
from tabs.compose.film import Board, stamp
from tabs.compose.videos import Chosen
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, heading, left, unseen
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

MOST = 8  # findings that are shown
COVER = ("cover_scene", "cover_second", "cover_words")
WORDS = ("title", "description", "hashtags")
# Shows a part of the page once it is there: Gradio makes a hidden one when it is first shown.
GO_TO = """(place) => {
  const look = (left) => {
    const part = document.getElementById(place.split(" ")[0]);
    if (part && part.offsetParent) part.scrollIntoView({behavior: "smooth"});
    else if (left) setTimeout(look, 250, left - 1);
  };
  setTimeout(look, 250, 40);
}"""
_turn = itertools.count()


@dataclass(frozen=True)
class Card:
    """The card's parts: a line and a button for each finding, what is chosen, what it makes."""

    card: gr.Column
    said: gr.HTML
    rows: list[gr.Row]
    lines: list[gr.HTML]
    buttons: list[gr.Button]
    boxes: dict[str, Any]
    note: gr.HTML
    write: gr.Button
    panel: jobs_panel.Panel
    pack: gr.Button
    zipped: gr.DownloadButton
    goal: gr.Textbox

    @property
    def found(self) -> list[Any]:
        """All that shows findings, in the order of `found`."""
        parts = [part for row in zip(self.rows, self.lines, self.buttons, strict=True) for part in row]
        return [self.card, self.said, *parts]


def build(studio: Studio, frame: Frame) -> Card:
    """The card below the newest video; hidden until there is one."""
    with gr.Column(elem_classes="st-card", visible=False, elem_id="ready-to-post") as card:
        heading("Ready to post", "What to mend first; then the cover, the words, and all of it in one file.")
        said = gr.HTML(elem_id="post-said")
        rows, lines, buttons = [], [], []
        for number in range(MOST):
            with gr.Row(visible=False, elem_classes="st-finding") as row:
                lines.append(gr.HTML(elem_classes="st-found"))
                buttons.append(gr.Button("", size="sm", min_width=150, elem_id=f"mend-{number}"))
            rows.append(row)
        boxes = cover_boxes()
        with gr.Accordion(
            static("Title, text and hashtags"), open=False, elem_id="post-words", elem_classes="st-details"
        ):
            boxes |= {
                "title": gr.Textbox(label=static("Title"), max_length=200, elem_id="post-title"),
                "description": gr.Textbox(
                    label=static("Text"), max_length=5000, lines=3, elem_id="post-description"
                ),
                "hashtags": gr.Textbox(label=static("Hashtags"), max_length=600, elem_id="post-hashtags"),
            }
            note = gr.HTML(elem_id="post-note")
            write = gr.Button(static("Have the language model write them"), size="sm", elem_id="post-write")
            panel = jobs_panel.build(
                studio,
                frame,
                "post",
                "Made of the film's own words",
                "A language model of 1 B and more can write them anew.",
            )
        with gr.Row(elem_classes="st-actions st-wrap"):
            pack = gr.Button(static("Pack all of it"), variant="primary", elem_id="post-pack")
            zipped = gr.DownloadButton(static("Download the zip"), visible=False, elem_id="post-zip")
        goal = unseen()
    return Card(card, said, rows, lines, buttons, boxes, note, write, panel, pack, zipped, goal)


def cover_boxes() -> dict[str, Any]:
    """Which picture the cover shows, and its words; folded away."""
    with (
        gr.Accordion(static("Cover"), open=False, elem_id="post-cover", elem_classes="st-details"),
        gr.Row(elem_classes="st-pair"),
    ):
        scene = chooser("Its picture", [], None, "cover-scene")
        second = gr.Textbox(
            label=static("Or a second of the video"),
            info=static("Empty: the scene's picture."),
            elem_id="cover-second",
        )
        words = gr.Textbox(
            label=static("Its words"),
            info=static("Empty: the film's title. A dash: none."),
            max_length=300,
            elem_id="cover-words",
        )
    return {"cover_scene": scene, "cover_second": second, "cover_words": words}


def wire(studio: Studio, frame: Frame, card: Card, shown: Chosen, board: Board) -> None:
    """Fills the card for the chosen video, and carries out what is asked for."""
    here = {"project": frame.project, "path": shown.chosen}
    arrivals = [shown.chosen.change, *frame.after("compose", "post")]
    boxes = [*card.boxes.values(), card.note, card.zipped]
    watch(studio, arrivals, partial(whole, studio), inputs=here, outputs=[*card.found, *boxes])
    watch(studio, [board.turned.change], partial(filled, studio), inputs=here, outputs=boxes)
    for number, button in enumerate(card.buttons):
        goes = [board.film, board.scene, board.changed, board.turned, card.goal]
        connect(studio, [button.click], partial(mend, studio, number), inputs=here, outputs=goes)
    card.goal.change(None, [card.goal], js=GO_TO, api_visibility="private")
    for name, box in card.boxes.items():
        outputs: list[Any] = [board.changed, card.note, card.zipped]
        outputs += [shown.cover, shown.picture] if name in COVER else []
        kept = partial(keep, studio, name)
        connect(studio, [left(box)], kept, inputs=here | {"value": box}, outputs=outputs)
    connect(studio, [card.write.click], partial(write, studio), inputs=here, outputs=[frame.news])
    connect(studio, [card.pack.click], partial(pack, studio), inputs=here, outputs=[card.zipped])


def places_of(studio: Studio, project: str, path: str | None) -> Places:
    """A video of the project, and what belongs to it. Raises Mistake for one that isn't there."""
    video = next((one for one in studio.open(project).videos() if str(one) == path), None)
    if video is None:
        raise Mistake("This video is no longer there; choose another one.")
    return Places(video)


def whole(studio: Studio, page: Page, project: str, path: str | None) -> list[Any]:
    """All of the card, for another video."""
    return [*found(studio, page, project, path), *filled(studio, page, project, path)]


def found(studio: Studio, page: Page, project: str, path: str | None) -> list[Any]:
    """Whether the card shows, and what was found in the video, each with its button."""
    from core.video import posting

    places = attempt(lambda: places_of(studio, project, path))
    if isinstance(places, Mistake):
        return [gr.update(visible=False), *(gr.skip() for _ in range(1 + 3 * MOST))]
    told = posting.read_findings(places)
    parts: list[Any] = []
    for number in range(MOST):
        parts += shown_row(page, told[number] if number < len(told) else None)
    return [gr.update(visible=True), summary(page, places, told), *parts]


def shown_row(page: Page, one: Finding | None) -> list[Any]:
    """Values of a finding's row, its line and its button; hidden where there is none."""
    if one is None:
        return [gr.update(visible=False), "", gr.skip()]
    said = f"<p class='st-plan'>{escape(page.sentence(one.what))}</p>"
    return [gr.update(visible=True), said, gr.update(value=page.sentence(one.action.text))]


def summary(page: Page, places: Places, told: list[Finding]) -> str:
    """How much was found; that it was never looked for is told apart from that there is nothing."""
    from core.video import posting

    report = attempt(lambda: posting.read_report(places))
    if isinstance(report, Mistake) or report.get("findings") is None:
        said = page.say("This video was not looked through; make it again for that.")
    elif not told:
        said = page.say("Looked through and listened to: nothing to mend.")
    elif len(told) > MOST:
        said = page.say("{count} things to mend; the first {most}:", count=len(told), most=MOST)
    else:
        said = page.say("Things to mend before it is posted: {count}", count=len(told))
    return f"<p>{escape(said)}</p>"


def filled(studio: Studio, page: Page, project: str, path: str | None) -> list[Any]:
    """Values of the boxes, what is too long for a platform, and no zip of before."""
    from core.video import posting
    from core.video.post import wording

    board = attempt(lambda: posting.board_of(places_of(studio, project, path)))
    if isinstance(board, Mistake):
        return [gr.skip() for _ in range(len(COVER) + len(WORDS) + 2)]
    post, words = board.post, wording.words(board)
    scenes = [
        (f"{at} · {scene.say or scene.draw}"[:60], scene.id) for at, scene in enumerate(board.scenes, 1)
    ]
    known = post.cover_scene if post.cover_scene in {name for _, name in scenes} else scenes[0][1]
    second = "" if post.cover_second is None else f"{post.cover_second:g}"
    cover = [gr.update(choices=scenes, value=known), second, post.cover_words]
    tags = " ".join(f"#{tag}" for tag in words.hashtags)
    return [*cover, words.title, words.description, tags, note(page, board), gr.update(visible=False)]


def note(page: Page, board: Storyboard) -> str:
    """What of the words some platform doesn't take."""
    from core.video.post import wording

    told = wording.too_long(board)
    return "".join(f"<p class='st-note'>{escape(page.sentence(one))}</p>" for one in told)


def mend(studio: Studio, number: int, page: Page, project: str, path: str | None) -> list[Any]:
    """Carries out a finding's action: the film and scene to show then, and where to look."""
    from core.video import posting

    places = places_of(studio, project, path)
    told = posting.read_findings(places)
    if number >= len(told):
        raise Mistake("This video is no longer there; choose another one.")
    action = told[number].action
    board = posting.mended(places, action)
    mark = stamp(board)
    if action.changes:
        page.note("Changed in the storyboard; press Make video of this for a new video.")
    place = "scene-editor" if action.scene else "board"
    turn = mark if action.changes else gr.skip()
    return [
        str(places.video.parent),
        action.scene or gr.skip(),
        mark,
        turn,
        f"{place} {next(_turn)}",
    ]


def keep(studio: Studio, name: str, page: Page, project: str, path: str | None, value: Any) -> list[Any]:
    """Puts a box into the storyboard's post; the cover and the words beside the video are made anew."""
    from core.video import posting

    places = places_of(studio, project, path)
    board = posting.chosen(places, name, value)
    shown = [stamp(board), note(page, board), gr.update(visible=False)]
    if name not in COVER:
        return shown
    cover = places.beside("cover.png")
    return [*shown, cover, gr.update(value=str(cover))]


def write(studio: Studio, page: Page, project: str, path: str | None) -> str:
    """Has the language model write the words, as a job."""
    places = places_of(studio, project, path)
    settings = PostSettings(video=places.video, write=True)
    return queue.submit(studio, "post", page.say("Post of {film}", film=places.video.parent.name), settings)


def pack(studio: Studio, page: Page, project: str, path: str | None) -> Any:
    """Makes the zip and offers it."""
    from core.video import posting

    places = places_of(studio, project, path)
    made: Path = posting.packed(places)
    page.note("The zip is ready: {name}", name=made.name)
    return gr.update(value=str(made), visible=True)
