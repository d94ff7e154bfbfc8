"""Proves a finished LoRA: one button, then what it makes beside what its base makes, and which one to use.

Shows what core.lora.prove left beside the LoRA, in the page's language. Where it advises a LoRA that was
kept along the way, one more button makes that the project's next version.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from core.lora import promote
from core.lora.proof import image_report, text_report
from core.lora.proof import page as proof_page
from core.messages import Mistake
from core.project import Project
from core.settings.lora_jobs import ProofSettings, Proving, TextProofSettings, proving
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.widgets import address, chooser, fields, heading
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static
from tabs.train import form

TRAINING = {"proof": "image", "text_proof": "text"}
# What can be chosen of a proof, by its kind; the rest follows from the LoRA.
CHOSEN: dict[str, tuple[type[Proving], tuple[str, ...]]] = {
    "proof": (ProofSettings, ("weights", "prompts", "seeds", "steps")),
    "text_proof": (TextProofSettings, ("topics", "replies")),
}


def build(
    studio: Studio, frame: Frame, kind: str, choice: str, about: str, ready: str, hint: str
) -> jobs_panel.Panel:
    """The buttons, their job panel and the newest proof, hidden until there is a LoRA; returns the panel.

    kind: of its job, which says what is proved. choice: the list's label; about: stands under the heading;
    ready, hint: stand in the panel before the first proof.
    """
    with gr.Column(visible=False) as part:
        with gr.Column(elem_classes="st-card"):
            heading("Does it work?", about)
            with gr.Row(elem_classes="st-pair st-proving"):
                chosen = chooser(choice, [], None, f"{kind}-choice")
                start = gr.Button(static("Prove it"), elem_id=f"start-{kind}", min_width=140)
            given = _details(studio, frame, kind)
            take = gr.Button(
                static("Put the advised LoRA into the library"), visible=False, elem_id=f"take-{kind}"
            )
            shown = gr.HTML(elem_id=kind)
        panel = jobs_panel.build(studio, frame, kind, ready, hint)

    def offer(page: Page, project: str) -> Any:
        made = loras(studio.open(project), kind)
        choices = [(path.stem, str(path)) for path in made]
        return gr.update(choices=choices, value=choices[0][1] if made else None), gr.update(
            visible=bool(made)
        )

    def show(page: Page, project: str, lora: str | None) -> Any:
        path = one_of(studio.open(project), lora) if lora else None
        other = path is not None and promote.offered(path) is not None
        return proof(page, path) if path else "", gr.update(visible=other)

    def prove(page: Page, project: str, lora: str | None, **given: Any) -> str:
        path = one_of(studio.open(project), lora)
        chosen = {name: value for name, value in given.items() if value not in ("", None)}
        settings = proving({"lora": path} | chosen, page.say("Details"))
        return queue.submit(studio, kind, page.say("Proof of {name}", name=path.stem), settings)

    def put(page: Page, project: str, lora: str | None) -> str:
        made = promote.take(one_of(studio.open(project), lora))
        page.note("{name} is in the library now, and Compose offers it.", name=made.stem)
        return made.stem

    here = {"project": frame.project}
    trained = TRAINING[kind]
    watch(studio, [*frame.arrivals, *frame.after(trained)], offer, inputs=here, outputs=[chosen, part])
    one = here | {"lora": chosen}
    watch(studio, [chosen.change, *frame.after(trained, kind)], show, inputs=one, outputs=[shown, take])
    connect(studio, [start.click], prove, inputs=one | given, outputs=[frame.news])
    connect(studio, [take.click], put, inputs=one, outputs=[frame.ended[trained]])
    return panel


def _details(studio: Studio, frame: Frame, kind: str) -> dict[str, Any]:
    """The widgets of what can be chosen, folded away, by the setting's name."""
    cls, names = CHOSEN[kind]
    if not names:
        return {}
    with gr.Accordion(static("Details"), open=False, elem_id=f"details-{kind}", elem_classes="st-details"):
        given = fields(cls, *names)
        if "pictures" in cls.model_fields:
            own = "the LoRA's own"
            given["pictures"] = form.pictures_box(studio, frame, cls, "pictures", "proof-pictures", own)
    return given


def loras(project: Project, kind: str) -> Sequence[Path]:
    """The LoRAs that a kind of proof is for, newest first."""
    return project.text_loras() if TRAINING[kind] == "text" else project.image_loras()


def one_of(project: Project, lora: str | None) -> Path:
    """The project's LoRA of that path. Raises Mistake where it has none such."""
    for path in (*project.image_loras(), *project.text_loras()):
        if str(path) == lora:
            return path
    raise Mistake("There is no LoRA {path}; check the name.", path=lora)


def proof(page: Page, lora: Path) -> str:
    """A LoRA's proof as HTML in the page's language; empty where there is none."""
    folder = proof_page.folder_of(lora)
    if lora.is_dir():
        words = text_report.read(folder)
        return text_report.body(words, page.say) if words else ""
    found = image_report.read(folder)
    return image_report.body(found, lambda file: address(folder / file), page.say) if found else ""
