"""Image LoRA: teaches the picture model how the project's pictures look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.settings import ImageTraining
from tabs import jobpanel, library, pictures, proof, training
from tabs.frame import Frame
from tabs.widgets import empty, heading
from tabs.wiring import Page, Studio, watch


def build(studio: Studio, frame: Frame) -> list[jobpanel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("How things look", "The image LoRA learns the style of your labelled pictures.")
            seen = gr.HTML(elem_classes="st-strip")
            controls = training.controls(studio, frame, ImageTraining, "Train the image LoRA")
        with gr.Column(scale=6):
            panel = jobpanel.build(
                studio,
                frame,
                "image",
                "Ready to train",
                "Press Train: it shows its progress and a sample picture "
                "here, and can be stopped and continued at any time.",
                "Next: train the text LoRA",
            )
            proving = proof.build(
                studio,
                frame,
                "proof",
                "Image LoRA",
                "The same prompts with and without the LoRA, and which weight to use.",
                "Ready to prove",
                "Press Prove it: it draws some pictures with and without the LoRA and scores them.",
            )
            with gr.Column(elem_classes="st-card"):
                heading("Finished image LoRAs", "They can be used in Compose, and in other programs.")
                shelf = gr.HTML()

    def settings(page: Page, run: Path | None, project: str, preset: str, **chosen: Any) -> ImageTraining:
        mine = studio.open(project)
        return training.asked(page, ImageTraining, mine, preset, chosen, run, train_data_dir=mine.images())

    def show(page: Page, project: str, **chosen: Any) -> Any:
        mine = studio.open(project)
        listed = pictures.listed(mine)
        unlabelled = sum(not one.caption for one in listed)
        about = empty(page.say("No pictures yet"), page.say("Drop some under Label first."))
        if listed:
            about = training.plan(page, lambda: settings(page, mine.runs(), project, **chosen))
        if listed and unlabelled:
            about += (
                "<p class='st-note'>"
                + page.say("{count} pictures have no caption; press Label pictures first.", count=unlabelled)
                + "</p>"
            )
        return about, library.shelf(page, mine.image_loras())

    def word(page: Page, project: str) -> str:
        return pictures.trigger(studio.open(project))

    here = {"project": frame.project}
    asked = here | {"preset": controls.recipe} | controls.chosen
    changed = [
        *frame.shown,
        *frame.after("label", "image", "proof"),
        *controls.counted,
    ]
    watch(studio, [*frame.arrivals, *changed], show, inputs=asked, outputs=[seen, shelf])
    watch(studio, [*frame.arrivals, *frame.after("label")], word, inputs=here, outputs=[controls.trigger])
    training.starts(studio, frame, controls, "Image LoRA {name}", settings, asked)
    return [panel, proving]
