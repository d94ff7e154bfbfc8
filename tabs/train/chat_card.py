"""The chat box: the plain model and a text LoRA answer the same request side by side, as they write.

One answer at a time, between jobs only: a job that starts goes first. Below it stand the lines by which other
programs load the LoRA.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.lora.adapters import peft_folder
from core.lora.text.chat import Chat
from core.messages import Mistake
from core.project import Project
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, heading
from tabs.shell.wiring import Page, Studio, stream, watch
from tabs.shell.words import static

SHOWN = 6
Round = tuple[str, str, str, str]  # topic, LoRA's name, the base's words, the LoRA's


def build(studio: Studio, frame: Frame) -> None:
    """The card, hidden until the project has a text LoRA."""
    chat = Chat()
    studio.runner.before.append(chat.clear)
    with gr.Column(visible=False, elem_classes="st-card") as part:
        heading(
            "Try the voice", "Ask for something: the plain model answers on the left, the LoRA on the right."
        )
        chosen = chooser("Text LoRA", [], None, "chat-lora")
        topic = gr.Textbox(
            label=static("Topic"),
            placeholder=static("a quiet morning by the sea"),
            max_length=300,
            elem_id="chat-topic",
        )
        with gr.Row(elem_classes="st-actions"):
            ask = gr.Button(static("Ask both"), variant="primary", elem_id="chat-ask")
            stop = gr.Button(static("Stop"), elem_id="chat-stop")
        talk = gr.HTML(elem_id="chat")
        with gr.Accordion(static("Use it in other programs"), open=False):
            serving = gr.Textbox(label="vLLM", interactive=False, buttons=["copy"], elem_id="vllm-line")
            loading = gr.Textbox(label="transformers, peft", interactive=False, buttons=["copy"])
        rounds = gr.State([])

    def offer(page: Page, project: str) -> Any:
        return offers(studio.open(project))

    def elsewhere(page: Page, project: str, lora: str | None) -> Any:
        if not lora:
            return "", ""
        path = one_of(studio.open(project), lora)
        return peft_folder.vllm_line(path), peft_folder.peft_line(path)

    def answer(
        page: Page, project: str, lora: str | None, topic: str, rounds: list[Round]
    ) -> Iterator[tuple[str, list[Round]]]:
        path = one_of(studio.open(project), lora)
        if not topic.strip():
            raise Mistake("Write what to ask for first.")
        for plain, voice in chat.answers(path, topic, len(rounds), studio.runner.between):
            now = [(topic, path.name, plain, voice), *rounds]
            yield talked(page, now), now

    here = {"project": frame.project}
    one = here | {"lora": chosen}
    watch(studio, [*frame.arrivals, *frame.after("text")], offer, inputs=here, outputs=[chosen, part])
    watch(studio, [chosen.change], elsewhere, inputs=one, outputs=[serving, loading])
    given = one | {"topic": topic, "rounds": rounds}
    speaking = stream(studio, [ask.click, topic.submit], answer, inputs=given, outputs=[talk, rounds])
    stop.click(None, cancels=[speaking], api_visibility="private")


def offers(project: Project) -> tuple[Any, Any]:
    """New values of a list of the project's text LoRAs, the newest chosen, and of the part that needs one."""
    made = [(path.name, str(path)) for path in project.text_loras()]
    return gr.update(choices=made, value=made[0][1] if made else None), gr.update(visible=bool(made))


def one_of(project: Project, lora: str | None) -> Path:
    """The project's text LoRA of that path. Raises Mistake where it has none such."""
    for path in project.text_loras():
        if str(path) == lora:
            return path
    raise Mistake("There is no text LoRA {path} in this project; choose one from the list.", path=lora)


def talked(page: Page, rounds: Sequence[Round]) -> str:
    """The rounds as HTML, newest first; everything said is escaped."""
    plain = page.say("Plain model")
    parts = [
        f"<section><h3>{escape(topic)}</h3><div>"
        f"<div><strong>{plain}</strong><p>{escape(base)}</p></div>"
        f"<div><strong>{escape(name)}</strong><p>{escape(voice)}</p></div></div></section>"
        for topic, name, base, voice in rounds[:SHOWN]
    ]
    return f"<div class='st-talk'>{''.join(parts)}</div>"
