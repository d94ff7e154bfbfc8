"""Behind a login every handler authorises itself; a mistake is one sentence in the person's language."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from core.images import project_set as picture_set
from core.messages import Mistake
from core.settings.data import LabelSettings
from core.texts import project_set as text_set
from tabs.jobs import queue
from tabs.shell.wiring import Page, connect
from tests.limits import posix, room


def handler_of(studio, run):
    """The function that Gradio would call for a click on a button connected to `run`."""
    with gr.Blocks() as app:
        connect(studio, [gr.Button().click], run)
    return next(iter(app.fns.values())).fn


def asking(user: str | None = None, language: str = "en") -> SimpleNamespace:
    return SimpleNamespace(username=user, cookies={}, headers={"accept-language": language})


def test_without_a_user_nothing_runs_behind_a_login(studio):
    done = []
    handler = handler_of(replace(studio, login=True), lambda page: done.append(page.user))
    with pytest.raises(gr.Error, match="log in"):
        handler(asking())
    handler(asking("studio"))
    assert done == ["studio"]


def test_without_a_login_everybody_at_the_machine_may_ask(studio):
    done = []
    handler_of(studio, lambda page: done.append(page.language))(asking(language="zh-CN,zh;q=0.9"))
    assert done == ["zh"]


def test_a_mistake_becomes_one_sentence_in_the_pages_language(studio):
    def run(page):
        raise Mistake("There is no folder {path}; check the name.", path="/a b")

    with pytest.raises(gr.Error) as said:
        handler_of(studio, run)(asking())
    assert said.value.message == "There is no folder /a b; check the name."
    with pytest.raises(gr.Error) as said:
        handler_of(studio, run)(asking(language="zh"))
    assert said.value.message == "没有文件夹 /a b，请检查名称。"


def test_a_mistake_inside_a_mistake_is_translated_too():
    inner = Mistake("{name} is empty (0 bytes); copy it again from its source.", name="a.png")
    outer = Mistake(
        "None of the {count} files in {path} can be used as a picture; the first: {reason}",
        count=1,
        path="p",
        reason=inner,
    )
    assert "空文件" in Page("zh").sentence(outer)
    assert Page("en").sentence(outer) == str(outer)


@posix
@pytest.mark.parametrize("what", ["captions", "pictures", "texts", "pasted", "project", "job"])
def test_a_full_disk_is_one_sentence_in_what_the_page_does(studio, tmp_path, what):
    """And what was there before stays: captions, texts, the runner."""
    Image.effect_noise((80, 80), 90).save(tmp_path / "new.png")
    (tmp_path / "new.txt").write_text("A heron is up before anybody asks it.\n\nTea is late today.\n")
    picture_set.save(studio.project, [["scene 1.png", "a boat"]])
    done = {
        "captions": lambda page: picture_set.save(studio.project, [["scene 1.png", "a bridge"]]),
        "pictures": lambda page: picture_set.add(studio.project, [str(tmp_path / "new.png")]),
        "texts": lambda page: text_set.add(studio.project, [str(tmp_path / "new.txt")]),
        "pasted": lambda page: text_set.paste(studio.project, "A heron is up before anybody asks it."),
        "project": lambda page: studio.home.project("Tea shop"),
        "job": lambda page: queue.submit(
            studio, "label", "Labelling", LabelSettings(pictures=studio.project.images())
        ),
    }
    before = {path: path.read_bytes() for path in studio.home.folder.rglob("*") if path.is_file()}
    with pytest.raises(gr.Error) as said, room(10):
        handler_of(studio, done[what])(asking())
    assert said.value.message.startswith("There is no room left on the disk of ")
    assert not said.value.print_exception
    after = {path: path.read_bytes() for path in studio.home.folder.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before and studio.runner.active() == []
    assert not [path for path in after if ".part" in path.name]


@posix
def test_pictures_are_looked_at_on_a_full_disk(studio):
    with room(10):
        shown = picture_set.gallery(studio.project)
    assert [path.name for path, _ in shown] == [f"scene {number}.png" for number in range(1, 7)]


def test_other_errors_are_not_hidden(studio):
    with pytest.raises(ZeroDivisionError):
        handler_of(studio, lambda page: 1 / 0)(asking())
