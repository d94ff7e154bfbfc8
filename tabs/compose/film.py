"""The film that is worked on: its draft, what goes into it, and what its storyboard tells its parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from core.messages import Mistake, by_name
from core.video.storyboard.board import Storyboard
from core.video.storyboard.draft import Draft
from tabs.shell.wiring import Studio


@dataclass(frozen=True)
class Board:
    """The card's parts that others listen to: the chosen film, the scene worked on, and what shows both.

    changed: another text whenever the storyboard has changed, on any of this page's ways; turned: when what a
    person may be typing has changed too, as by Undo.
    """

    film: gr.Dropdown
    scene: gr.Textbox
    strip: gr.Gallery
    changed: gr.Textbox
    turned: gr.Textbox


def draft_of(studio: Studio, project: str, film: str | None) -> Draft:
    """The film's folder as a draft. Raises Mistake for one that isn't the project's, or has no storyboard."""
    folder = next((one for one in studio.open(project).films() if str(one) == film), None)
    if folder is None or not (folder / "storyboard.yaml").is_file():
        raise Mistake("There is no storyboard here yet; write one first.")
    return Draft(folder)


def taken_in(draft: Draft, file: str) -> Path:
    """A dropped picture or clip in the film's folder, without what it tells of the person.

    Raises Mistake where it can't be used.
    """
    from core.video.picture import own

    given = Path(file)
    return by_name(given, lambda: own.take_in(given, draft.folder / "material"))


def fitting(board: Storyboard, loras: Iterable[str]) -> None:
    """Raises Mistake where an image LoRA was made for another kind of base than the film's."""
    from core.lora.adapters import fuse

    for path in map(Path, loras):
        if path.is_file():
            by_name(path, partial(fuse.check, board.film.image_base, path))


def stamp(board: Storyboard) -> str:
    """Another text for another storyboard, for what is to be drawn anew after a change."""
    return f"{hash(board.model_dump_json()):x}"
