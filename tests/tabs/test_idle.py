"""A window with nobody there does next to nothing: what a page asks then is small, and threads wait."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from core.progress import Progress
from tabs import window
from tabs.jobs import panel, queue
from tests.tabs.conftest import TIMEOUT_MS

IDLE_MS = 8000


def test_a_tick_asks_nothing_of_gradio(studio):
    app = window.build(studio)
    timers = {block._id for block in app.blocks.values() if block.get_block_name() == "timer"}
    ticks = [one for one in app.config["dependencies"] if {target for target, _ in one["targets"]} & timers]
    assert [(one["backend_fn"], one["inputs"]) for one in ticks] == [(False, [])]


def test_an_event_that_every_page_may_send_at_once_refreshes_few_parts(studio):
    """Each part of an answer costs Gradio a millisecond, also one that stays as it is."""
    app = window.build(studio)
    stages = {block._id for block in app.blocks.values() if str(block.elem_id).startswith("stage-")}
    refreshes = [
        one for one in app.config["dependencies"] if {target for target, _ in one["targets"]} & stages
    ]
    assert len(refreshes) == len(queue.KINDS) and all(len(one["outputs"]) < 10 for one in refreshes)


def test_the_queue_looks_for_work_twenty_times_a_second_and_not_a_thousand(studio):
    queue = window.build(studio)._queue
    assert queue.sleep_when_free == 0.05 and queue.progress_update_sleep_when_free == 1


def asked_by(page) -> list[str]:
    """What a page asks for from now on: `status path` of each answer."""
    asked: list[str] = []
    page.on("response", lambda got: asked.append(f"{got.status} {urlsplit(got.url).path}"))
    return asked


def test_a_page_left_alone_refreshes_nothing_and_hears_of_a_job(page, served, visit):
    other = visit()
    expect(other.locator("#pictures img")).to_have_count(6)
    page.wait_for_timeout(3000)  # the page's own questions at its load
    asked = asked_by(page)
    page.wait_for_timeout(IDLE_MS)
    assert set(asked) == {"204 /news"} and len(asked) <= IDLE_MS / 1000 / panel.ASK_S + 1

    def job():
        yield Progress("Labelling", 1, 2)
        raise RuntimeError("ended")

    job_id = served.studio.runner.submit("label", "Labelling 水", job)
    served.studio.runner.wait(job_id, 60)
    for one in (page, other):
        expect(one.locator("#job-label .st-pill")).to_have_text("Failed")
    page.wait_for_timeout(3000)
    asked.clear()
    page.wait_for_timeout(IDLE_MS)
    assert set(asked) == {"204 /news"}
    assert page.problems == []


@pytest.fixture
def at_work(served):
    """A job of the image tab that reports fifty times a second until the test ends."""
    ended = threading.Event()

    def job():
        for step in range(1, 1_000_000):
            yield Progress("Training", step, 1_000_000, loss=1 / step)
            if ended.wait(0.02):
                return

    job_id = served.studio.runner.submit("image", "Image LoRA", job)
    yield
    ended.set()
    served.studio.runner.wait(job_id, 60)


def test_what_a_job_reports_asks_nothing_of_gradio(page, at_work):
    page.locator("#tab-image-button").click()
    expect(page.locator("#stop-image")).to_be_visible()
    bar = page.locator("#job-image .st-now")
    quiet = asked_by(page)
    page.wait_for_timeout(3000)
    while any("queue" in one for one in quiet):  # its first questions take longer on a busy machine
        quiet.clear()
        page.wait_for_timeout(3000)
    before, asked = bar.inner_text(), asked_by(page)
    page.wait_for_timeout(IDLE_MS)
    assert bar.inner_text() != before
    assert {one.partition(" ")[2] for one in asked} == {"/news"}
    assert len(asked) <= IDLE_MS / 1000 / panel.ASK_S + 1


def test_a_hidden_page_asks_nothing_and_hears_of_a_job_when_it_is_seen_again(page, served):
    hide = "to => Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => to})"
    quiet = asked_by(page)
    page.wait_for_timeout(3000)
    while any("queue" in one for one in quiet):  # its first questions take longer on a busy machine
        quiet.clear()
        page.wait_for_timeout(3000)
    page.evaluate(hide, "hidden")
    page.wait_for_timeout(1000)
    asked = asked_by(page)
    served.studio.runner.wait(served.studio.runner.submit("label", "Unseen 船", lambda: iter(())), 60)
    page.wait_for_timeout(3000)
    assert asked == []
    page.evaluate(hide, "visible")
    expect(page.locator("#body-label strong")).to_have_text("Unseen 船")


def test_a_tab_that_is_turned_to_late_shows_its_job_at_once(page, at_work):
    page.wait_for_function("window.studio.panels.image?.html.includes('Running')")
    page.route("**/news*", lambda route: route.abort())
    page.locator("#tab-image-button").click()
    expect(page.locator("#job-image .st-pill")).to_have_text("Running", timeout=5000)


@pytest.mark.parametrize("kind", ["label", "image", "text", "compose"])
def test_who_starts_a_job_is_told_at_once(studio, kind):
    """Its id is what the page watches, so the panel needs no tick of the timer."""
    app = window.build(studio)
    asking = next(one for one in app.config["dependencies"] if "studio.news" in str(one["js"]))
    (watched,) = (target for target, event in asking["targets"] if event == "change")
    (button,) = (block._id for block in app.blocks.values() if block.elem_id == f"start-{kind}")
    (started,) = (one for one in app.config["dependencies"] if (button, "click") in one["targets"])
    assert watched in started["outputs"]


def test_a_page_waits_for_a_studio_that_is_started_again(browser, studio):
    """Its own question finds nobody; Gradio says so, and loads the page anew when there is one again."""
    app = window.build(studio)
    _, address, _ = app.launch(**window.launch_arguments(studio, port=None), prevent_thread_lock=True)
    with browser.new_context(locale="en-US") as fresh:
        page = fresh.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        expect(page.locator("#pictures img")).to_have_count(6)
        app.close(verbose=False)
        expect(page.locator(".toast-body")).to_contain_text("Connection to the server was lost")
        studio.runner.wait(studio.runner.submit("label", "Meanwhile", lambda: iter(())), 60)
        again = window.build(studio)
        port = urlsplit(address).port
        again.launch(**window.launch_arguments(studio, port=port), prevent_thread_lock=True)
        expect(page.locator("#body-label strong")).to_have_text("Meanwhile")
        again.close(verbose=False)
