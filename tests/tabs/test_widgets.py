"""A widget allows exactly what its setting allows."""

from __future__ import annotations

import gradio as gr
import pytest
from pydantic import ValidationError

from core.settings import ComposeSettings, ImageTraining, LabelSettings, TextTraining
from tabs.widgets import field, limits

CLASSES = (LabelSettings, ImageTraining, TextTraining, ComposeSettings)
NUMBERS = [
    (cls, name)
    for cls in CLASSES
    for name, info in cls.model_fields.items()
    if info.annotation in (int, float)
]
NEEDED = {LabelSettings: {"pictures": "."}, ComposeSettings: {"topic": "a river"}}


@pytest.mark.parametrize(("cls", "name"), NUMBERS)
def test_a_number_has_the_settings_bounds_and_default(cls, name):
    widget = field(cls, name)
    assert isinstance(widget, gr.Slider | gr.Number)
    assert (widget.minimum, widget.maximum) == limits(cls, name)
    assert widget.value == cls.model_fields[name].default
    low, high = limits(cls, name)
    cls(**NEEDED.get(cls, {}), **{name: high})
    with pytest.raises(ValidationError):
        cls(**NEEDED.get(cls, {}), **{name: high * 2 + 1})
    with pytest.raises(ValidationError):
        cls(**NEEDED.get(cls, {}), **{name: low - 1})


def test_choices_and_switches_come_from_the_annotation():
    assert [value for _, value in field(ImageTraining, "lr_scheduler").choices] == [
        "constant",
        "cosine",
        "linear",
    ]
    assert isinstance(field(ImageTraining, "flip"), gr.Checkbox)
    assert field(LabelSettings, "trigger").max_length == 40
