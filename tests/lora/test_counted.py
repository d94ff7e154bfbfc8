"""The settings marked as counted are those that change what is told before a training or a film."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from core import device
from core.lora import preflight
from core.lora.engine import budget
from core.lora.estimate import timings
from core.messages import Mistake
from core.settings import presets
from core.settings.fields import choices, kinds_of, rule
from core.settings.marks import COUNTED, marked
from core.settings.training import ImageTraining, TextTraining, Training
from core.settings.video import ComposeSettings
from core.video import timing

# Contexts, as many settings matter only beside others.
IMAGES: list[dict[str, Any]] = [
    {"holdout": 0.34, "samples": 2, "sample_steps": 2, "keep_loras": 1, "prove": True, "save_steps": 2},
    {"optimizer": "prodigy", "learning_rate": 2e-4, "keep_tags": 3, "samples": 0},
]
TEXTS: list[dict[str, Any]] = [
    {"samples": 2, "sample_steps": 2, "keep_loras": 1, "prove": True, "save_steps": 2},
    {"optimizer": "prodigy", "learning_rate": 2e-4, "holdout": 0.0, "samples": 0},
]


@pytest.fixture(autouse=True)
def steady(monkeypatch, tmp_path):
    """What is free changes by the second; here it is told by the place alone."""
    monkeypatch.setattr(device, "available_bytes", lambda where: 10**15)
    other = tmp_path / "another disk"
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10**15 - (place == other)))


@pytest.fixture
def places(picture_folder, text_file, tmp_path):
    """Other files and folders than those that the settings name, by setting."""
    (tmp_path / "another disk").mkdir()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    outside = tmp_path / "two" / "outside.png"
    Image.new("RGB", (64, 96)).save(outside)
    shutil.copytree(picture_folder, tmp_path / "linked")
    (tmp_path / "linked" / "metadata.csv").unlink()
    os.symlink(outside, tmp_path / "linked" / "link.png")
    fewer = tmp_path / "fewer.csv"
    with fewer.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "text"), ("0.png", "a shore"), ("1.png", "a hill")])
    Image.new("RGB", (64, 64)).save(tmp_path / "one" / "a.png")
    lines = text_file.read_text().splitlines()
    (tmp_path / "few.jsonl").write_text("\n".join(lines[:4]))
    return SimpleNamespace(
        linked=tmp_path / "linked",
        other={
            "train_data_dir": tmp_path / "one",
            "reg_data_dir": tmp_path / "one",
            "metadata_path": fewer,
            "train_data_path": tmp_path / "few.jsonl",
            "output_dir": tmp_path / "another disk" / "run",
            "lora_dir": tmp_path / "another disk",
            "continue_from": tmp_path / "one",
            "base_model": "owner/name",
            "name": "another",
            "trigger": "another",
            "target_modules": ("to_q",),
            "sample_prompts": ("a", "b", "c"),
            "sample_topics": ("a", "b", "c"),
        },
    )


def others(cls: type[Any], name: str, known: dict[str, Any], now: Any) -> Iterator[Any]:
    """Values of a setting that differ from the one it has."""
    field = cls.model_fields[name]
    if name in known:
        values: list[Any] = [known[name]]
        if name == "target_modules" and cls is TextTraining:
            values = [("q_proj",)]
    elif bool in kinds_of(field):
        values = [not now]
    elif choices(field):
        values = choices(field)
    elif rule(field, "pattern"):
        values = ["#123456"]
    else:
        least, most = rule(field, "ge") or rule(field, "gt") or 0, rule(field, "le")
        kind, usual = (int if int in kinds_of(field) else float), least if now is None else now
        values = [kind(value) for value in (least, least + 1, usual * 2, usual + 7, (least + most) / 2, most)]
        values = [value for value in values if least <= value <= most]
    yield from (value for value in values if value != now)


def told(settings: Training) -> object:
    try:
        return preflight.needs(settings), [str(line) for line in preflight.lines(settings)]
    except Mistake as mistake:
        return str(mistake)


def that_change(contexts: list[Training], known: dict[str, Any]) -> set[str]:
    """The settings of which some other value changes what is told in some context."""
    found = set()
    for chosen in contexts:
        before = told(chosen)
        assert not isinstance(before, str), before
        for name in type(chosen).model_fields.keys() - found - {"kind"}:
            for value in others(type(chosen), name, known, getattr(chosen, name)):
                if told(chosen.model_copy(update={name: value})) != before:
                    found.add(name)
                    break
    return found


def measured(settings: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if such a run had been timed; samples are quick enough that all are made."""
    keys: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(timings, "known", keys.append)
        preflight.needs(settings)
    key = keys[0]
    timings.keep({key: 1.0, **{f"{key} | {part}": 0.5 for part in timings.BESIDES}})
    timings.keep({f"{key} | {timings.PACE}": 1e-5})


def test_the_settings_that_change_what_a_training_takes(image_settings, text_settings, places, monkeypatch):
    pictures = [image_settings(**one) for one in IMAGES]
    pictures.append(image_settings(train_data_dir=places.linked))
    texts = [text_settings(**one) for one in TEXTS]
    for chosen in (*pictures, *texts):
        measured(chosen, monkeypatch)
        assert preflight.needs(chosen).seconds
    of_pictures, of_texts = (that_change(contexts, places.other) for contexts in (pictures, texts))
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)  # of so short a training all looks may be made
    for contexts, found in ((pictures, of_pictures), (texts, of_texts)):
        for one in contexts:
            looked = [
                one.model_copy(update={"look_share": share, "validate_steps": 1}) for share in (0, 1e-5)
            ]
            if told(looked[0]) != told(looked[1]):
                found.add("look_share")
    for_pictures, for_texts = ({*marked(cls, COUNTED)} for cls in (ImageTraining, TextTraining))
    assert of_pictures == for_pictures
    assert of_texts == for_texts - {"dropout"}  # that few texts want it their own report tells


def test_the_settings_that_change_how_long_a_film_takes(tmp_path):
    style = presets.preset("styles", "ink-wash").read_text(encoding="utf-8")
    (tmp_path / "style.yaml").write_text(f"{style}\ntext_lora: mine\n", encoding="utf-8")
    other = {
        "topic": " ", "style": str(tmp_path / "style.yaml"), "text_lora": ("a",), "lora": ("b",),
        "text_base": "owner/name", "text_model": "mine", "image_base": "owner/name", "voice": "none",
        "output": "other.mp4", "script": "a.txt", "product": "b.txt", "storyboard": "c.yaml",
        "music_file": "d.mp3", "title_words": "a", "end_words": "b", "end_link": "c", "end_picture": "e.png",
    }  # fmt: skip
    chosen = ComposeSettings(topic="a river", style="ink-wash")
    timings.keep(dict.fromkeys(timing._keys(chosen).values(), 1.0))

    def said(**changed: Any) -> object:
        try:
            settings = ComposeSettings(**{**chosen.model_dump(), **changed})
        except ValueError:
            return "no film"
        return timing.expected(settings)

    found = {
        name
        for name in ComposeSettings.model_fields
        for value in others(ComposeSettings, name, other, getattr(chosen, name))
        if said(**{name: value}) != said()
    }
    assert found == {*marked(ComposeSettings, COUNTED)}
