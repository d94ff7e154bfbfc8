"""A widget allows exactly what its setting allows."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from PIL import Image
from pydantic import ValidationError

from core.images import project_set as picture_set
from core.messages import Mistake
from core.settings.data import LabelSettings
from core.settings.marks import COUNTED, marked
from core.settings.reading import make
from core.settings.training import ImageTraining, TextTraining
from core.settings.video import ComposeSettings
from tabs import window
from tabs.jobs import queue
from tabs.shell.widgets import field, limits
from tabs.train import form

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


# Chosen beside the details, or the project's own; of pictures outside, only who has the command line decides.
APART = {"kind", "base_model", "name", "trigger", "continue_from", "resume", "output_dir", "lora_dir",
         "train_data_dir", "metadata_path", "train_data_path", "task", "outside_pictures"}  # fmt: skip


@pytest.mark.parametrize("cls", [ImageTraining, TextTraining])
def test_every_setting_of_a_training_is_within_reach(cls):
    grouped = [name for names in form.GROUPS.values() for name in names]
    assert set(cls.model_fields) - APART <= {*form.MAIN, *grouped}
    assert len(grouped) == len(set(grouped))


def test_a_list_is_read_as_its_box_shows_it():
    values = {"target_modules": ("to_q", "to_out.0"), "sample_prompts": ("a boat, at dawn", "tea")}
    texts = {name: field(ImageTraining, name, value).value for name, value in values.items()}
    assert texts == {"target_modules": "to_q, to_out.0", "sample_prompts": "a boat, at dawn\ntea"}
    made = ImageTraining(**texts)
    assert (made.target_modules, made.sample_prompts) == tuple(values.values())
    assert (
        field(ImageTraining, "sample_prompts").value == ""
        and ImageTraining(sample_prompts="").sample_prompts == ()
    )


def test_a_folder_is_none_or_one_and_a_wrong_one_is_one_sentence(studio):
    assert ImageTraining(reg_data_dir=" ").reg_data_dir is None
    assert ImageTraining(reg_data_dir="~/x").reg_data_dir == Path.home() / "x"
    other = studio.home.project("plain")
    assert picture_set.others(studio.home, "river-town") == []
    Image.new("RGB", (80, 80)).save(other.images() / "a.png")
    assert picture_set.others(studio.home, "river-town") == [("plain", str(other.images()))]
    given = {"train_data_dir": studio.project.images(), "reg_data_dir": "/no/such folder"}
    said = queue.preflight(lambda: ImageTraining(**given))
    assert [str(one) for one in said] == ["There is no folder /no/such folder; check the name."]


def test_choices_and_switches_come_from_the_annotation():
    assert [value for _, value in field(ImageTraining, "lr_scheduler").choices] == [
        "constant",
        "cosine",
        "linear",
    ]
    assert isinstance(field(ImageTraining, "flip"), gr.Checkbox)
    assert field(LabelSettings, "trigger").max_length == 40


def test_a_number_out_of_bounds_is_told_by_the_settings_not_by_gradio():
    """Gradio said "Value 900 is greater than maximum value 60.", in English, and of no box by name."""
    box = field(ComposeSettings, "fps")
    assert box.preprocess(900) == 900 and box.preprocess(None) is None
    with pytest.raises(Mistake, match="fps in here is 900"):
        make(ComposeSettings, {"topic": "tea", "fps": box.preprocess(900)}, "here")


def test_each_counted_setting_refreshes_what_is_told(studio, monkeypatch):
    made, controls = [], form.controls
    monkeypatch.setattr(form, "controls", lambda *how: made.append(controls(*how)) or made[-1])
    app = window.build(studio)

    def refreshing(box):
        asking = [one for one in app.config["dependencies"] if box._id in one["outputs"]]
        return {target for one in asking for target, event in one["targets"] if event == "change"}

    plans = [box for box in app.blocks.values() if "st-strip" in (getattr(box, "elem_classes", None) or [])]
    assert [one.cls for one in made] == [ImageTraining, TextTraining] and len(plans) == 2
    for one, plan in zip(made, plans, strict=True):
        names = [name for name in marked(one.cls, COUNTED) if name in one.chosen]
        assert {"seed", "prove", "keep_best", "sample_steps"} < {*names}
        assert {one.chosen[name]._id for name in names} <= refreshing(plan)
    boxes = {box.elem_id: box for box in app.blocks.values() if getattr(box, "elem_id", None)}
    shown = refreshing(boxes["compose-time"])
    for name in ("topic", "style", "size", "use-text", "compose-image-base", "compose-text-base"):
        assert boxes[name]._id in shown, name
