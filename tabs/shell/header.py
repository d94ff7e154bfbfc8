"""What stands around the tabs: the name, the project chooser, the language and the light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.project import safe_name
from tabs.shell.widgets import unseen
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

MARK = (
    "<svg class='st-mark' viewBox='0 0 48 48' aria-hidden='true'>"
    "<rect x='3' y='3' width='42' height='42' rx='10'/>"
    "<path d='M13 33c6-1 9-6 10-13 .6-4 4-6 7-4 3 2 2 6-1 7-5 2-8 1-11 6'/><path d='M18 35h17'/></svg>"
)


@dataclass(frozen=True)
class Frame:
    """What a tab needs of its surroundings.

    `project` is the chosen project's name, `arrivals` fire when a page or another project opens, `shown` when
    this tab is turned to, `ended[kind]` changes when a job of that kind has ended, or when what it makes came
    into the library in another way. `news` changes when a job was started or has got on; who starts one gives
    it the job's id, so that its panel shows it at once.
    """

    project: gr.Dropdown
    arrivals: tuple[Any, ...]
    shown: tuple[Any, ...]
    ended: dict[str, gr.State]
    news: gr.Textbox

    def after(self, *kinds: str) -> tuple[Any, ...]:
        """Fires when a job of one of the kinds has ended, or something of its kind was added."""
        return tuple(self.ended[kind].change for kind in kinds)


def build(studio: Studio, page: gr.Blocks, kinds: Iterable[str]) -> Frame:
    """The header; returns what the tabs listen to. `kinds` are those of the window's jobs."""
    with gr.Row(elem_classes="st-header"):
        gr.HTML(
            f"<div class='st-brand'>{MARK}<div><h1>LoRA Studio</h1>"
            f"<p>{static('Your pictures and your words, made into short videos')}</p></div></div>",
            elem_classes="st-brandbox",
        )
        with gr.Row(elem_classes="st-tools"):
            project = gr.Dropdown(
                studio.project_names(),
                value=studio.project.name,
                label=static("Project"),
                elem_id="project",
                elem_classes="st-project",
                filterable=False,
                min_width=150,
            )
            new = gr.Button(static("New project"), size="sm", elem_id="new-project", min_width=90)
            language = gr.Button("中文 / EN", size="sm", elem_id="language", min_width=70)
            light = gr.Button(static("Light / dark"), size="sm", elem_id="light", min_width=70)
    with gr.Row(visible=False, elem_classes="st-card st-new") as form:
        name = gr.Textbox(
            label=static("Name of the new project"),
            max_length=60,
            elem_id="project-name",
            scale=3,
            info=static("Letters and digits of any language."),
        )
        make = gr.Button(static("Make project"), variant="primary", elem_id="make-project", scale=1)
    last = gr.BrowserState("", storage_key="studio-project", secret="studio")
    ended = {kind: gr.State("") for kind in kinds}
    frame = Frame(project, (page.load, project.change), (), ended, news=unseen())

    def arrive(page: Page, last: str) -> Any:
        names = studio.project_names()
        return gr.update(choices=names, value=last if last in names else studio.project.name)

    def open_new(page: Page, name: str) -> Any:
        made = studio.home.project(safe_name(name))
        page.note("The project {name} is open; drop pictures or texts into it.", name=made.name)
        return gr.update(choices=studio.project_names(), value=made.name), gr.update(visible=False), ""

    watch(studio, [page.load], arrive, inputs={"last": last}, outputs=[project])
    watch(
        studio,
        [project.input, project.change],
        lambda page, name: name,
        inputs={"name": project},
        outputs=[last],
    )
    watch(studio, [new.click], lambda page: gr.update(visible=True), outputs=[form])
    connect(studio, [make.click, name.submit], open_new, inputs={"name": name}, outputs=[project, form, name])
    language.click(None, js="() => window.studio.language()")
    light.click(None, js="() => window.studio.light()")
    return frame
