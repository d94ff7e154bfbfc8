"""Who and what stays the same in a film: added, changed and removed in the window, and put into scenes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from core.messages import Mistake
from core.settings.presets import preset
from core.settings.reading import load
from core.settings.style import Style
from core.video import drawing
from core.video.storyboard import edit, file
from core.video.storyboard.board import MOST_SUBJECTS, Scene, Storyboard, Subject
from core.video.storyboard.draft import Draft
from tabs.compose import subject
from tabs.shell.wiring import Page as Asking
from tests.tabs.test_window import turn_to


@pytest.fixture
def draft(studio) -> Draft:
    folder = studio.project.new_video("rain")
    subjects = [Subject(name="Mei", look="a woman in red", seed=4), Subject(name="boat")]
    scenes = [Scene(say="It rains.", draw="a street", subjects=["Mei", "boat"]), Scene(say="Tea.")]
    file.write(Storyboard(topic="rain", subjects=subjects, scenes=scenes), folder / "storyboard.yaml")
    return Draft(folder)


def asked(studio, draft: Draft, *at: str) -> tuple:
    return Asking("en"), studio.project.name, str(draft.folder), *at


def test_what_is_left_is_kept_alone_and_scenes_follow_a_name(studio, draft: Draft) -> None:
    here = asked(studio, draft, "0")
    for name, value in {"name": " 梅 ", "look": "a woman in blue", "seed": None, "strength": 0.4}.items():
        subject.keep(studio, name, *here, value)
    board = draft.read()
    one = board.subjects[0]
    assert (one.name, one.look, one.seed, one.strength) == ("梅", "a woman in blue", None, 0.4)
    assert board.scenes[0].subjects == ("梅", "boat") and board.subjects[1] == Subject(name="boat")
    draft.undo()
    assert draft.read().subjects[0].strength == 0.9


def test_a_lora_and_a_picture_make_it_look_alike(studio, draft: Draft, tmp_path: Path) -> None:
    here = asked(studio, draft, "0")
    subject.keep_lora(studio, *here, "/a b/mei.safetensors", 0.6)
    photo = tmp_path / "mei.jpg"
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    Image.new("RGB", (80, 90), "teal").save(photo, exif=exif)
    subject.take_in(studio, *here, str(photo))
    one = draft.read().subjects[0]
    assert one.lora == "/a b/mei.safetensors:0.6" and one.picture == draft.folder / "material" / "mei.jpg"
    assert not Image.open(one.picture).getexif()
    values = subject.written(studio, *here)
    assert values[:5] == ["Mei", "a woman in red", 4, 0.9, 0.6] and values[6] == 0.6
    assert values[5]["value"] == "/a b/mei.safetensors"
    shown = [one.get("visible") for one in subject.shown(studio, *here)]
    assert shown[4:] == [True, True, False], "no IP-Adapter here, so scenes begin from the picture"
    subject.keep(studio, "likeness", *here, 0.3)
    assert draft.read().subjects[0].likeness == 0.3
    subject.keep_lora(studio, *here, "", 1.0)
    board = draft.read()
    style = load(Style, preset("styles", "ink-wash"))
    assert board.subjects[0].lora == ""
    plan = drawing.plan(board, 0, style, {})
    assert (plan.start, plan.strength, plan.seed) == (one.picture, 0.9, 4)
    subject.keep(studio, "picture", *here, None)
    assert draft.read().subjects[0].picture is None


def test_they_come_and_go(studio, draft: Draft) -> None:
    _, listed = subject.add(studio, *asked(studio, draft))
    subject.add(studio, *asked(studio, draft))
    assert listed["value"] == "2" and listed["choices"][2][0] == "Subject"
    assert [one.name for one in draft.read().subjects] == ["Mei", "boat", "Subject", "Subject 2"]
    subject.remove(studio, *asked(studio, draft, "0"))
    board = draft.read()
    assert [one.name for one in board.subjects] == ["boat", "Subject", "Subject 2"]
    assert board.scenes[0].subjects == ("boat",)
    draft.undo()
    assert draft.read().scenes[0].subjects == ("Mei", "boat")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", "  ", "name in subject 1 is empty"),
        ("name", "boat", "There is a boat already"),
        ("seed", -1, "seed in subject 1 is -1"),
        ("strength", 3, "strength in subject 1 is 3"),
    ],
)
def test_a_wrong_value_is_one_sentence_and_changes_nothing(studio, draft: Draft, name, value, said) -> None:
    before = draft.read()
    with pytest.raises(Mistake, match=said):
        subject.keep(studio, name, *asked(studio, draft, "0"), value)
    assert draft.read() == before


def test_one_that_another_page_removed_is_told(studio, draft: Draft) -> None:
    for at in ("2", None):
        with pytest.raises(Mistake, match="no longer in the storyboard"):
            subject.keep(studio, "look", *asked(studio, draft, at), "x")
    shown = subject.shown(studio, *asked(studio, draft, "2"))
    assert shown[0]["value"] is None and shown[1]["visible"] is False
    full = draft.read()
    for _ in range(MOST_SUBJECTS - 2):
        full = edit.introduced(full, "one")
    with pytest.raises(Mistake, match="remove one first"):
        edit.introduced(full, "one")


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, {"width": 390, "height": 844}])
def test_a_person_is_added_and_put_into_a_scene(visit, served, viewport) -> None:
    folder = served.studio.project.new_video("tea")
    file.write(
        Storyboard(topic="tea", scenes=[Scene(say="Tea."), Scene(say="More.")]), folder / "storyboard.yaml"
    )
    page = visit(viewport=viewport)
    turn_to(page, "compose")
    expect(page.locator("#scenes img")).to_have_count(2)
    page.locator("#subjects button").first.click()
    page.locator("#subject-add").click()
    expect(page.locator("#subject-choice")).to_contain_text("Subject")
    box = page.locator("#subject-name").locator("input, textarea")
    expect(box).to_have_value("Subject")
    box.fill("Mei")
    page.locator("#subject-look textarea").fill("a woman in a red coat")
    expect(page.locator("#subject-choice")).to_contain_text("Mei")
    expect(page.locator("#subject-look textarea")).to_have_value("a woman in a red coat")
    page.locator("#subject-look textarea").press("Tab")
    page.locator("#scenes .thumbnail-lg, #scenes .gallery-item button").nth(1).click()
    expect(page.locator("#scene-title")).to_contain_text("Scene 2 of 2")
    page.locator("#scene-subjects").get_by_label("Mei").check()
    expect(page.locator("#undo")).to_be_enabled()
    page.wait_for_timeout(1000)
    board = Draft(folder).read()
    assert (board.subjects[0].name, board.subjects[0].look) == ("Mei", "a woman in a red coat")
    assert [scene.subjects for scene in board.scenes] == [(), ("Mei",)]
    page.locator("#undo").click()
    expect(page.locator("#scene-subjects").get_by_label("Mei")).not_to_be_checked()
    page.locator("#subject-remove").click()
    expect(page.locator("#subject-form")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.problems == []
