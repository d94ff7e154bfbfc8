"""What a video is made from: a topic, one's own words, a product, a storyboard; pasted, or dropped as a file.

What was pasted or dropped is put into the film's folder, where it stands beside the storyboard made of it. A
storyboard becomes a film of the project at once (core.video.opening), to be changed scene by scene.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt
from core.project import write_atomic
from core.texts import document
from tabs.shell import base_model_box
from tabs.shell.header import Frame
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

TOPIC, SCRIPT, PRODUCT, STORYBOARD = "topic", "script", "product", "storyboard"
KINDS = {TOPIC: "Topic", SCRIPT: "My words", PRODUCT: "Product", STORYBOARD: "Storyboard"}
ENDINGS = [".txt", ".md", ".docx", ".srt", ".vtt", ".ass", ".lrc", ".csv", ".xlsx"]
LONGEST = 50_000  # characters that may be pasted
TITLE = 40  # characters of the first line that name a film without a topic


@dataclass(frozen=True)
class Boxes:
    """Where from; the words or the file where it isn't a topic; a storyboard with its pictures."""

    kind: gr.Radio
    words: gr.Textbox
    file: gr.File
    board: gr.File

    @property
    def chosen(self) -> dict[str, Any]:
        """By the names that `title` and `put` take."""
        return {"source": self.kind, "words": self.words, "file": self.file}


def kind_box() -> gr.Radio:
    """What the video is made from."""
    return gr.Radio(
        [(static(text), name) for name, text in KINDS.items()],
        value=TOPIC,
        label=static("Made from"),
        show_label=False,
        elem_id="source",
        elem_classes="st-pills",
    )


def build(kind: gr.Radio) -> Boxes:
    """The boxes for all but a topic, hidden until their kind is chosen."""
    words = gr.Textbox(
        label=static("Your words"),
        lines=6,
        max_lines=16,
        max_length=LONGEST,
        visible=False,
        elem_id="own-words",
    )
    file = gr.File(
        label=static("Or drop a file"),
        file_types=ENDINGS,
        visible=False,
        height=100,
        elem_id="own-file",
        elem_classes="st-drop",
    )
    board = gr.File(
        label=static("Drop storyboard.yaml and its pictures"),
        file_count="multiple",
        file_types=[".yaml", ".yml", "image", "video", "audio"],
        visible=False,
        height=120,
        elem_id="open-board",
        elem_classes="st-drop",
    )
    return Boxes(kind, words, file, board)


def wire(studio: Studio, frame: Frame, boxes: Boxes, topic: gr.Textbox, rest: gr.Column) -> None:
    """What shows for each kind (`rest`: what a storyboard brings with it), and what a dropped one does."""
    shown = [topic, boxes.words, boxes.file, boxes.board, rest]
    watch(studio, [boxes.kind.change], turned, inputs={"kind": boxes.kind}, outputs=shown)
    given = {"project": frame.project, "files": boxes.board}
    news = [boxes.board, frame.ended["script"]]
    connect(studio, [boxes.board.upload], partial(take_board, studio), inputs=given, outputs=news)


def turned(page: Page, kind: str) -> list[Any]:
    """Which boxes show, and what the one for words asks for."""
    hints = {
        SCRIPT: (page.say("Your words"), page.say("Every word is kept; an empty line begins a new scene.")),
        PRODUCT: (
            page.say("The product"),
            page.say("A line for each: name, points, price, audience. No other claim is made."),
        ),
    }
    label, info = hints.get(kind, hints[SCRIPT])
    own = kind in hints
    return [
        gr.update(visible=kind == TOPIC),
        gr.update(visible=own, label=label, info=info),
        gr.update(visible=own),
        gr.update(visible=kind == STORYBOARD),
        gr.update(visible=kind != STORYBOARD),
    ]


def take_board(studio: Studio, page: Page, project: str, files: list[str] | None) -> Any:
    """Makes a film of a dropped storyboard; its cards appear as a job's would.

    What is wrong is told, not raised, so that the box is free for a better one.
    """
    from core.video import opening

    offered = {
        f"{kind}_base": [value for _, value in base_model_box.base_models(studio, kind, auto=kind == "text")]
        for kind in ("image", "text")
    }
    given = [Path(one) for one in files or ()]
    found = attempt(lambda: opening.opened(given, studio.open(project), offered))
    if isinstance(found, Mistake):
        page.warn(found)
        return None, gr.skip()
    folder, missing = found
    for one in missing:
        page.warn(one)
    page.note("{name} is open below: change its scenes, then press Make video of this.", name=folder.name)
    return None, str(folder)


def title(topic: str, source: str, words: str, file: Any) -> str:
    """What the film is called: the topic (perhaps none yet), the file's name, or the words' first line.

    Raises Mistake where there are no words and no file.
    """
    if source == TOPIC:
        return topic or ""
    first = next((line.strip() for line in (words or "").splitlines() if line.strip()), "")
    if not first and not file:
        raise Mistake("Write or paste your words, or drop a file with them.")
    return Path(file).stem if file else first[:TITLE]


def put(folder: Path, source: str, words: str, file: Any) -> dict[str, Path]:
    """Puts the words or the file into the film's folder; gives the setting that names it, none of a topic."""
    if source == TOPIC:
        return {}
    if file:
        given = Path(file)
        ending = re.sub(r"[^.a-z0-9]", "", given.suffix.lower())
        return {source: write_atomic(folder / f"{source}{ending}", given.read_bytes())}
    return {source: document.kept(words, folder, source)}
