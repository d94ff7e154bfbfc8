"""Compose: a style, a topic, Make video; then the video, its storyboard, and the files to take along."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from core.settings import ComposeSettings, Style, make
from tabs import jobpanel, styles, training, videos, work
from tabs.frame import Frame
from tabs.widgets import chooser, field, fields, heading, limits
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static

TOPIC = "a quiet morning in a river town"
FINE = ("scenes", "fps", "steps", "guidance", "prediction", "seed", "voice", "captions", "music", "ai_label")

COUNTED = ("scenes", "fps", "steps", "guidance", "voice")  # of these, what the time depends on


def build(studio: Studio, frame: Frame) -> list[jobpanel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        with gr.Column(scale=5, elem_classes="st-card"):
            heading("What is it about?", "A few words are enough: a place, a mood, a product.")
            topic = gr.Textbox(
                show_label=False,
                label=static("Topic"),
                elem_id="topic",
                lines=2,
                max_lines=4,
                container=False,
                placeholder=static("a quiet morning by the sea"),
            )
            style = gr.Radio(
                styles.choices("en"),
                value=styles.first(),
                label=static("Style"),
                elem_id="style",
                elem_classes="st-cards",
            )
            with gr.Row(elem_classes="st-pair"):
                image = gr.Dropdown(
                    [],
                    label=static("Image LoRA"),
                    info=static("Draws in the look that it learnt."),
                    elem_id="use-image",
                    min_width=140,
                )
                text = gr.Dropdown(
                    [],
                    label=static("Text LoRA"),
                    info=static("Speaks in its own tone, not the style's."),
                    elem_id="use-text",
                    min_width=140,
                )
            seconds = field(ComposeSettings, "seconds", label=static("Length"))
            start = gr.Button(static("Make video"), variant="primary", size="lg", elem_id="start-compose")
            takes = gr.HTML(elem_id="compose-time")
            with gr.Accordion(
                static("Details"), open=False, elem_id="details-compose", elem_classes="st-details"
            ):
                low, high = limits(Style, "lora_weight")
                weight = gr.Slider(
                    low,
                    high,
                    value=1,
                    step=0.05,
                    label=static("Weight of the image LoRA"),
                    info=static("0: none of its style, 1: as trained, 2: twice as much"),
                )
                size = chooser(
                    "Format", list(videos.SIZES), "9:16", "size", "9:16 suits every short-video platform."
                )
                bases = {
                    "image_base": training.base_box(
                        studio, "image", "Image base model", "compose-image-base"
                    ),
                    "text_base": training.base_box(studio, "text", "Language model", "compose-text-base"),
                }
                fine = fields(ComposeSettings, *FINE)
        with gr.Column(scale=6):
            panel = jobpanel.build(
                studio,
                frame,
                "compose",
                "Ready to make a video",
                "Choose a style, say what it is about, and press Make video.",
            )
            videos.build(studio, frame)

    def offer(page: Page, project: str) -> Any:
        mine = studio.open(project)
        images = [(page.say("The style's own"), ""), *((path.stem, str(path)) for path in mine.image_loras())]
        texts = [(page.say("Plain model"), ""), *((path.name, str(path)) for path in mine.text_loras())]
        return [gr.update(choices=found, value=found[min(1, len(found) - 1)][1]) for found in (images, texts)]

    def greet(page: Page) -> Any:
        return gr.update(choices=styles.choices(page.language))

    def suggest(page: Page, project: str, topic: str) -> str:
        return topic or (TOPIC if project == studio.project.name else "")

    def settings(
        page: Page, topic: str, image: str, weight: float, text: str, size: str, **values: Any
    ) -> ComposeSettings:
        width, height = videos.SIZES[size]
        loras = (f"{image}:{weight:g}",) if image else ()
        voices = (text,) if text else ()
        asked = {"topic": topic, "lora": loras, "text_lora": voices, "width": width, "height": height}
        return make(ComposeSettings, values | asked, page.say("Compose"))

    def make_video(page: Page, project: str, topic: str, **chosen: Any) -> str:
        made = settings(page, topic, **chosen)
        output = studio.open(project).new_video(topic) / "video.mp4"
        return work.submit(studio, "compose", made.topic, made.model_copy(update={"output": output}))

    def told(page: Page, **chosen: Any) -> str:
        taken = work.film_time(lambda: settings(page, **chosen))
        return f"<p class='st-plan'>{escape(page.sentence(taken))}</p>"

    here = {"project": frame.project}
    watch(studio, [*frame.arrivals, *frame.after("image", "text")], offer, inputs=here, outputs=[image, text])
    watch(studio, frame.arrivals[:1], greet, outputs=[style])
    watch(studio, frame.arrivals, suggest, inputs=here | {"topic": topic}, outputs=[topic])
    asked = {"topic": topic, "style": style, "seconds": seconds, "size": size}
    used = {"image": image, "weight": weight, "text": text}
    chosen = asked | used | bases | fine
    connect(studio, [start.click, topic.submit], make_video, inputs=here | chosen, outputs=[frame.news])
    counted = [seconds, size, text, *bases.values(), *(fine[name] for name in COUNTED)]
    changed = [*frame.after("compose"), *(box.change for box in counted)]
    watch(studio, [*frame.arrivals, *changed], told, inputs=chosen, outputs=[takes])
    return [panel]
