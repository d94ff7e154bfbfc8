"""Label: the project's pictures, their captions, and the button that writes captions by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from core.demo import TRIGGER
from core.images import project_set as picture_set
from core.messages import Mistake
from core.project import Project
from core.settings.data import LabelSettings
from core.settings.reading import make
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import field, fields, heading
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

TOASTS = 3


@dataclass(frozen=True)
class Pictures:
    """The card of the pictures: the grid, where more are dropped, and how they are labelled."""

    grid: gr.Gallery
    drop: gr.File
    left_out: gr.HTML
    chosen: dict[str, Any]
    start: gr.Button


@dataclass(frozen=True)
class Captions:
    """The card of the captions: the table in which they are changed."""

    table: gr.Dataframe
    saved: gr.HTML
    undo: gr.Button


def build(studio: Studio, frame: Frame) -> list[jobs_panel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        pictures = pictures_card()
        with gr.Column(scale=6):
            panel = jobs_panel.build(
                studio,
                frame,
                "label",
                "Ready to label",
                "Press Label pictures: the studio looks at each picture and writes what it sees.",
                "Next: train the image LoRA",
            )
            captions = captions_card()

    def show(page: Page, project: str, refused: Sequence[Mistake] = ()) -> Any:
        return contents(page, studio.open(project), refused)

    def word(page: Page, project: str) -> str:
        return picture_set.trigger(studio.open(project)) or (
            TRIGGER if project == studio.project.name else ""
        )

    def add(page: Page, project: str, files: list[str]) -> Any:
        return None, *show(page, project, added(page, studio.open(project), files or []))

    def save(page: Page, project: str, rows: list[list[str]]) -> str:
        count = picture_set.save(studio.open(project), rows)
        return page.say("{count} captions saved at {time}", count=count, time=time.strftime("%H:%M:%S"))

    def back(page: Page, project: str) -> Any:
        picture_set.undo(studio.open(project))
        return show(page, project)

    def label(page: Page, project: str, **chosen: Any) -> str:
        folder = studio.open(project).images()
        settings = make(LabelSettings, {"pictures": folder, **chosen}, page.say("Details"))
        return queue.submit(studio, "label", page.say("Labelling {project}", project=project), settings)

    here, trigger = {"project": frame.project}, pictures.chosen["trigger"]
    table, saved, drop = captions.table, captions.saved, pictures.drop
    shown = [pictures.grid, table, saved, pictures.left_out]
    watch(studio, [*frame.arrivals, *frame.after("label")], show, inputs=here, outputs=shown)
    watch(studio, frame.arrivals, word, inputs=here, outputs=[trigger])
    connect(studio, [drop.upload], add, inputs=here | {"files": drop}, outputs=[drop, *shown])
    connect(studio, [captions.undo.click], back, inputs=here, outputs=shown)
    watch(studio, [table.input], save, inputs=here | {"rows": table}, outputs=[saved])
    starts = [pictures.start.click, trigger.submit]
    connect(studio, starts, label, inputs=here | pictures.chosen, outputs=[frame.news])
    return [panel]


def pictures_card() -> Pictures:
    """Where pictures come in and are labelled."""
    with gr.Column(scale=5, elem_classes="st-card"):
        heading("Your pictures", "Twenty to forty pictures in one style are enough to learn it.")
        grid = gr.Gallery(
            columns=5,
            height=300,
            show_label=False,
            object_fit="cover",
            buttons=[],
            interactive=False,
            elem_id="pictures",
        )
        drop = gr.File(
            label=static("Drop your own pictures here"),
            file_count="multiple",
            height=96,
            elem_classes="st-drop",
            elem_id="drop-pictures",
        )
        left_out = gr.HTML()
        trigger = field(LabelSettings, "trigger", label=static("Trigger word"), elem_id="trigger")
        start = gr.Button(static("Label pictures"), variant="primary", size="lg", elem_id="start-label")
        with gr.Accordion(static("Details"), open=False):
            fine = fields(LabelSettings, "tags", "threshold")
    return Pictures(grid, drop, left_out, {"trigger": trigger, **fine}, start)


def captions_card() -> Captions:
    """Where captions are read and changed."""
    with gr.Column(elem_classes="st-card"):
        heading(
            "Captions",
            "Click a caption to change it. Changes are saved at once, older ones are kept.",
        )
        table = gr.Dataframe(
            headers=["", ""],
            column_count=2,
            type="array",
            static_columns=[0],
            show_label=False,
            column_widths=["32%", "68%"],
            wrap=True,
            max_height=360,
            buttons=[],
            interactive=True,
            elem_id="captions",
        )
        saved = gr.HTML(elem_classes="st-saved")
        undo = gr.Button(static("Undo"), elem_id="undo-captions")
    return Captions(table, saved, undo)


def added(page: Page, project: Project, files: Sequence[str]) -> list[Mistake]:
    """Adds files to the project's pictures and tells what came of it; returns why some were left out."""
    done = picture_set.add(project, files)
    if done.added or done.known:
        page.note("{added} added, {known} known already", added=len(done.added), known=len(done.known))
    refused = [one.reason for one in done.set_aside]
    for reason in refused[:TOASTS]:
        page.warn(reason)
    return refused


def contents(page: Page, project: Project, refused: Sequence[Mistake]) -> tuple[Any, ...]:
    """Values for grid, table, what was saved, and the files left out."""
    headers = [page.say("Picture"), page.say("Caption")]
    notes = reasons(page, [*refused, *picture_set.left_out(project)])
    return picture_set.gallery(project), {"headers": headers, "data": picture_set.table(project)}, "", notes


def reasons(page: Page, refused: Sequence[Mistake]) -> str:
    """All files that were left out, each with its reason; nothing where there are none."""
    lines = "".join(f"<li>{escape(page.sentence(reason))}</li>" for reason in refused)
    return f"<div class='st-left-out'>{page.say('Left out')}<ul>{lines}</ul></div>" if lines else ""
