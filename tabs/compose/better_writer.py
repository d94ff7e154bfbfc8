"""The better writer in Compose: a button that fetches it as a job, beside the box that lists it then."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.bases.fetching import WRITER
from core.messages import Mistake
from core.settings.getting import GetSettings
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell import base_model_box
from tabs.shell.header import Frame
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

ABOUT = "Writes storyboards of any subject, in English and Chinese. It is fetched once."


def build(studio: Studio, frame: Frame, chosen: gr.Dropdown) -> jobs_panel.Panel:
    """The button and the job's panel; `chosen` is the box of language models. Only at the machine itself."""
    with gr.Column(visible=not (studio.login or there(studio)), elem_classes="st-better") as card:
        with gr.Row(elem_classes="st-actions st-wrap"):
            start = gr.Button(static("Get a better writer (1.1 GB)"), size="sm", elem_id="get-writer")
        gr.HTML(f"<p>{static(ABOUT)}</p>")
        panel = jobs_panel.build(
            studio,
            frame,
            "get",
            "A better writer",
            ABOUT,
        )

    def fetch(page: Page) -> str:
        if studio.login:
            raise Mistake("Only who sits at the machine can fetch models; there run: studio.py get writer")
        return queue.submit(studio, "get", page.say("A better writer"), GetSettings(what="writer"))

    def listed(page: Page) -> Any:
        models = base_model_box.base_models(studio, "text", auto=True)
        return [gr.update(choices=models), gr.update(visible=not (studio.login or there(studio)))]

    connect(studio, [start.click], fetch, outputs=[frame.news])
    watch(studio, frame.after("get"), listed, outputs=[chosen, card])
    return panel


def there(studio: Studio) -> bool:
    """Whether it was fetched already."""
    return WRITER.path(studio.home).is_file()
