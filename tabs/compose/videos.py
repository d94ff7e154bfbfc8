"""A project's finished videos as Compose shows them: the film, its cover, its subtitles.

Reads what core.video left in the video's folder; changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.project import Project
from core.video.places import Places
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser
from tabs.shell.wiring import Page, Studio, watch
from tabs.shell.words import static

SIZES = {"9:16": (1080, 1920), "1:1": (1080, 1080), "16:9": (1920, 1080), "9:16 small": (540, 960)}


@dataclass(frozen=True)
class Chosen:
    """What others need of the card: the list of videos, and the chosen one's cover to see and to have."""

    chosen: gr.Dropdown
    cover: gr.Image
    picture: gr.DownloadButton


def build(studio: Studio, frame: Frame) -> Chosen:
    """The newest video with what belongs to it, others to choose from; hidden until there is one."""
    with gr.Column(elem_classes="st-card", visible=False) as card:
        chosen = chooser("Video", [], None, "video-choice")
        with gr.Row(elem_classes="st-result"):
            player = gr.Video(
                label=static("Video"),
                show_label=False,
                buttons=[],
                interactive=False,
                elem_id="video",
                height=520,
                scale=3,
            )
            with gr.Column(scale=2, min_width=200):
                cover = gr.Image(
                    label=static("Cover"),
                    alt_text=static("Cover"),
                    show_label=False,
                    buttons=[],
                    interactive=False,
                    elem_id="cover",
                    height=300,
                )
                film = gr.DownloadButton(static("Download the video"), variant="primary", elem_id="download")
                subtitles = gr.DownloadButton(static("Subtitles (.srt)"), elem_id="subtitles")
                picture = gr.DownloadButton(static("Cover picture"))

    def listed(page: Page, project: str) -> Any:
        made = studio.open(project).videos()
        choices = [(title(path), str(path)) for path in made]
        return gr.update(choices=choices, value=choices[0][1] if made else None), gr.update(
            visible=bool(made)
        )

    def show(page: Page, project: str, path: str | None) -> Any:
        return parts(page, studio.open(project), path)

    here = {"project": frame.project}
    watch(studio, [*frame.arrivals, *frame.after("compose")], listed, inputs=here, outputs=[chosen, card])
    shown = [player, cover, film, subtitles, picture]
    watch(studio, [chosen.change], show, inputs=here | {"path": chosen}, outputs=shown)
    return Chosen(chosen, cover, picture)


def parts(page: Page, project: Project, path: str | None) -> tuple[Any, ...]:
    """Values for player, cover and three downloads; nothing for a path that is no video of the project."""
    video = next((made for made in project.videos() if str(made) == path), None)
    if video is None:
        return (None, None, *(gr.update(visible=False) for _ in range(3)))
    places = Places(video)
    cover, srt = places.beside("cover.png"), places.srt
    return (
        video,
        cover if cover.is_file() else None,
        _download(page, "Download the video", video),
        _download(page, "Subtitles (.srt)", srt),
        _download(page, "Cover picture", cover),
    )


def title(video: Path) -> str:
    """What a video is called in the list: its film, and which one of several it is."""
    number = video.stem.removeprefix("video").removeprefix("-")
    return f"{video.parent.name} ({number})" if number else video.parent.name


def _download(page: Page, text: str, path: Path) -> Any:
    there = path.is_file()
    return gr.update(value=str(path) if there else None, label=page.say(text), visible=there)
