"""Widgets made from settings: label, limits, default and tooltip come from the pydantic field itself.

One declaration in core/settings, so a slider can't allow what the command line refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_origin
from urllib.parse import quote

import gradio as gr
from pydantic import BaseModel

from core.settings.fields import choices, kinds_of, list_sign, rule
from tabs.shell.words import label, static

SLIDER_STEPS = 1000

# Gradio would say "Value 700 is greater than maximum value 600.", in English and of no box by name; the
# settings say which and what, in the person's language. No class of our own: Gradio writes a file beside it.
gr.Number.raise_if_out_of_bounds = staticmethod(lambda *_: None)  # type: ignore[assignment]


def limits(cls: type[BaseModel], name: str) -> tuple[Any, Any]:
    """Lowest and highest value of a field; an open bound counts as its value, None where there is none."""
    info = cls.model_fields[name]
    low = rule(info, "ge")
    return rule(info, "gt") if low is None else low, rule(info, "le")


def tip(cls: type[BaseModel], name: str) -> str:
    """A field's description as a sentence's beginning."""
    about = cls.model_fields[name].description or ""
    return about[:1].upper() + about[1:]


def field(cls: type[BaseModel], name: str, value: Any = None, **how: Any) -> Any:
    """The widget for a field of settings class `cls`; `value` replaces its default, `how` Gradio's options.

    Numbers with a short range become sliders, others number boxes; choices a list; the rest a text box, in
    which the parts of a list stand with commas between or on lines of their own. What may be left to the
    style is empty until it is chosen.
    """
    info = cls.model_fields[name]
    value = info.get_default() if value is None else value
    low, high = limits(cls, name)
    texts = {"label": static(label(name)), "info": static(tip(cls, name))} | how
    kinds = kinds_of(info)
    if type(None) in kinds and (bool in kinds or choices(info)):
        words = choices(info) or ["yes", "no"]
        left_open = [(static("as the style"), ""), *((static(word), word) for word in words)]
        return gr.Dropdown(left_open, value=value or "", **texts)
    if info.annotation is bool:
        return gr.Checkbox(value, **texts)
    if words := choices(info):
        return gr.Dropdown([(static(word), word) for word in words], value=value, **texts)
    if info.annotation in (int, float):
        return _number(info.annotation, low, high, value, texts)
    if type(None) in kinds and Path not in kinds:  # a number too: Gradio's box for those can't be empty
        texts["placeholder"] = static("as the style")
    if get_origin(info.annotation) is tuple:
        return gr.Textbox(shown(cls, name, value), lines=2 if list_sign(info) == "\n" else 1, **texts)
    longest = rule(info, "max_length")
    return gr.Textbox("" if value is None else str(value), max_length=longest, **texts)


def shown(cls: type[BaseModel], name: str, value: Any) -> Any:
    """A setting's value as its widget holds it: a list is one text, its parts as core.settings reads them."""
    if value is None or isinstance(value, bool):
        kinds = kinds_of(cls.model_fields[name])
        if type(None) in kinds and (bool in kinds or choices(cls.model_fields[name])):
            return {None: "", True: "yes", False: "no"}[value]
    if not isinstance(value, tuple):
        return value
    parts = [f"{part:g}" if isinstance(part, float) else str(part) for part in value]
    sign = list_sign(cls.model_fields[name])
    return (sign if sign == "\n" else f"{sign} ").join(parts)


def _number(kind: Any, low: float | None, high: float | None, value: Any, texts: dict[str, Any]) -> Any:
    whole = kind is int
    if low is None or high is None or high - low > SLIDER_STEPS or (not whole and high <= 0.1):
        return gr.Number(value, minimum=low, maximum=high, precision=0 if whole else None, **texts)
    step = 1 if whole else 0.01 if high - low <= 5 else 0.5
    return gr.Slider(low, high, value=value, step=step, **texts)


def fields(cls: type[BaseModel], *names: str, **values: Any) -> dict[str, Any]:
    """Widgets for several fields, by name, ready for `connect(inputs=…)`."""
    return {name: field(cls, name, values.get(name)) for name in names}


def chooser(
    label: str, choices: list[Any], value: Any, elem_id: str, info: str = "", **how: Any
) -> gr.Dropdown:
    """A list to choose from; a choice is a value or (what is shown, value)."""
    return gr.Dropdown(
        choices,
        value=value,
        label=static(label),
        info=static(info) if info else None,
        elem_id=elem_id,
        min_width=140,
        **how,
    )


def left(box: Any) -> Any:
    """The event by which a person is done with a box."""
    return box.blur if isinstance(box, gr.Textbox | gr.Number) else box.input


def unseen(**how: Any) -> gr.Textbox:
    """A text that parts of the page tell each other.

    Gradio shows a hidden one when what it stands in is shown once more; the style sheet doesn't.
    """
    return gr.Textbox(visible="hidden", elem_classes="st-unseen", **how)


def choosing(value: str, choices: list[tuple[str, str]]) -> Any:
    """An update of a chooser to a value that a file names, which may be none of its choices."""
    known = [*choices] if value in {one for _, one in choices} else [*choices, (value, value)]
    return gr.update(choices=known, value=value)


def heading(title: str, about: str) -> None:
    """A section's title with one line below it that says what to do here.

    Two components, because Gradio translates one fixed text in each.
    """
    with gr.Column(elem_classes="st-heading", min_width=0):
        gr.HTML(f"<h2>{static(title)}</h2>")
        gr.HTML(f"<p>{static(about)}</p>")


def address(path: Path) -> str:
    """Where the browser gets a file of the home folder from."""
    return quote(f"gradio_api/file={path.resolve()}", safe="/=")


def empty(title: object, about: object) -> str:
    """What stands where nothing is yet: what is missing, and what to do next."""
    return f"<div class='st-empty'><strong>{title}</strong><span>{about}</span></div>"
