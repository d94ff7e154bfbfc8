"""The card that asks for a video: what it is made from, how it shall be; and its settings from that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.settings.marks import COUNTED, marked
from core.settings.reading import make
from core.settings.style import Style
from core.settings.video import ComposeSettings
from tabs.compose import better_writer, craft, lora_box, styles, videos, voice_box
from tabs.compose import source as sources
from tabs.jobs import panel as jobs_panel
from tabs.shell import base_model_box
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, field, fields, heading, limits
from tabs.shell.wiring import Page, Studio
from tabs.shell.words import static

FINE = (
    "scenes",
    "fps",
    "steps",
    "guidance",
    "prediction",
    "seed",
    "text_model",
    "ai_label",
)
# Settings that a box gives which isn't called as they are.
BOXES: dict[str, set[str]] = {
    **{"size": {"width", "height"}, "image": {"lora"}, "weight": {"lora"}, "text": {"text_lora"}},
    **{"voice": {"voice"}, "second_voice": {"voice"}, "second_weight": set()},
    **{name: {"script", "product"} for name in ("source", "words", "file")},
}


@dataclass(frozen=True)
class Wishes:
    """The card that asks for a video: what it is about, and how it shall be, by the names that settings have.

    usual: whose look and tone, how long and large; `fold` is what they are folded into.
    """

    topic: gr.Textbox
    style: gr.Radio
    source: sources.Boxes
    start: gr.Button
    write: gr.Button
    takes: gr.HTML
    fold: gr.Accordion
    usual: dict[str, Any]
    voices: voice_box.Boxes
    bases: dict[str, Any]
    fine: dict[str, Any]
    fetching: jobs_panel.Panel

    @property
    def chosen(self) -> dict[str, Any]:
        """All that is asked for, by the names that `settings` takes."""
        about = {"topic": self.topic, "style": self.style}
        return about | self.source.chosen | self.usual | self.voices.chosen | self.bases | self.fine

    @property
    def counted(self) -> list[Any]:
        """The changes after which a video takes another time."""
        counted = {*marked(ComposeSettings, COUNTED)}
        return [box.change for name, box in self.chosen.items() if counted & BOXES.get(name, {name})]


def build(studio: Studio, frame: Frame) -> Wishes:
    """Asks what the video is about and how it shall look, and starts it; all else is folded away."""
    with gr.Column(scale=5, elem_classes="st-card"):
        heading("What is it about?", "A few words are enough: a place, a mood, a product.")
        kind = sources.kind_box()
        topic = gr.Textbox(
            show_label=False,
            label=static("Topic"),
            elem_id="topic",
            lines=2,
            max_lines=4,
            container=False,
            placeholder=static("a quiet morning by the sea"),
        )
        made_from = sources.build(kind)
        with gr.Column(elem_classes="st-rest", elem_id="how-made") as rest:
            style = gr.Radio(
                styles.choices("en"),
                value=styles.first(),
                label=static("Style"),
                elem_id="style",
                elem_classes="st-cards",
            )
            start = gr.Button(static("Make video"), variant="primary", size="lg", elem_id="start-compose")
            write = gr.Button(static("Write the storyboard first"), elem_id="start-script")
            takes = gr.HTML(elem_id="compose-time")
            fold, own, voices = usual()
            with craft.fold("compose"):
                dress = craft.build("compose")
            bases, fine, fetching = details(studio, frame)
            fine |= dress
    sources.wire(studio, frame, made_from, topic, rest)
    return Wishes(topic, style, made_from, start, write, takes, fold, own, voices, bases, fine, fetching)


def usual() -> tuple[gr.Accordion, dict[str, Any], voice_box.Boxes]:
    """What is chosen now and then: whose look and tone, who speaks, how long; folded away."""
    with gr.Accordion(
        static("Look, voice and length"), open=False, elem_id="usual-compose", elem_classes="st-details"
    ) as fold:
        with gr.Row(elem_classes="st-pair"):
            image = chooser("Image LoRA", [], None, "use-image", "Draws in the look that it learnt.")
            text = chooser("Text LoRA", [], None, "use-text", "Speaks in its own tone, not the style's.")
        low, high = limits(Style, "lora_weight")
        weight = gr.Slider(
            low,
            high,
            value=1,
            step=0.05,
            visible=False,
            label=static("Weight of the image LoRA"),
            info=static("0: none of its style, 1: as trained, 2: twice as much"),
        )
        first, listen, player = voice_box.first_box()
        second, share = voice_box.second_boxes()
        seconds = field(ComposeSettings, "seconds", label=static("Length"))
        size = chooser("Format", list(videos.SIZES), "9:16", "size", "9:16 suits every short-video platform.")
    own = {"image": image, "text": text, "weight": weight, "seconds": seconds, "size": size}
    return fold, own, voice_box.Boxes(first, second, share, listen, player)


def details(studio: Studio, frame: Frame) -> tuple[dict[str, Any], dict[str, Any], jobs_panel.Panel]:
    """What most people leave as it is, folded away: bases, and further settings by name.

    With them the panel of the job that fetches a language model.
    """
    with gr.Accordion(static("Details"), open=False, elem_id="details-compose", elem_classes="st-details"):
        box = base_model_box.base_box
        bases = {
            "image_base": box(studio, "image", "Image base model", "compose-image-base"),
            "text_base": box(studio, "text", "Language model", "compose-text-base", auto=True),
        }
        fetching = better_writer.build(studio, frame, bases["text_base"])
        return bases, fields(ComposeSettings, *FINE), fetching


def folded(page: Page, image: str | None, seconds: float | None) -> str:
    """What stands on the fold of the usual choices: those that a film differs by most."""
    said = [Path(image).stem] if image else []
    said += [f"{seconds:g} s"] if seconds else []
    return " · ".join([page.say("Look, voice and length"), *said])


def settings(
    page: Page,
    topic: str,
    source: str,
    words: str,
    file: Any,
    image: str,
    weight: float,
    text: str,
    size: str,
    voice: str,
    second_voice: str,
    second_weight: float,
    **values: Any,
) -> ComposeSettings:
    """The settings of a video from what was chosen; a script or product is named as what it is to become.

    Raises Mistake for what can't be used.
    """
    width, height = videos.SIZES[size]
    loras = lora_box.specs_of([image] if image else [], weight)
    speaks = voice_box.joined(voice, second_voice, second_weight)
    about = {"topic": topic} if source == sources.TOPIC else {source: Path(file or source)}
    asked = {"lora": loras, "text_lora": (text,) if text else (), "voice": speaks}
    return make(
        ComposeSettings, values | about | asked | {"width": width, "height": height}, page.say("Compose")
    )


def title(topic: str, source: str, words: str, file: Any, **others: Any) -> str:
    """What the film is called. Raises Mistake where there is nothing yet that it is made from."""
    return sources.title(topic, source, words, file)


def put(page: Page, folder: Path, **chosen: Any) -> ComposeSettings:
    """As `settings`, of what is put into the film's folder."""
    made = settings(page, **chosen)
    given = sources.put(folder, chosen["source"], chosen["words"], chosen["file"])
    files = {name: craft.taken_in(name, chosen.get(name), folder) for name in craft.FILES}
    return made.model_copy(update=given | files)
