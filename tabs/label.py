"""Label: the project's pictures, their captions, and the button that writes captions by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from core.demo import TRIGGER
from core.jobs import Mistake
from core.settings import LabelSettings, make
from tabs import jobpanel, pictures, work
from tabs.frame import Frame
from tabs.widgets import field, heading
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static

TOASTS = 3


def build(studio: Studio, frame: Frame) -> list[jobpanel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
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
                tags = field(LabelSettings, "tags")
                threshold = field(LabelSettings, "threshold")
        with gr.Column(scale=6):
            panel = jobpanel.build(
                studio,
                frame,
                "label",
                "Ready to label",
                "Press Label pictures: the studio looks at each picture and writes what it sees.",
                "Next: train the image LoRA",
            )
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

    def show(page: Page, project: str, refused: Sequence[Mistake] = ()) -> Any:
        mine = studio.open(project)
        headers = [page.say("Picture"), page.say("Caption")]
        told = reasons(page, [*refused, *pictures.left_out(mine)])
        return pictures.gallery(mine), {"headers": headers, "data": pictures.table(mine)}, "", told

    def word(page: Page, project: str) -> str:
        return pictures.trigger(studio.open(project)) or (TRIGGER if project == studio.project.name else "")

    def add(page: Page, project: str, files: list[str]) -> Any:
        done = pictures.add(studio.open(project), files or [])
        if done.added or done.known:
            page.note("{added} added, {known} known already", added=len(done.added), known=len(done.known))
        refused = [one.reason for one in done.set_aside]
        for reason in refused[:TOASTS]:
            page.warn(reason)
        return None, *show(page, project, refused)

    def save(page: Page, project: str, rows: list[list[str]]) -> str:
        count = pictures.save(studio.open(project), rows)
        return page.say("{count} captions saved at {time}", count=count, time=time.strftime("%H:%M:%S"))

    def label(page: Page, project: str, **chosen: Any) -> str:
        folder = studio.open(project).images()
        settings = make(LabelSettings, {"pictures": folder, **chosen}, page.say("Details"))
        return work.submit(studio, "label", page.say("Labelling {project}", project=project), settings)

    here = {"project": frame.project}
    shown = [grid, table, saved, left_out]
    watch(studio, [*frame.arrivals, *frame.after("label")], show, inputs=here, outputs=shown)
    watch(studio, frame.arrivals, word, inputs=here, outputs=[trigger])
    connect(studio, [drop.upload], add, inputs=here | {"files": drop}, outputs=[drop, *shown])
    watch(studio, [table.input], save, inputs=here | {"rows": table}, outputs=[saved])
    chosen = {"trigger": trigger, "tags": tags, "threshold": threshold}
    connect(studio, [start.click, trigger.submit], label, inputs=here | chosen, outputs=[frame.news])
    return [panel]


def reasons(page: Page, refused: Sequence[Mistake]) -> str:
    """All files that were left out, each with its reason; nothing where there are none."""
    lines = "".join(f"<li>{escape(page.sentence(reason))}</li>" for reason in refused)
    return f"<div class='st-left-out'>{page.say('Left out')}<ul>{lines}</ul></div>" if lines else ""
