"""Text LoRA: teaches the language model how the creator says things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.settings import TextTraining
from tabs import chat, jobpanel, library, merging, proof, scripts, texts, training
from tabs.frame import Frame
from tabs.widgets import empty, heading
from tabs.wiring import Page, Studio, watch


def build(studio: Studio, frame: Frame) -> list[jobpanel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("How things are said", "The text LoRA learns your voice from what you already wrote.")
            seen = gr.HTML(elem_classes="st-strip")
            source = texts.source()
            controls = training.controls(studio, frame, TextTraining, "Train the text LoRA")
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
            topics, saved = texts.build(studio, frame, source, controls)
            chat.build(studio, frame)
            with gr.Column(elem_classes="st-card"):
                heading("Finished text LoRAs", "They can be used in Compose, and in other programs.")
                shelf = gr.HTML()
                full = merging.build(studio, frame)

    def settings(page: Page, run: Path | None, project: str, preset: str, **chosen: Any) -> TextTraining:
        mine = studio.open(project)
        return training.asked(page, TextTraining, mine, preset, chosen, run, train_data_path=mine.texts())

    def show(page: Page, project: str, **chosen: Any) -> Any:
        mine = studio.open(project)
        about = empty(page.say("No texts yet"), page.say("Drop scripts below, or write into the table."))
        if scripts.listed(mine):
            about = training.plan(page, lambda: settings(page, mine.runs(), project, **chosen))
        return about, library.shelf(page, mine.text_loras())

    here = {"project": frame.project}
    asked = here | {"preset": controls.recipe, "task": source.task} | controls.chosen
    changed = [
        *frame.after("text", "text_proof"),
        saved.change,
        *controls.counted,
    ]
    watch(studio, [*frame.arrivals, *changed], show, inputs=asked, outputs=[seen, shelf])
    training.starts(studio, frame, controls, "Text LoRA {name}", settings, asked)
    return [panel, topics, proving, full]
