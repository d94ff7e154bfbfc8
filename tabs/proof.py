"""Proves a finished image LoRA: one button, then pictures with and without it, and which weight to use.

Shows what core.lora.proof left beside the LoRA, in the page's language. Where it advises a LoRA that was kept
along the way, one more button makes that the project's next version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.jobs import Mistake
from core.lora import advised, report
from core.project import Project
from core.settings import ProofSettings
from tabs import jobpanel, work
from tabs.frame import Frame
from tabs.widgets import address, chooser, heading
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static


def build(studio: Studio, frame: Frame) -> jobpanel.Panel:
    """The buttons, the job panel and the newest proof, hidden until there is a LoRA; returns the panel."""
    with gr.Column(visible=False) as part:
        with gr.Column(elem_classes="st-card"):
            heading("Does it work?", "The same prompts with and without the LoRA, and which weight to use.")
            with gr.Row(elem_classes="st-pair st-proving"):
                chosen = chooser("Image LoRA", [], None, "proof-choice")
                start = gr.Button(static("Prove it"), elem_id="start-proof", min_width=140)
            take = gr.Button(
                static("Put the advised LoRA into the library"), visible=False, elem_id="take-advised"
            )
            shown = gr.HTML(elem_id="proof")
        panel = jobpanel.build(
            studio,
            frame,
            "proof",
            "Ready to prove",
            "Press Prove it: it draws some pictures with and without the LoRA and scores them.",
        )

    def offer(page: Page, project: str) -> Any:
        made = studio.open(project).image_loras()
        choices = [(path.stem, str(path)) for path in made]
        return gr.update(choices=choices, value=choices[0][1] if made else None), gr.update(
            visible=bool(made)
        )

    def show(page: Page, project: str, lora: str | None) -> Any:
        path = one_of(studio.open(project), lora) if lora else None
        other = path is not None and advised.offered(path) is not None
        return proof(page, path) if path else "", gr.update(visible=other)

    def prove(page: Page, project: str, lora: str | None) -> None:
        path = one_of(studio.open(project), lora)
        work.submit(studio, "proof", page.say("Proof of {name}", name=path.stem), ProofSettings(lora=path))

    def put(page: Page, project: str, lora: str | None) -> str:
        made = advised.take(one_of(studio.open(project), lora))
        page.note("{name} is in the library now, and Compose offers it.", name=made.stem)
        return made.stem

    here = {"project": frame.project}
    watch(studio, [*frame.arrivals, *frame.after("image")], offer, inputs=here, outputs=[chosen, part])
    one = here | {"lora": chosen}
    watch(studio, [chosen.change, *frame.after("image", "proof")], show, inputs=one, outputs=[shown, take])
    connect(studio, [start.click], prove, inputs=one)
    connect(studio, [take.click], put, inputs=one, outputs=[frame.ended["image"]])
    return panel


def one_of(project: Project, lora: str | None) -> Path:
    """The project's image LoRA of that path. Raises Mistake where it has none such."""
    for path in project.image_loras():
        if str(path) == lora:
            return path
    raise Mistake("There is no LoRA {path}; check the name.", path=lora)


def proof(page: Page, lora: Path) -> str:
    """A LoRA's proof as HTML in the page's language; empty where there is none."""
    folder = report.folder_of(lora)
    found = report.read(folder)
    return report.body(found, lambda file: address(folder / file), page.say) if found else ""
