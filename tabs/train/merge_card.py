"""Merges a finished text LoRA with its base: one button, and how far it is. Knows nothing about models."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.settings.lora_jobs import MergeSettings
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static
from tabs.train.chat_card import offers, one_of


def build(studio: Studio, frame: Frame) -> jobs_panel.Panel:
    """The button with its job panel, folded away and hidden until there is a text LoRA; returns the panel."""
    with gr.Accordion(static("As one full model"), open=False, visible=False, elem_id="merge-part") as part:
        about = "Base and LoRA become one model, as large as the base, for programs that load no LoRA."
        chosen = chooser("Text LoRA", [], None, "merge-lora", about)
        start = gr.Button(static("Merge with its base"), elem_id="start-merge")
        panel = jobs_panel.build(
            studio,
            frame,
            "merge",
            "Ready to merge",
            "Press Merge with its base: a folder with the full model appears beside the LoRA.",
        )

    def offer(page: Page, project: str) -> Any:
        return offers(studio.open(project))

    def merge(page: Page, project: str, lora: str | None) -> str:
        path = one_of(studio.open(project), lora)
        title = page.say("Full model of {name}", name=path.name)
        return queue.submit(studio, "merge", title, MergeSettings(lora=path))

    here = {"project": frame.project}
    watch(studio, [*frame.arrivals, *frame.after("text")], offer, inputs=here, outputs=[chosen, part])
    connect(studio, [start.click], merge, inputs=here | {"lora": chosen}, outputs=[frame.news])
    return panel
