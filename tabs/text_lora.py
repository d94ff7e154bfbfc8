"""Text LoRA: teaches the language model how the creator says things."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from core.settings import TextTraining
from tabs import jobpanel, library, proof, scripts, training
from tabs.frame import Frame
from tabs.widgets import empty, heading
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static


def build(studio: Studio, frame: Frame) -> list[jobpanel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("How things are said", "The text LoRA learns your voice from what you already wrote.")
            seen = gr.HTML(elem_classes="st-strip")
            drop = gr.File(
                label=static("Drop your own scripts or subtitles here"),
                file_count="multiple",
                height=96,
                file_types=[".txt", ".md", ".srt", ".vtt", ".csv", ".jsonl"],
                elem_classes="st-drop",
                elem_id="drop-texts",
            )
            controls = training.controls(
                studio,
                frame,
                TextTraining,
                "Train the text LoRA",
                ("max_length", "holdout", "keep_loras", "prove"),
            )
        with gr.Column(scale=6):
            panel = jobpanel.build(
                studio,
                frame,
                "text",
                "Ready to train",
                "Press Train: the loss and a sample of the new voice appear here.",
                "Next: make a video",
            )
            proving = proof.build(
                studio,
                frame,
                "text_proof",
                "Text LoRA",
                "Base and LoRA answer the same topics, which it has not learnt.",
                "Ready to prove",
                "Press Prove it: it writes replies with and without the LoRA and scores them.",
            )
            with gr.Column(elem_classes="st-card"):
                heading("Your texts", "A topic and what you would say about it. Click a cell to change it.")
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
                saved = gr.HTML(elem_classes="st-saved")
            with gr.Column(elem_classes="st-card"):
                heading("Finished text LoRAs", "They can be used in Compose, and in other programs.")
                shelf = gr.HTML()

    def count(page: Page, project: str, **values: Any) -> Any:
        mine = studio.open(project)
        about = training.plan(page, len(scripts.listed(mine)), "texts", values)
        nothing = empty(page.say("No texts yet"), page.say("Drop scripts below, or write into the table."))
        return about or nothing, library.shelf(page, mine.text_loras())

    def show(page: Page, project: str) -> Any:
        headers = [page.say("Topic"), page.say("Narration")]
        return {"headers": headers, "data": scripts.table(studio.open(project)) or [["", ""]]}, ""

    def save(page: Page, project: str, rows: list[list[str]]) -> str:
        kept = scripts.save(studio.open(project), rows)
        return page.say("{count} texts saved at {time}", count=kept, time=time.strftime("%H:%M:%S"))

    def add(page: Page, project: str, files: list[str]) -> Any:
        count, whole = scripts.add(studio.open(project), files or [])
        page.note("{count} texts added", count=count)
        for problem in whole.problems[:3]:
            page.warn(problem)
        return None, *show(page, project)

    def settings(page: Page, run: Path | None, project: str, preset: str, **chosen: Any) -> TextTraining:
        mine = studio.open(project)
        return training.asked(page, TextTraining, mine, preset, chosen, run, train_data_path=mine.texts())

    here = {"project": frame.project}
    numbers = {
        name: controls.chosen[name] for name in ("batch_size", "epochs", "gradient_accumulation", "max_steps")
    }
    counted = [
        *frame.arrivals,
        *frame.after("text", "text_proof"),
        saved.change,
        *(one.change for one in numbers.values()),
    ]
    watch(studio, counted, count, inputs=here | numbers, outputs=[seen, shelf])
    watch(studio, frame.arrivals, show, inputs=here, outputs=[table, saved])
    watch(studio, [table.input], save, inputs=here | {"rows": table}, outputs=[saved])
    connect(studio, [drop.upload], add, inputs=here | {"files": drop}, outputs=[drop, table, saved])
    asked = here | {"preset": controls.recipe} | controls.chosen
    training.starts(studio, controls, "Text LoRA {name}", settings, asked)
    return [panel, proving]
