"""How a film is dressed: captions, title, cards, motion, music, voice; what isn't chosen is the style's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake, attempt, by_name
from core.settings.video import FilmSettings
from core.video.audio import music
from tabs.compose.film import draft_of
from tabs.shell.widgets import field, shown
from tabs.shell.wiring import Page, Studio
from tabs.shell.words import static

MUSIC, PICTURE = "music_file", "end_picture"
FILES = (MUSIC, PICTURE)
GROUPS = {
    "Captions on screen": (
        *("captions", "caption_look", "caption_size", "caption_place", "caption_color", "caption_accent"),
        *("caption_font", "caption_back", "caption_show", "caption_lines"),
    ),
    "Title": ("title_shown", "title_words", "title_look", "title_seconds"),
    "End card": ("end_card", "end_words", "end_link", "end_seconds", PICTURE),
    "Motion and transitions": ("motion", "transition", "transition_seconds"),
    "Music": ("music", "music_volume", "music_start", "music_fade", "on_beat", MUSIC),
    "Voice": ("voice_speed", "voice_pitch"),
}
NAMES = tuple(name for names in GROUPS.values() for name in names)


def fold(place: str) -> gr.Accordion:
    """What the boxes are folded into; `place` tells one such fold from another."""
    title = static("Captions, motion and music")
    return gr.Accordion(title, open=False, elem_id=f"{place}-craft", elem_classes="st-details")


def build(place: str) -> dict[str, Any]:
    """A box for each of `NAMES`."""
    boxes: dict[str, Any] = {}
    for title, names in GROUPS.items():
        gr.HTML(static(title), elem_classes="st-group")
        with gr.Row(elem_classes="st-pair"):
            boxes |= {name: box(name, place) for name in names}
    return boxes


def seen(studio: Studio, page: Page, project: str, film: str | None, scene: str, unfolded: str) -> Any:
    """How the captions of the scene that is worked on will look, else those of the first; drawn when seen."""
    from core.video import dressing

    if not unfolded:
        return gr.skip()
    board = attempt(lambda: draft_of(studio, project, film).read())
    if isinstance(board, Mistake):
        return None
    at = next((at for at, one in enumerate(board.scenes) if one.id == scene), 0)
    return dressing.dressed(board, at)


def box(name: str, place: str) -> Any:
    """The box of one setting."""
    if name not in FILES:
        return field(FilmSettings, name, elem_id=f"{place}-{name}")
    kinds = [*music.SOUNDS, ".mp4", ".mov"] if name == MUSIC else ["image"]
    title = static("Your own music") if name == MUSIC else static("Picture on the end card")
    return gr.File(label=title, file_types=kinds, height=110, elem_id=f"{place}-{name}")


def changes(box: Any) -> list[Any]:
    """The events by which a file was chosen or taken away; none of another box."""
    return [box.upload, box.clear] if isinstance(box, gr.File) else []


def held(film: FilmSettings, name: str) -> Any:
    """A setting of a film as its box holds it; no file that is gone."""
    value = getattr(film, name)
    if name in FILES:
        return str(value) if value is not None and value.is_file() else None
    return shown(FilmSettings, name, value)


def taken_in(name: str, given: Any, folder: Path) -> Path | None:
    """A chosen file of `FILES` as the film's own. Raises Mistake where it can't be used."""
    from core.video.picture import own

    if not given:
        return None
    take = music.take_in if name == MUSIC else own.take_picture
    return by_name(Path(given), lambda: take(Path(given), folder / "material"))
