"""Whether an unfinished training goes on or starts anew: what changed since, and the buttons that answer.

Stands wherever a button would go on with a run. Knows nothing about how one is trained or submitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from tabs.shell.wiring import Page
from tabs.shell.words import static


@dataclass(frozen=True)
class Question:
    """The question's parts; hidden until `ask`, and again after `answered`."""

    about: gr.HTML
    go_on: gr.Button
    anew: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Everything that `ask` and `answered` give values for, in their order."""
        return [self.about, self.go_on, self.anew]


def build(name: str) -> Question:
    """The hidden question; `name` tells it from the others of the page."""
    about = gr.HTML(visible=False, elem_id=f"question-{name}")
    with gr.Row(elem_classes="st-actions"):
        go_on = gr.Button(static("Continue with these settings"), visible=False, elem_id=f"go-on-{name}")
        anew = gr.Button(static("Start anew"), visible=False, elem_id=f"anew-{name}")
    return Question(about, go_on, anew)


def ask(page: Page, found: Any) -> list[Any]:
    """Shows what changed since the checkpoint `found` (core.lora.resume.Waiting)."""
    return [
        gr.update(value=f"<p class='st-plan'>{escape(unfinished(page, found))}</p>", visible=True),
        gr.update(visible=not found.hindered),
        gr.update(visible=True),
    ]


def answered() -> list[Any]:
    """Hides the question."""
    return [gr.update(visible=False)] * 3


def unfinished(page: Page, found: Any) -> str:
    """What changed since a stopped run's checkpoint, in the page's language."""
    if not found.differs:
        return page.say(
            "An unfinished training stopped at step {step}; nothing changed since then.", step=found.step
        )
    changes = "; ".join(page.sentence(one) for one in found.differs)
    said = page.say(
        "An unfinished training stopped at step {step}. Since then this changed: {changes}.",
        step=found.step,
        changes=changes,
    )
    if found.hindered:
        said += " " + page.say("It can't go on with another {names}.", names=", ".join(found.hindered))
    return said
