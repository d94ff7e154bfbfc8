"""Text LoRA: teaches the language model how the creator says things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.settings.training import TextTraining
from core.texts import project_set as text_set
from tabs.jobs import panel as jobs_panel
from tabs.shell.header import Frame
from tabs.shell.widgets import empty, heading
from tabs.shell.wiring import Page, Studio, watch
from tabs.train import chat_card, form, lora_list, merge_card, proof, texts_card


def build(studio: Studio, frame: Frame) -> list[jobs_panel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("How things are said", "The text LoRA learns your voice from what you already wrote.")
            seen = gr.HTML(elem_classes="st-strip")
            source = texts_card.source()
            controls = form.controls(studio, frame, TextTraining, "Train the text LoRA")
        with gr.Column(scale=6):
            panel = jobs_panel.build(
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
            topics, saved = texts_card.build(studio, frame, source, controls)
            chat_card.build(studio, frame)
            with gr.Column(elem_classes="st-card"):
                heading("Finished text LoRAs", "They can be used in Compose, and in other programs.")
                shelf = gr.HTML()
                full = merge_card.build(studio, frame)

    def settings(page: Page, run: Path | None, project: str, preset: str, **chosen: Any) -> TextTraining:
        mine = studio.open(project)
        return form.run_settings(page, TextTraining, mine, preset, chosen, run, train_data_path=mine.texts())

    def show(page: Page, project: str, **chosen: Any) -> Any:
        mine = studio.open(project)
        about = empty(page.say("No texts yet"), page.say("Drop scripts below, or write into the table."))
        if text_set.samples_of(mine):
            about = form.plan(page, lambda: settings(page, mine.runs(), project, **chosen))
        return about, lora_list.shelf(page, mine.text_loras())

    here = {"project": frame.project}
    shown_by = here | {"preset": controls.recipe, "task": source.task} | controls.chosen
    changed = [
        *frame.after("text", "text_proof"),
        saved.change,
        *controls.counted,
    ]
    watch(studio, [*frame.arrivals, *changed], show, inputs=shown_by, outputs=[seen, shelf])
    form.starts(studio, frame, controls, "Text LoRA {name}", settings, shown_by)
    return [panel, topics, proving, full]
