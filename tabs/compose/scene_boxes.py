"""The boxes of one scene's editor: its picture, its words, how it moves and sounds, its place in the film.

What they are filled with and what becomes of a change stands in tabs/compose/scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.video.storyboard.board import Scene
from tabs.compose import lora_box, voice_box
from tabs.shell.widgets import chooser, field
from tabs.shell.wiring import Page
from tabs.shell.words import static

FIELDS = (
    "say",
    "draw",
    "about",
    "seconds",
    "shot",
    "motion",
    "transition",
    "voice",
    "text_lora",
    "lora",
    "weight",
    "subjects",
    "strength",
    "clip_start",
    "clip_sound",
    "lock",
)
CUT = ("x", "y", "zoom")
ORDERS = {
    "earlier": "Earlier",
    "later": "Later",
    "split": "Split",
    "join": "Join with the next",
    "copy": "Copy",
    "remove": "Remove",
}


@dataclass(frozen=True)
class Own:
    """A person's own picture or clip: how it is cut, and what shows for a still, for either, for a clip."""

    upload: gr.UploadButton
    drop: gr.Button
    cut: dict[str, gr.Slider]
    still: gr.Column
    either: gr.Column
    clip: gr.Column


@dataclass(frozen=True)
class Editor:
    """The editor's parts: what is shown of the scene, its fields, and the buttons by what they ask for."""

    card: gr.Column
    title: gr.HTML
    picture: gr.Image
    offered: gr.Gallery
    film: gr.Video
    sound: gr.Audio
    words: gr.Radio
    fields: dict[str, Any]
    own: Own
    asks: dict[str, gr.Button]
    orders: dict[str, gr.Button]

    @property
    def made(self) -> list[Any]:
        """What is there of a scene, in the order of `made`."""
        here = [self.card, self.title, self.picture, self.offered, self.film, self.sound, self.words]
        return [*here, self.own.drop, self.own.still, self.own.either, self.own.clip]

    @property
    def written(self) -> list[Any]:
        """What a person writes and chooses, in the order of `written`."""
        return [*(self.fields[name] for name in FIELDS), *self.own.cut.values()]


def build() -> Editor:
    """The scene's picture on the left, its words and the rest on the right, its place in the film below."""
    asks: dict[str, gr.Button] = {}
    with gr.Column(elem_classes="st-card", visible=False, elem_id="scene-editor") as card:
        title = gr.HTML(elem_id="scene-title")
        with gr.Row(elem_classes="st-columns"):
            with gr.Column(scale=4):
                picture, offered, film, sound = shown(asks)
            with gr.Column(scale=5):
                fields = words_boxes()
                with gr.Row(elem_classes="st-actions st-wrap"):
                    asks["write"] = gr.Button(static("Other words"), size="sm", elem_id="rewrite")
                words = gr.Radio([], label=static("Choose the words"), visible=False, elem_id="word-offers")
                fields |= seen_boxes() | how_boxes()
                own = own_boxes(fields)
        with gr.Row(elem_classes="st-actions st-wrap"):
            orders = {
                name: gr.Button(static(text), size="sm", elem_id=f"scene-{name}")
                for name, text in ORDERS.items()
            }
    return Editor(card, title, picture, offered, film, sound, words, fields, own, asks, orders)


def shown(asks: dict[str, gr.Button]) -> tuple[gr.Image, gr.Gallery, gr.Video, gr.Audio]:
    """The scene's picture, others to choose from, its small film and its voice."""
    plain: dict[str, Any] = {"interactive": False, "buttons": []}
    picture = gr.Image(
        show_label=False,
        label=static("Picture"),
        alt_text=static("Picture"),
        height=420,
        elem_id="scene-picture",
        **plain,
    )
    with gr.Row(elem_classes="st-actions st-wrap"):
        asks["draw"] = gr.Button(static("Other pictures"), size="sm", elem_id="redraw")
        asks["preview"] = gr.Button(static("Preview"), size="sm", elem_id="preview")
        asks["speak"] = gr.Button(static("Listen"), size="sm", elem_id="listen-scene")
    offered = gr.Gallery(
        label=static("Choose a picture"),
        elem_id="offers",
        columns=4,
        height="auto",
        allow_preview=False,
        visible=False,
        object_fit="cover",
        **plain,
    )
    film = gr.Video(
        show_label=False, label=static("Preview"), visible=False, height=420, elem_id="scene-film", **plain
    )
    sound = gr.Audio(show_label=False, label=static("Listen"), visible=False, elem_id="scene-sound", **plain)
    return picture, offered, film, sound


def words_boxes() -> dict[str, Any]:
    """What the scene says, and what it is about."""
    return {
        "say": gr.Textbox(
            label=static("What is said"), lines=3, max_lines=8, max_length=2000, elem_id="scene-say"
        ),
        "about": gr.Textbox(
            label=static("What the words are about"),
            info=static("The writer is told this."),
            max_length=500,
            elem_id="scene-about",
        ),
    }


def seen_boxes() -> dict[str, Any]:
    """What the scene shows, and whether it stays as it is."""
    return {
        "draw": gr.Textbox(
            label=static("What is seen"),
            info=static("In English, for the picture model."),
            lines=2,
            max_lines=6,
            max_length=2000,
            elem_id="scene-draw",
        ),
        "subjects": gr.CheckboxGroup(
            [], label=static("Who and what appears"), visible=False, elem_id="scene-subjects"
        ),
        "lock": field(Scene, "lock", elem_id="scene-lock"),
    }


def how_boxes() -> dict[str, Any]:
    """How the scene moves, who speaks and whose look it has, folded away."""
    with gr.Accordion(
        static("Camera, voice and LoRAs"), open=False, elem_id="scene-how", elem_classes="st-details"
    ):
        with gr.Row(elem_classes="st-pair"):
            found: dict[str, Any] = {
                "seconds": gr.Number(
                    0,
                    minimum=0,
                    maximum=600,
                    label=static("Seconds at least"),
                    info=static("0: as its words take"),
                    elem_id="scene-seconds",
                    min_width=140,
                ),
                "shot": field(Scene, "shot", min_width=140, elem_id="scene-shot"),
                "motion": field(Scene, "motion", min_width=140, elem_id="scene-motion"),
                "transition": field(Scene, "transition", min_width=140, elem_id="scene-transition"),
            }
        with gr.Row(elem_classes="st-pair"):
            voices = [(static("As the film"), ""), *voice_box.choices(Page("en"))]
            found["voice"] = chooser("Voice", voices, "", "scene-voice")
            found["text_lora"] = chooser("Text LoRA", [(static("Plain model"), "")], "", "scene-text-lora")
        with gr.Row(elem_classes="st-pair"):
            found["lora"] = lora_box.several("scene-lora", "None: as the film.")
            found["weight"] = lora_box.weight("scene-weight")
    return found


def own_boxes(fields: dict[str, Any]) -> Own:
    """A picture or clip of the person's own; how it is shown, as far as it is there."""
    with gr.Accordion(
        static("Your own picture or clip"), open=False, elem_id="scene-own", elem_classes="st-details"
    ):
        with gr.Row(elem_classes="st-actions st-wrap"):
            upload = gr.UploadButton(
                static("Choose a picture or clip"),
                size="sm",
                file_types=["image", "video"],
                elem_id="own-picture",
            )
            drop = gr.Button(static("Draw it instead"), size="sm", visible=False, elem_id="drop-picture")
        with gr.Column(visible=False) as still:
            fields["strength"] = field(Scene, "strength")
        with gr.Column(visible=False) as either:
            cut = {
                "x": gr.Slider(0, 1, 0.5, step=0.01, label=static("Cut, left to right")),
                "y": gr.Slider(0, 1, 0.5, step=0.01, label=static("Cut, top to bottom")),
                "zoom": gr.Slider(1, 4, 1, step=0.05, label=static("Closeness")),
            }
        with gr.Column(visible=False) as clip:
            fields["clip_start"] = field(Scene, "clip_start")
            fields["clip_sound"] = field(Scene, "clip_sound")
    return Own(upload, drop, cut, still, either, clip)
