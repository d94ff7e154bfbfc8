"""A window with nobody there does next to nothing: what a page asks then is small, and threads wait."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.jobs import Progress
from tabs import jobpanel, window

IDLE_MS = 8000


def test_a_ticks_question_is_one_number_past_the_queue(studio):
    app = window.build(studio)
    timers = {block._id for block in app.blocks.values() if block.get_block_name() == "timer"}
    ticks = [one for one in app.config["dependencies"] if {target for target, _ in one["targets"]} & timers]
    assert [(len(one["inputs"]), len(one["outputs"]), one["queue"]) for one in ticks] == [(0, 1, False)]


def test_the_queue_looks_for_work_twenty_times_a_second_and_not_a_thousand(studio):
    queue = window.build(studio)._queue
    assert queue.sleep_when_free == 0.05 and queue.progress_update_sleep_when_free == 1


def test_a_page_left_alone_refreshes_nothing_and_hears_of_a_job(page, served, visit):
    other = visit()
    expect(other.locator("#pictures img")).to_have_count(6)
    asked: list[str] = []
    page.wait_for_timeout(3000)  # the page's own questions at its load
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    page.wait_for_timeout(IDLE_MS)
    assert set(asked) == {"predict"} and len(asked) <= IDLE_MS / 1000 / jobpanel.QUIET_S + 1

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
    assert set(asked) == {"predict"}
    assert page.problems == []


@pytest.mark.parametrize("kind", ["label", "image", "text", "compose"])
def test_who_starts_a_job_is_told_at_once(studio, kind):
    """Its id is what the page watches, so the panel needs no tick of the timer."""
    app = window.build(studio)
    watched = next(
        target
        for one in app.config["dependencies"]
        if len(one["outputs"]) > 20
        for target, event in one["targets"]
        if event == "change"
    )
    (button,) = (block._id for block in app.blocks.values() if block.elem_id == f"start-{kind}")
    (started,) = (one for one in app.config["dependencies"] if (button, "click") in one["targets"])
    assert watched in started["outputs"]
