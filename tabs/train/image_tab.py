"""Image LoRA: teaches the picture model how the project's pictures look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.images import project_set as picture_set
from core.settings.training import ImageTraining
from tabs.jobs import panel as jobs_panel
from tabs.shell.header import Frame
from tabs.shell.widgets import empty, heading
from tabs.shell.wiring import Page, Studio, watch
from tabs.train import form, lora_list, proof


def build(studio: Studio, frame: Frame) -> list[jobs_panel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("How things look", "The image LoRA learns the style of your labelled pictures.")
            seen = gr.HTML(elem_classes="st-strip")
            controls = form.controls(studio, frame, ImageTraining, "Train the image LoRA")
        with gr.Column(scale=6):
            panel, proving = jobs(studio, frame)
            with gr.Column(elem_classes="st-card"):
                heading("Finished image LoRAs", "They can be used in Compose, and in other programs.")
                shelf = gr.HTML()

    def settings(page: Page, run: Path | None, project: str, preset: str, **chosen: Any) -> ImageTraining:
        mine = studio.open(project)
        return form.run_settings(page, ImageTraining, mine, preset, chosen, run, train_data_dir=mine.images())

    def show(page: Page, project: str, **chosen: Any) -> Any:
        mine = studio.open(project)
        images = picture_set.images_of(mine)
        unlabelled = sum(not one.caption for one in images)
        about = empty(page.say("No pictures yet"), page.say("Drop some under Label first."))
        if images:
            about = form.plan(page, lambda: settings(page, mine.runs(), project, **chosen))
        if images and unlabelled:
            note = page.say("{count} pictures have no caption; press Label pictures first.", count=unlabelled)
            about += f"<p class='st-note'>{note}</p>"
        return about, lora_list.shelf(page, mine.image_loras())

    def word(page: Page, project: str) -> str:
        return picture_set.trigger(studio.open(project))

    here = {"project": frame.project}
    shown_by = here | {"preset": controls.recipe} | controls.chosen
    changed = [*frame.shown, *frame.after("label", "image", "proof"), *controls.counted]
    watch(studio, [*frame.arrivals, *changed], show, inputs=shown_by, outputs=[seen, shelf])
    watch(studio, [*frame.arrivals, *frame.after("label")], word, inputs=here, outputs=[controls.trigger])
    form.starts(studio, frame, controls, "Image LoRA {name}", settings, shown_by)
    return [panel, proving]


def jobs(studio: Studio, frame: Frame) -> tuple[jobs_panel.Panel, jobs_panel.Panel]:
    """The cards of what is at work: the training's panel and the proof's."""
    training = jobs_panel.build(
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
    return training, proving
