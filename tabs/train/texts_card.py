"""The texts of the Text LoRA tab: dropped or pasted, cleaned by choice, told about, edited in a table.

Every change is saved at once and can be taken back, step by step. Knows nothing about training but the
settings that the report depends on.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from core.settings.data import TextCleaning, TopicsSettings
from core.settings.reading import make
from core.settings.training import TextTraining
from core.texts import editing
from core.texts import project_set as text_set
from core.texts.importing import KNOWN
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import field, fields, heading
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static
from tabs.train.form import Controls

COLUMNS = {
    "narration": ("Topic", "Narration"),
    "pitch": ("Product and points", "Pitch"),
    "talk": ("Question", "Answer"),
    "continue": ("Topic", "Text"),
}
MENDS = {
    "twins": "Remove near-duplicates",
    "repeated": "Remove these lines",
    "personal": "Mask personal data",
}  # what is found in texts, and what mends it
REPORTED = ("base_model", "holdout", "max_length")  # a change of these changes the report


@dataclass(frozen=True)
class Source:
    """Where texts come in: files dropped, text pasted, what they are, how they are cleaned."""

    drop: gr.File
    pasted: gr.Textbox
    paste: gr.Button
    task: gr.Dropdown
    cleaning: dict[str, Any]


def source() -> Source:
    """The widgets by which texts come in."""
    drop = gr.File(
        label=static("Drop your own scripts or subtitles here"),
        file_count="multiple",
        height=96,
        file_types=list(KNOWN),
        elem_classes="st-drop",
        elem_id="drop-texts",
    )
    with gr.Accordion(static("Paste texts"), open=False, elem_id="paste-part"):
        pasted = gr.Textbox(
            label=static("Your texts, a blank line between them"),
            lines=5,
            max_lines=12,
            elem_id="pasted",
        )
        paste = gr.Button(static("Add these texts"), elem_id="paste-texts")
    with gr.Accordion(static("How texts are cleaned"), open=False, elem_id="cleaning"):
        cleaning = fields(TextCleaning, *TextCleaning.model_fields)
    task = field(TextTraining, "task", elem_id="task")
    return Source(drop, pasted, paste, task, cleaning)


@dataclass(frozen=True)
class Table:
    """The texts to read and change: what is told of them, the table, and the buttons that change many."""

    report: gr.HTML
    mends: dict[str, gr.Button]
    rows: gr.Dataframe
    saved: gr.HTML
    find: gr.Textbox
    instead: gr.Textbox
    replace: gr.Button
    undo: gr.Button

    @property
    def derived(self) -> list[Any]:
        """What follows from the texts: report, findings' buttons, undo."""
        return [self.report, *self.mends.values(), self.undo]

    @property
    def changed(self) -> list[Any]:
        """What a change of the texts shows anew."""
        return [self.rows, self.saved]


def build(studio: Studio, frame: Frame, source: Source, controls: Controls) -> tuple[jobs_panel.Panel, Any]:
    """The card with report, table and tools; returns the topics' job panel and what tells of changes."""
    with gr.Column(elem_classes="st-card"):
        heading("Your texts", "A topic and what you would say about it. Click a cell to change it.")
        table = texts_table()
        with gr.Accordion(static("Topics by the language model"), open=False, elem_id="topics-part"):
            start = gr.Button(static("Find topics"), elem_id="start-topics")
            panel = jobs_panel.build(
                studio,
                frame,
                "topics",
                "Ready to find topics",
                "Press Find topics: each text whose topic is only its own keywords gets one from the model.",
            )
    handle = _Handlers(studio)
    here = {"project": frame.project}
    shown, changed = here | {"task": source.task}, table.changed
    watch(studio, frame.arrivals, handle.arrive, inputs=here, outputs=[source.task, *changed])
    watch(studio, [*frame.after("topics")], handle.show, inputs=shown, outputs=[table.rows])
    reported = {name: controls.chosen[name] for name in REPORTED}
    telling = [*frame.arrivals, *frame.after("topics"), table.saved.change, source.task.change]
    telling += [box.change for box in reported.values()]
    watch(studio, telling, handle.tell, inputs=shown | reported, outputs=table.derived)
    watch(studio, [source.task.input], handle.choose, inputs=shown, outputs=[table.rows])
    watch(studio, [table.rows.input], handle.save, inputs=here | {"rows": table.rows}, outputs=[table.saved])
    taken = shown | source.cleaning
    for trigger, run, name, box in (
        (source.drop.upload, handle.add, "files", source.drop),
        (source.paste.click, handle.paste, "text", source.pasted),
    ):
        connect(studio, [trigger], run, inputs=taken | {name: box}, outputs=[box, *changed])
    swapped = shown | {"find": table.find, "instead": table.instead}
    swaps = [table.replace.click, table.instead.submit]
    connect(studio, swaps, handle.swap, inputs=swapped, outputs=changed)
    connect(studio, [table.undo.click], handle.back, inputs=shown, outputs=changed)
    for what, button in table.mends.items():
        mend = functools.partial(handle.mend, what=what)
        connect(studio, [button.click], mend, inputs=shown, outputs=changed)
    values = shown | {"base_model": controls.chosen["base_model"]}
    connect(studio, [start.click], handle.topics, inputs=values, outputs=[frame.news])
    return panel, table.saved


def texts_table() -> Table:
    """The widgets that show and change the texts."""
    report = gr.HTML(elem_id="text-report")
    with gr.Row(elem_classes="st-actions"):
        mends = {
            what: gr.Button(static(words), visible=False, elem_id=f"mend-{what}")
            for what, words in MENDS.items()
        }
    rows = gr.Dataframe(
        headers=["", ""],
        column_count=2,
        type="array",
        show_label=False,
        column_widths=["30%", "70%"],
        wrap=True,
        max_height=360,
        interactive=True,
        buttons=[],
        elem_id="texts",
    )
    saved = gr.HTML(elem_classes="st-saved", elem_id="texts-saved")
    with gr.Row(elem_classes="st-pair"):
        find = gr.Textbox(label=static("Find"), elem_id="find", min_width=120)
        instead = gr.Textbox(label=static("Replace with"), elem_id="replace-with", min_width=120)
    with gr.Row(elem_classes="st-actions"):
        replace = gr.Button(static("Replace all"), elem_id="replace-all", min_width=110)
        undo = gr.Button(static("Undo"), interactive=False, elem_id="undo-texts", min_width=90)
    return Table(report, mends, rows, saved, find, instead, replace, undo)


@dataclass(frozen=True)
class _Handlers:
    """What the card's widgets do; each method is given the page, and values by the names of its inputs."""

    studio: Studio

    def tell(self, page: Page, project: str, task: str, **values: Any) -> Any:
        """Report, findings' buttons, undo: what follows from the texts."""
        mine = self.studio.open(project)
        about, found, all_found = text_set.overview(mine, values["base_model"], task, **_rows(values))
        html = f"<p class='st-plan'>{'<br>'.join(escape(page.sentence(one)) for one in about)}</p>"
        html += "".join(f"<p class='st-note'>{escape(page.sentence(one))}</p>" for one in found)
        shown = [gr.update(visible=bool(all_found and getattr(all_found, what))) for what in MENDS]
        return html if about else "", *shown, gr.update(interactive=bool(editing.history(mine.texts())))

    def show(self, page: Page, project: str, task: str) -> Any:
        rows = text_set.table(self.studio.open(project)) or [["", ""]]
        return {"headers": [page.say(name) for name in COLUMNS[task]], "data": rows}

    def arrive(self, page: Page, project: str) -> Any:
        task = editing.task(self.studio.open(project).texts())
        return task, self.show(page, project, task), ""

    def choose(self, page: Page, project: str, task: str) -> Any:
        editing.set_task(self.studio.open(project).texts(), task)
        return self.show(page, project, task)

    def save(self, page: Page, project: str, rows: list[list[str]]) -> str:
        kept = text_set.save(self.studio.open(project), rows)
        return page.say("{count} texts saved at {time}", count=kept, time=time.strftime("%H:%M:%S"))

    def add(self, page: Page, project: str, task: str, files: list[str], **chosen: Any) -> Any:
        choices = make(TextCleaning, chosen, page.say("Details"))
        added = text_set.add(self.studio.open(project), files or [], choices)
        return None, *self._added(page, project, task, *added)

    def paste(self, page: Page, project: str, task: str, text: str, **chosen: Any) -> Any:
        choices = make(TextCleaning, chosen, page.say("Details"))
        added = text_set.paste(self.studio.open(project), text or "", choices)
        return "", *self._added(page, project, task, *added)

    def _added(self, page: Page, project: str, task: str, count: int, whole: Any) -> Any:
        page.note("{count} texts added", count=count)
        for problem in whole.problems[:3]:
            page.warn(problem)
        return self.show(page, project, task), _said(page, "{count} texts added", count)

    def swap(self, page: Page, project: str, task: str, find: str, instead: str) -> Any:
        count = text_set.replace(self.studio.open(project), find, instead)
        return self.show(page, project, task), _said(page, "Replaced in {count} places", count)

    def back(self, page: Page, project: str, task: str) -> Any:
        mine = self.studio.open(project)
        editing.undo(mine.texts())
        left = len(editing.history(mine.texts()))
        return self.show(page, project, task), _said(page, "Taken back; {count} more steps can be", left)

    def mend(self, page: Page, project: str, task: str, what: str) -> Any:
        count = text_set.mend(self.studio.open(project), what)
        return self.show(page, project, task), _said(page, "{count} texts changed", count)

    def topics(self, page: Page, project: str, **chosen: Any) -> str:
        settings = TopicsSettings(texts=self.studio.open(project).texts(), **chosen)
        return queue.submit(self.studio, "topics", page.say("Topics of {project}", project=project), settings)


def _said(page: Page, text: str, count: int) -> str:
    return f"{page.say(text, count=count)} · {time.strftime('%H:%M:%S')}"


def _rows(values: dict[str, Any]) -> dict[str, Any]:
    """The numbers that the report depends on; those of the settings where a box is empty."""
    given = {name: TextTraining.model_fields[name].default for name in ("holdout", "max_length")}
    return {name: values[name] if values[name] is not None else value for name, value in given.items()}
