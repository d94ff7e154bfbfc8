"""A project's finished videos as Compose shows them: the film, its cover, its subtitles, its storyboard.

Reads what core.video left in the video's folder; changes nothing.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import yaml

from core.project import Project
from tabs.frame import Frame
from tabs.widgets import address, chooser, heading
from tabs.wiring import Page, Studio, watch
from tabs.words import static

SIZES = {"9:16": (1080, 1920), "1:1": (1080, 1080), "16:9": (1920, 1080), "9:16 small": (540, 960)}


def build(studio: Studio, frame: Frame) -> None:
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
        heading("Storyboard", "What each scene says and shows.")
        board = gr.HTML(elem_id="storyboard")

    def listed(page: Page, project: str) -> Any:
        made = studio.open(project).videos()
        choices = [(path.parent.name, str(path)) for path in made]
        return gr.update(choices=choices, value=choices[0][1] if made else None), gr.update(
            visible=bool(made)
        )

    def show(page: Page, project: str, path: str | None) -> Any:
        return parts(page, studio.open(project), path)

    here = {"project": frame.project}
    watch(studio, [*frame.arrivals, *frame.after("compose")], listed, inputs=here, outputs=[chosen, card])
    shown = [player, cover, film, subtitles, picture, board]
    watch(studio, [chosen.change], show, inputs=here | {"path": chosen}, outputs=shown)


def parts(page: Page, project: Project, path: str | None) -> tuple[Any, ...]:
    """Values for player, cover, three downloads and storyboard; nothing for a path that is no video of it."""
    video = next((made for made in project.videos() if str(made) == path), None)
    if video is None:
        return (None, None, *(gr.update(visible=False) for _ in range(3)), "")
    cover, srt = video.parent / "cover.png", video.with_suffix(".srt")
    return (
        video,
        cover if cover.is_file() else None,
        _download(page, "Download the video", video),
        _download(page, "Subtitles (.srt)", srt),
        _download(page, "Cover picture", cover),
        storyboard(page, video.parent / "storyboard.yaml"),
    )


def _download(page: Page, text: str, path: Path) -> Any:
    there = path.is_file()
    return gr.update(value=str(path) if there else None, label=page.say(text), visible=there)


def storyboard(page: Page, path: Path) -> str:
    """The scenes as a table: number, frame, narration, what was asked for."""
    scenes = yaml.safe_load(path.read_text(encoding="utf-8"))["scenes"] if path.is_file() else []
    heads = "".join(
        f"<th scope='col'>{page.say(name)}</th>" for name in ("Scene", "Frame", "Narration", "Prompt")
    )
    rows = "".join(
        f"<tr><td>{number}</td><td>{frame(path.parent / 'scenes' / f'{number:02}.png')}</td>"
        f"<td>{escape(str(scene.get('narration', '')))}</td>"
        f"<td>{escape(str(scene.get('prompt', '')))}</td></tr>"
        for number, scene in enumerate(scenes, 1)
    )
    return (
        f"<table class='st-board'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )


def frame(path: Path) -> str:
    """A drawn frame as a small picture, served from the home folder; empty where it is gone."""
    return f"<img src='{address(path)}' alt='' loading='lazy'>" if path.is_file() else ""
