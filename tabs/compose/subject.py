"""Who and what stays the same over a film's scenes: people, products, places, each by its look.

Its picture, LoRA and seed make it look alike wherever it appears. Which scenes show it is chosen in each
one's editor (tabs/compose/scene). Fields are kept when left, as those of scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt
from core.video.storyboard import edit
from core.video.storyboard.board import Storyboard, Subject
from core.video.storyboard.draft import Draft
from tabs.compose import lora_box
from tabs.compose.film import Board, draft_of, fitting, stamp, taken_in
from tabs.compose.lora_box import loras_of, specs_of
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, choosing, field, left
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

FIELDS = ("name", "look", "seed", "strength", "likeness")


@dataclass(frozen=True)
class Editor:
    """The subjects by their number from "0" on, and the form of the one that is chosen."""

    chosen: gr.Radio
    add: gr.Button
    form: gr.Column
    fields: dict[str, Any]
    lora: dict[str, Any]
    picture: gr.Image
    upload: gr.UploadButton
    drop: gr.Button
    remove: gr.Button

    @property
    def written(self) -> list[Any]:
        """What a person writes and chooses, in the order of `written`."""
        return [*self.fields.values(), *self.lora.values()]

    @property
    def shown(self) -> list[Any]:
        """What is there to choose from and to see, in the order of `shown`."""
        return [
            *(self.chosen, self.form, self.lora["weight"]),
            *(self.picture, self.drop, self.fields["strength"], self.fields["likeness"]),
        ]


def build() -> Editor:
    """The list of subjects with the form of one, folded away."""
    with gr.Accordion(
        static("Who and what stays the same"), open=False, elem_id="subjects", elem_classes="st-details"
    ):
        gr.HTML(f"<p>{static('People, products and places that look alike in every scene.')}</p>")
        chosen = gr.Radio(
            [], show_label=False, visible=False, elem_id="subject-choice", elem_classes="st-pills"
        )
        with gr.Column(visible=False, elem_id="subject-form") as form, gr.Row(elem_classes="st-columns"):
            with gr.Column(scale=3):
                fields, lora = look_boxes()
                with gr.Row(elem_classes="st-actions st-wrap"):
                    remove = gr.Button(static("Remove"), size="sm", elem_id="subject-remove")
            with gr.Column(scale=2):
                picture, upload, drop, freedom = picture_boxes()
                fields |= freedom
        with gr.Row(elem_classes="st-actions st-wrap"):
            add = gr.Button(static("Add a person, product or place"), size="sm", elem_id="subject-add")
    ordered = {name: fields[name] for name in FIELDS}
    return Editor(chosen, add, form, ordered, lora, picture, upload, drop, remove)


def look_boxes() -> tuple[dict[str, Any], dict[str, Any]]:
    """What it is called, how it looks, and the seed; and its LoRA with the weight."""
    fields: dict[str, Any] = {
        "name": gr.Textbox(label=static("Name"), max_length=60, elem_id="subject-name"),
        "look": gr.Textbox(
            label=static("How it looks"),
            info=static("In English, for the picture model."),
            placeholder=static("such as: a young woman in a red coat, short black hair"),
            lines=2,
            max_lines=5,
            max_length=500,
            elem_id="subject-look",
        ),
    }
    with gr.Row(elem_classes="st-pair"):
        lora = {
            "lora": chooser("Image LoRA of it", [], None, "subject-lora"),
            "weight": lora_box.weight("subject-weight"),
        }
    fields["seed"] = gr.Number(
        label=static("Seed"),
        info=static("The same number draws alike; empty: each scene its own."),
        precision=0,
        elem_id="subject-seed",
    )
    return fields, lora


def picture_boxes() -> tuple[gr.Image, gr.UploadButton, gr.Button, dict[str, Any]]:
    """Its picture, and how far scenes may leave that: by where they begin, or through an IP-Adapter."""
    picture = gr.Image(
        show_label=False,
        label=static("Picture"),
        alt_text=static("Picture"),
        height=240,
        interactive=False,
        buttons=[],
        visible=False,
        elem_id="subject-picture",
    )
    with gr.Row(elem_classes="st-actions st-wrap"):
        upload = gr.UploadButton(
            static("Choose a picture of it"), size="sm", file_types=["image"], elem_id="subject-upload"
        )
        drop = gr.Button(static("Without this picture"), size="sm", visible=False, elem_id="subject-drop")
    titles = {"strength": "Freedom from the picture", "likeness": "Likeness to the picture"}
    freedom = {
        name: field(Subject, name, label=static(title), elem_id=f"subject-{name}")
        for name, title in titles.items()
    }
    return picture, upload, drop, freedom


def wire(studio: Studio, frame: Frame, board: Board, editor: Editor) -> None:
    """Shows the subjects of the chosen film, and keeps what is changed."""
    film = {"project": frame.project, "film": board.film}
    here = film | {"at": editor.chosen}
    # Fields are filled when another subject comes or a step is taken back, never while a person types.
    turns = [editor.chosen.change, board.turned.change, board.film.change]
    watch(studio, turns, partial(written, studio), inputs=here, outputs=editor.written)
    watch(studio, [*turns, board.changed.change], partial(shown, studio), inputs=here, outputs=editor.shown)
    for name, box in editor.fields.items():
        inputs = here | {"value": box}
        connect(studio, [left(box)], partial(keep, studio, name), inputs=inputs, outputs=[board.changed])
    moved = [editor.lora["lora"].input, editor.lora["weight"].release]
    connect(studio, moved, partial(keep_lora, studio), inputs=here | editor.lora, outputs=[board.changed])
    file = here | {"value": editor.upload}
    connect(studio, [editor.upload.upload], partial(take_in, studio), inputs=file, outputs=[board.changed])
    without = partial(keep, studio, "picture", value=None)
    connect(studio, [editor.drop.click], without, inputs=here, outputs=[board.changed])
    outputs = [board.changed, editor.chosen]
    connect(studio, [editor.add.click], partial(add, studio), inputs=film, outputs=outputs)
    connect(studio, [editor.remove.click], partial(remove, studio), inputs=here, outputs=outputs)


def subject_of(
    studio: Studio, project: str, film: str | None, at: str | None
) -> tuple[Draft, Storyboard, int]:
    """The draft, its storyboard, and where the subject stands in it. Raises Mistake where any is gone."""
    draft = draft_of(studio, project, film)
    board = draft.read()
    return draft, board, edit.subject_place(board, int(at) if at else -1)


def listed(board: Storyboard, at: int | None) -> Any:
    """The subjects to choose from, that one chosen."""
    choices = [(one.name, str(number)) for number, one in enumerate(board.subjects)]
    return gr.update(choices=choices, value=None if at is None else str(at), visible=bool(choices))


def written(studio: Studio, page: Page, project: str, film: str | None, at: str | None) -> list[Any]:
    """Values of the subject's fields; nothing changes where there is none."""
    found = attempt(lambda: subject_of(studio, project, film, at))
    if isinstance(found, Mistake):
        return [gr.skip() for _ in range(len(FIELDS) + 2)]
    _, board, number = found
    one = board.subjects[number]
    paths, weight = loras_of([one.lora] if one.lora else [])
    mine = lora_box.looks(studio.open(project))
    loras = choosing(paths[0] if paths else "", [(page.say("None"), ""), *mine])
    return [*(getattr(one, name) for name in FIELDS), loras, weight]


def shown(studio: Studio, page: Page, project: str, film: str | None, at: str | None) -> list[Any]:
    """The subjects there are, whether one is chosen, and its picture with what belongs to that."""
    from core.bases import ip_adapter

    board = attempt(lambda: draft_of(studio, project, film).read())
    if isinstance(board, Mistake):
        return [gr.update(choices=[], value=None, visible=False), *[gr.update(visible=False)] * 6]
    number = int(at) if at and int(at) < len(board.subjects) else None
    one = board.subjects[number] if number is not None else Subject(name="none")
    path = one.picture
    there = path is not None and path.is_file()
    adapter = attempt(lambda: ip_adapter.find(board.film.image_base)[0]) if path is not None else None
    return [
        listed(board, number),
        gr.update(visible=number is not None),
        gr.update(visible=bool(one.lora)),
        gr.update(value=str(path) if there else None, visible=there),
        gr.update(visible=path is not None),
        gr.update(visible=path is not None and adapter is None),
        gr.update(visible=adapter is not None),
    ]


def keep(
    studio: Studio, name: str, page: Page, project: str, film: str | None, at: str | None, value: Any
) -> str:
    """Puts one field of a subject into the storyboard."""
    draft, _, number = subject_of(studio, project, film, at)
    value = value.strip() if isinstance(value, str) else value
    return stamp(draft.change(lambda board: edit.recast(board, number, **{name: value})))


def keep_lora(
    studio: Studio, page: Page, project: str, film: str | None, at: str | None, lora: str, weight: float
) -> str:
    """Puts the subject's LoRA into the storyboard."""
    fitting(draft_of(studio, project, film).read(), [lora] if lora else [])
    spec = specs_of([lora] if lora else [], weight)
    return keep(studio, "lora", page, project, film, at, spec[0] if spec else "")


def take_in(studio: Studio, page: Page, project: str, film: str | None, at: str | None, value: Any) -> str:
    """Takes a picture of the subject into the film's folder, without what it tells of the person."""
    draft, _, _ = subject_of(studio, project, film, at)
    path = taken_in(draft, value)
    return keep(studio, "picture", page, project, film, at, path)


def add(studio: Studio, page: Page, project: str, film: str | None) -> Any:
    """Adds a subject and opens it."""
    draft = draft_of(studio, project, film)
    after = draft.change(lambda board: edit.introduced(board, page.say("Subject")))
    return stamp(after), listed(after, len(after.subjects) - 1)


def remove(studio: Studio, page: Page, project: str, film: str | None, at: str | None) -> Any:
    """Removes the subject, from its scenes too."""
    draft, _, number = subject_of(studio, project, film, at)
    after = draft.change(lambda board: edit.dismissed(board, number))
    return stamp(after), listed(after, None)
