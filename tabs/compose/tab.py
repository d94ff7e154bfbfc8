"""Compose: a style, a topic, Make video; or the storyboard first, changed scene by scene; then the video."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt
from core.settings.video import ComposeSettings, DraftSettings, WriteSettings
from tabs.compose import lora_box, posting, scene, storyboard, styles, videos, voice_box, wishes
from tabs.compose.wishes import Wishes
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.shell.header import Frame
from tabs.shell.wiring import Page, Studio, connect, watch

TOPIC = "a quiet morning in a river town"
JOBS = {
    "compose": (
        "Ready to make a video",
        "Choose a style, say what it is about, and press Make video.",
    ),
    "script": (
        "Ready to write a storyboard",
        "Write it first where you want to change scenes before they are filmed.",
    ),
    "scene": ("Ready to work on scenes", "Choose a scene of the storyboard below to change it."),
}


def build(studio: Studio, frame: Frame) -> list[jobs_panel.Panel]:
    """The tab's contents; returns its job panels."""
    with gr.Row(elem_classes="st-columns"):
        asked = wishes.build(studio, frame)
        with gr.Column(scale=6):
            panels = [jobs_panel.build(studio, frame, kind, *JOBS[kind]) for kind in ("compose", "script")]
            made = videos.build(studio, frame)
            post = posting.build(studio, frame)
            panels.append(post.panel)
    board = storyboard.build(studio, frame)
    panels.append(jobs_panel.build(studio, frame, "scene", *JOBS["scene"]))
    scene.build(studio, frame, board)
    posting.wire(studio, frame, post, made, board)
    offering(studio, frame, asked)
    starting(studio, frame, asked)
    return [*panels, asked.fetching]


def offering(studio: Studio, frame: Frame, asked: Wishes) -> None:
    """What there is to choose from, a voice's sample, a first topic, and how long such a video takes."""

    def offer(page: Page, project: str) -> Any:
        mine = studio.open(project)
        images = [(page.say("The style's own"), ""), *lora_box.looks(mine)]
        texts = lora_box.tones(page, mine)
        return [gr.update(choices=found, value=found[min(1, len(found) - 1)][1]) for found in (images, texts)]

    def greet(page: Page) -> Any:
        found = (styles.choices(page.language), voice_box.choices(page), voice_box.seconds(page))
        labelled = gr.update(value=True) if page.language == "zh" else gr.skip()  # as China's platforms ask
        return [*(gr.update(choices=choices) for choices in found), labelled]

    def suggest(page: Page, project: str, topic: str) -> str:
        return topic or (TOPIC if project == studio.project.name else "")

    def listen(page: Page, topic: str, voice: str, second_voice: str, second_weight: float) -> str:
        who = voice_box.joined(voice, second_voice, second_weight)
        return studio.runner.between(lambda: voice_box.sample(voice_box.language_for(page, topic), who))

    def weighed(page: Page, image: str | None, second: str | None, seconds: float) -> Any:
        """What the fold says that it holds; weights show where there is something to weigh."""
        fold = gr.update(label=wishes.folded(page, image, seconds))
        return fold, gr.update(visible=bool(image)), gr.update(visible=bool(second))

    def told(page: Page, **chosen: Any) -> str:
        """How long the film takes; that nothing is typed yet is no fault."""
        if isinstance(attempt(lambda: wishes.title(**chosen)), Mistake):
            return ""
        chosen["topic"] = (chosen["topic"] or "").strip() or TOPIC
        taken = queue.film_time(lambda folder: wishes.put(page, folder, **chosen))
        return f"<p class='st-plan'>{escape(page.sentence(taken))}</p>"

    here, topic, boxes = {"project": frame.project}, asked.topic, asked.voices
    loras = [asked.usual["image"], asked.usual["text"]]
    watch(studio, [*frame.arrivals, *frame.after("image", "text")], offer, inputs=here, outputs=loras)
    watch(
        studio,
        frame.arrivals[:1],
        greet,
        outputs=[asked.style, boxes.first, boxes.second, asked.fine["ai_label"]],
    )
    connect(studio, [boxes.listen.click], listen, {"topic": topic} | boxes.chosen, [boxes.player])
    watch(studio, frame.arrivals, suggest, inputs=here | {"topic": topic}, outputs=[topic])
    fold = [asked.fold, asked.usual["weight"], boxes.weight]
    held = {"image": asked.usual["image"], "second": boxes.second, "seconds": asked.usual["seconds"]}
    folding = [frame.arrivals[0], *(box.change for box in held.values())]
    watch(studio, folding, weighed, inputs=held, outputs=fold)
    changed = [*frame.arrivals, *frame.after("compose"), *asked.counted]
    watch(studio, changed, told, inputs=asked.chosen, outputs=[asked.takes])


def starting(studio: Studio, frame: Frame, asked: Wishes) -> None:
    """Make video, and the storyboard alone; what they are made from goes into the film's new folder."""

    def begun(kind: str, page: Page, project: str, **chosen: Any) -> tuple[str, Path, dict[str, Any]]:
        """The film's title, its new folder with what it is made from, and the settings asked for."""
        queue.check_idle(studio, kind)  # what is wrong is said before anything is made
        wishes.settings(page, **chosen)
        title = wishes.title(**chosen)
        folder = studio.open(project).new_video(title)
        made = wishes.put(page, folder, **chosen)
        return title, folder, {name: getattr(made, name) for name in WriteSettings.model_fields}

    def make_video(page: Page, project: str, **chosen: Any) -> str:
        title, folder, values = begun("compose", page, project, **chosen)
        return queue.submit(studio, "compose", title, ComposeSettings(**values, output=folder / "video.mp4"))

    def write_board(page: Page, project: str, **chosen: Any) -> str:
        title, folder, values = begun("script", page, project, **chosen)
        return queue.submit(
            studio, "script", title, DraftSettings(**values, output=folder / "storyboard.yaml")
        )

    inputs = {"project": frame.project} | asked.chosen
    starts = [asked.start.click, asked.topic.submit]
    connect(studio, starts, make_video, inputs=inputs, outputs=[frame.news])
    connect(studio, [asked.write.click], write_board, inputs=inputs, outputs=[frame.news])
