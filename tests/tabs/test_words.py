"""Everything a person reads in the window is there in Chinese, with the same places to fill."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.lora.engine import judging
from core.messages import Mistake
from core.project import safe_name
from core.settings.data import LabelSettings, TextCleaning
from core.settings.lora_jobs import ProofSettings
from core.settings.training import ImageTraining, TextTraining
from core.settings.video import ComposeSettings
from core.video.storyboard.board import Scene, Subject
from tabs.jobs.queue import KINDS
from tabs.shell import widgets, words
from tabs.shell.wiring import Page
from tabs.train import proof
from tabs.train.form import recipe_names, shown_as

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS = {"static", "say", "note", "heading", "empty", "chooser", "several", "_download", "plan", "starts"}
SETTINGS = (LabelSettings, ImageTraining, TextCleaning, TextTraining, ProofSettings, ComposeSettings)


def calls(folder: str) -> Iterator[ast.Call]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def literals(call: ast.Call, *, first_only: bool = False) -> list[str]:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [
        node.value
        for node in (arguments[:1] if first_only else arguments)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def window_texts() -> set[str]:
    found: set[str] = set()
    for call in calls("tabs"):
        if name_of(call) in SPEAKERS:
            found |= {text for text in literals(call) if text[:1].isupper() or " " in text}
        elif name_of(call) == "build" and len(call.args) > 3:
            found |= set(literals(call)) - set(KINDS)
    return found


def settings_texts() -> set[str]:
    fields = [(cls, name) for cls in SETTINGS for name in cls.model_fields]
    fields += [
        (Scene, name)
        for name in ("shot", "motion", "transition", "lock", "strength", "clip_start", "clip_sound")
    ]
    fields += [(Subject, "strength")]
    fields += [(cls, name) for cls, names in proof.CHOSEN.values() for name in names]
    shown = {words.label(name) for cls, name in fields} | {widgets.tip(cls, name) for cls, name in fields}
    return shown | {shown_as(name, kind) for kind in ("image", "text") for name in recipe_names(kind)} - {
        "sd15-8gb",
        "sdxl",
    }


def core_texts() -> set[str]:
    found: set[str] = set()
    for call in (*calls("core"), *calls("tabs")):
        if name_of(call) in {"Mistake", "Unreadable", "Progress", "Steps", "Sentence"} and call.args:
            found |= set(literals(call, first_only=True))
    return found


def proof_texts() -> set[str]:
    return {text for call in calls("core/lora") if name_of(call) == "say" for text in literals(call)}


def logged_texts() -> set[str]:
    return set(judging.FIGURES.values())


def places(template: str) -> set[str]:
    return {name.split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("texts", [window_texts, settings_texts, core_texts, proof_texts, logged_texts])
def test_every_text_has_its_chinese(texts):
    missing = sorted(text for text in texts() if text not in words.chinese())
    assert missing == []


def test_a_translation_has_its_templates_places():
    for text, said in words.chinese().items():
        assert said.strip(), text
        assert places(said) == places(text), text


def test_static_texts_need_no_filling():
    for text in words.catalogue().translations["zh"].values():
        assert "{" not in text and "<" not in text


def test_a_sentence_is_said_in_the_pages_language():
    assert words.say("en", "{step} of {total}", step=3, total=9) == "3 of 9"
    assert "3" in words.say("zh", "{step} of {total}", step=3, total=9)
    assert words.say("zh", "no such text {here}", here=1) == "no such text {here}"  # a file's: never filled


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_template_can_be_said_whatever_its_places_are_called(language):
    """A place called `text` was taken for the template itself: the project `..` gave a nameless error."""
    page = Page(language)
    for template in words.chinese():
        page.sentence(Mistake(template, **{name: 1 for name in places(template)}))
    with pytest.raises(Mistake) as refused:
        safe_name("..")
    assert "'..'" in page.sentence(refused.value)
