"""The texts of the Text LoRA tab: dropped or pasted, cleaned by choice, told about, edited in a table.

Every change is saved at once and can be taken back, step by step. Knows nothing about training but the
settings that the report depends on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from core.settings import TextCleaning, TextTraining, TopicsSettings, make
from core.texts import editing
from core.texts.importing import KNOWN
from tabs import jobpanel, scripts, work
from tabs.frame import Frame
from tabs.training import Controls
from tabs.widgets import field, fields, heading
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static

COLUMNS = {
    "narration": ("Topic", "Narration"),
    "pitch": ("Product and points", "Pitch"),
    "talk": ("Question", "Answer"),
    "continue": ("Topic", "Text"),
}
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


def build(studio: Studio, frame: Frame, source: Source, controls: Controls) -> tuple[jobpanel.Panel, Any]:
    """The card with report, table and tools; returns the topics' job panel and what tells of changes."""
    with gr.Column(elem_classes="st-card"):
        heading("Your texts", "A topic and what you would say about it. Click a cell to change it.")
        report = gr.HTML(elem_id="text-report")
        with gr.Row(elem_classes="st-actions"):
            mends = {
                "twins": gr.Button(static("Remove near-duplicates"), visible=False, elem_id="mend-twins"),
                "repeated": gr.Button(static("Remove these lines"), visible=False, elem_id="mend-repeated"),
                "personal": gr.Button(static("Mask personal data"), visible=False, elem_id="mend-personal"),
            }
        table = gr.Dataframe(
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
        with gr.Accordion(static("Topics by the language model"), open=False, elem_id="topics-part"):
            start = gr.Button(static("Find topics"), elem_id="start-topics")
            panel = jobpanel.build(
                studio,
                frame,
                "topics",
                "Ready to find topics",
                "Press Find topics: each text whose topic is only its own keywords gets one from the model.",
            )

    def tell(page: Page, project: str, task: str, **values: Any) -> Any:
        """Report, findings' buttons, undo: what follows from the texts."""
        mine = studio.open(project)
        about, found, all_found = scripts.told(mine, values["base_model"], task, **_rows(values))
        html = f"<p class='st-plan'>{'<br>'.join(escape(page.sentence(one)) for one in about)}</p>"
        html += "".join(f"<p class='st-note'>{escape(page.sentence(one))}</p>" for one in found)
        shown = [gr.update(visible=bool(all_found and getattr(all_found, what))) for what in mends]
        return html if about else "", *shown, gr.update(interactive=bool(editing.history(mine.texts())))

    def show(page: Page, project: str, task: str) -> Any:
        rows = scripts.table(studio.open(project)) or [["", ""]]
        return {"headers": [page.say(name) for name in COLUMNS[task]], "data": rows}

    def arrive(page: Page, project: str) -> Any:
        task = editing.task(studio.open(project).texts())
        return task, show(page, project, task), ""

    def choose(page: Page, project: str, task: str) -> Any:
        editing.set_task(studio.open(project).texts(), task)
        return show(page, project, task)

    def save(page: Page, project: str, rows: list[list[str]]) -> str:
        kept = scripts.save(studio.open(project), rows)
        return page.say("{count} texts saved at {time}", count=kept, time=time.strftime("%H:%M:%S"))

    def add(page: Page, project: str, task: str, files: list[str], **chosen: Any) -> Any:
        choices = make(TextCleaning, chosen, page.say("Details"))
        return None, *added(page, project, task, *scripts.add(studio.open(project), files or [], choices))

    def take(page: Page, project: str, task: str, text: str, **chosen: Any) -> Any:
        choices = make(TextCleaning, chosen, page.say("Details"))
        return "", *added(page, project, task, *scripts.paste(studio.open(project), text or "", choices))

    def added(page: Page, project: str, task: str, count: int, whole: Any) -> Any:
        page.note("{count} texts added", count=count)
        for problem in whole.problems[:3]:
            page.warn(problem)
        return show(page, project, task), said(page, "{count} texts added", count)

    def said(page: Page, text: str, count: int) -> str:
        return f"{page.say(text, count=count)} · {time.strftime('%H:%M:%S')}"

    def swap(page: Page, project: str, task: str, find: str, instead: str) -> Any:
        count = scripts.replace(studio.open(project), find, instead)
        return show(page, project, task), said(page, "Replaced in {count} places", count)

    def back(page: Page, project: str, task: str) -> Any:
        mine = studio.open(project)
        editing.undo(mine.texts())
        left = len(editing.history(mine.texts()))
        return show(page, project, task), said(page, "Taken back; {count} more steps can be", left)

    def mend(page: Page, project: str, task: str, what: str) -> Any:
        count = scripts.mend(studio.open(project), what)
        return show(page, project, task), said(page, "{count} texts changed", count)

    def topics(page: Page, project: str, **chosen: Any) -> str:
        settings = TopicsSettings(texts=studio.open(project).texts(), **chosen)
        return work.submit(studio, "topics", page.say("Topics of {project}", project=project), settings)

    here = {"project": frame.project}
    shown, changed = here | {"task": source.task}, [table, saved]
    told = {name: controls.chosen[name] for name in REPORTED}
    outputs = [report, *mends.values(), undo]
    watch(studio, frame.arrivals, arrive, inputs=here, outputs=[source.task, *changed])
    watch(studio, [*frame.after("topics")], show, inputs=shown, outputs=[table])
    telling = [*frame.arrivals, *frame.after("topics"), saved.change, source.task.change]
    telling += [controls.chosen[name].change for name in REPORTED]
    watch(studio, telling, tell, inputs=shown | told, outputs=outputs)
    watch(studio, [source.task.input], choose, inputs=shown, outputs=[table])
    watch(studio, [table.input], save, inputs=here | {"rows": table}, outputs=[saved])
    files, text = {"files": source.drop}, {"text": source.pasted}
    connect(
        studio,
        [source.drop.upload],
        add,
        inputs=shown | files | source.cleaning,
        outputs=[source.drop, *changed],
    )
    connect(
        studio,
        [source.paste.click],
        take,
        inputs=shown | text | source.cleaning,
        outputs=[source.pasted, *changed],
    )
    connect(
        studio,
        [replace.click, instead.submit],
        swap,
        inputs=shown | {"find": find, "instead": instead},
        outputs=changed,
    )
    connect(studio, [undo.click], back, inputs=shown, outputs=changed)
    for what, button in mends.items():
        connect(
            studio,
            [button.click],
            lambda page, what=what, **given: mend(page, what=what, **given),
            inputs=shown,
            outputs=changed,
        )
    asked = shown | {"base_model": controls.chosen["base_model"]}
    connect(studio, [start.click], topics, inputs=asked, outputs=[frame.news])
    return panel, saved


def _rows(values: dict[str, Any]) -> dict[str, Any]:
    """The numbers that the report depends on; those of the settings where a box is empty."""
    given = {name: TextTraining.model_fields[name].default for name in ("holdout", "max_length")}
    return {name: values[name] if values[name] is not None else value for name, value in given.items()}
