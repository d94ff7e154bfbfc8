"""Behind a login every handler authorises itself; a mistake is one sentence in the person's language."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from core.jobs import Mistake
from tabs.wiring import Page, connect


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
        "None of the {count} pictures in {path} can be used; the first: {reason}",
        count=1,
        path="p",
        reason=inner,
    )
    assert "空文件" in Page("zh").sentence(outer)
    assert Page("en").sentence(outer) == str(outer)
