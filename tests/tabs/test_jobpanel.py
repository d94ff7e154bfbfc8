"""What a page is told of jobs: each change once, and nothing where it has read all by itself."""

from __future__ import annotations

import time
from dataclasses import replace

import gradio as gr
import pytest

from core.jobstate import DONE, RUNNING, JobState
from tabs.jobs import panel as jobs_panel
from tabs.jobs import queue
from tabs.jobs.panel import Shown
from tabs.shell import header
from tabs.shell.wiring import Page, watch

ENGLISH = Page("en")


@pytest.fixture
def panel(studio):
    with gr.Blocks() as app:
        return jobs_panel.build(studio, header.build(studio, app, queue.KINDS), "label", "Ready", "Press it.")


def told(studio, panel, before):
    """What the page shows then, and the names of the parts that changed."""
    now, changes = jobs_panel._changes(studio, panel, ENGLISH, before)
    return now, {name for name, part in vars(panel).items() if part in list(changes)}


def test_a_new_page_without_jobs_stays_as_it_is(studio, panel):
    now, parts = told(studio, panel, Shown())
    assert parts == set()
    assert told(studio, panel, now) == (now, set())


def test_a_jobs_end_is_told_once(studio, panel, monkeypatch):
    state = JobState("a", "label", "Labelling", RUNNING)
    monkeypatch.setattr(studio.runner, "_states", {"a": state})
    buttons = {"stop", "resume", "onward"}
    now, parts = told(studio, panel, Shown())
    assert parts == buttons
    studio.runner._states["a"] = replace(state, status=DONE, ended=time.time())
    now, parts = told(studio, panel, now)
    assert parts == {*buttons, "ended"}
    assert told(studio, panel, now) == (now, set())


@pytest.mark.parametrize(("ago", "news"), [(5, {"ended"}), (3600, set())])
def test_a_new_page_is_told_of_an_end_that_it_may_have_missed(studio, panel, monkeypatch, ago, news):
    ended = JobState("a", "label", "Labelling", DONE, ended=time.time() - ago)
    monkeypatch.setattr(studio.runner, "_states", {"a": ended})
    assert told(studio, panel, Shown())[1] == {"stop", "resume", "onward", *news}


def test_what_a_page_asks_by_itself_shows_its_progress_nowhere(studio):
    """Gradio tells every part that ever showed progress of each answer: a page's load took ten seconds."""
    with gr.Blocks() as app:
        watch(studio, [app.load], lambda page: "", outputs=[gr.HTML()])
    (event,) = app.config["dependencies"]
    assert (event["show_progress"], event["show_progress_on"]) == ("hidden", [])
