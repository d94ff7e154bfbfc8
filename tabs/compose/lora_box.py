"""Image LoRAs in a box: chosen by their files, all with one weight, and as settings name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from core.messages import Mistake
from core.project import Project
from core.settings.style import Style
from core.video.picture import frames
from tabs.shell.widgets import chooser, limits
from tabs.shell.wiring import Page
from tabs.shell.words import static


def several(name: str, info: str) -> gr.Dropdown:
    """Chooses any number of LoRAs; `info` says what none means."""
    return chooser("Image LoRAs", [], [], name, info, multiselect=True)


def weight(name: str) -> gr.Slider:
    """How strongly the LoRAs beside it draw."""
    low, high = limits(Style, "lora_weight")
    return gr.Slider(low, high, value=1, step=0.05, label=static("Weight"), elem_id=name, min_width=140)


def specs_of(loras: Sequence[str] | None, weight: float | None) -> tuple[str, ...]:
    """Image LoRAs as settings name them, `FILE:weight`; 1 where the weight's box is empty.

    Raises Mistake for a weight that is none.
    """
    share = 1.0 if weight is None else weight
    low, high = limits(Style, "lora_weight")
    if not low <= share <= high:
        raise Mistake(
            "The weight is {weight}; it must be between {low:g} and {high:g}.",
            weight=share,
            low=low,
            high=high,
        )
    return tuple(f"{path}:{share:g}" for path in loras or ())


def loras_of(specs: Sequence[str]) -> tuple[list[str], float]:
    """The files that settings name, and the first one's weight; 1 where none is named."""
    found = [frames.parted(spec) for spec in specs]
    return [name for name, _ in found], found[0][1] if found else 1.0


def looks(project: Project) -> list[tuple[str, str]]:
    """The project's image LoRAs to choose from."""
    return [(path.stem, str(path)) for path in project.image_loras()]


def tones(page: Page, project: Project) -> list[tuple[str, str]]:
    """The project's text LoRAs to choose from, and none."""
    return [(page.say("Plain model"), ""), *((path.name, str(path)) for path in project.text_loras())]


def chosen(project: Project, specs: Sequence[str]) -> list[Any]:
    """Values for `several` and `weight`: the project's LoRAs to choose from, with those that specs name."""
    names, share = loras_of(specs)
    mine = looks(project)
    gone = [(Path(name).stem, name) for name in names if name not in {path for _, path in mine}]
    return [gr.update(choices=[*mine, *gone], value=names), share]  # one that is gone can be taken out
