"""The panel that shows a tab's newest job: bar, time left, loss curve, log, newest sample, Stop, Continue.

A page asks each second what is new of the jobs (tabs/jobs/news.py), so a reloaded page, or a second person,
finds a running job again. It shows the HTML that it is told itself; buttons and the picture are Gradio's,
asked for when they must change. Knows nothing about what a job does.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.jobs import Runner
from core.jobstate import DONE, FAILED, INTERRUPTED, QUEUED, RUNNING, STOPPED, JobState
from core.messages import from_plain
from tabs.jobs import queue, resume_prompt
from tabs.jobs.loss_chart import loss_chart
from tabs.shell.header import Frame
from tabs.shell.widgets import unseen
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import static

LOG_LINES = 40
ASK_S = 1  # between a page's questions what is new; a hidden page asks nothing, as its timer stands still
NEWS_S = 60  # a page may have read its lists this long before its first look at the jobs
STATUS = {
    QUEUED: "Waiting",
    RUNNING: "Running",
    DONE: "Done",
    STOPPED: "Stopped",
    FAILED: "Failed",
    INTERRUPTED: "Interrupted",
}


@dataclass(frozen=True)
class Panel:
    """The panel's parts; `stage` changes when its buttons or its picture must.

    `ended` changes when a job of its kind has ended, a new page's only for news.
    """

    kind: str
    leads_on: bool
    stage: gr.Textbox
    picture: gr.Image
    stop: gr.Button
    resume: gr.Button
    onward: gr.Button
    ended: gr.State
    question: resume_prompt.Question

    @property
    def outputs(self) -> list[Any]:
        """Everything a refresh may change, in the order of `_changes`."""
        buttons = [self.stop, self.resume, self.onward, *self.question.outputs]
        return [self.picture, *buttons, self.ended]


@dataclass(frozen=True)
class Shown:
    """What a page's panel was last told of; nothing yet on a new page."""

    status: str = ""
    picture: str = ""


def build(studio: Studio, frame: Frame, kind: str, title: str, about: str, onward: str = "") -> Panel:
    """The panel of a job kind; `title` and `about` stand there before the first job, `onward` leads on."""
    with gr.Column(elem_classes="st-card st-panel", elem_id=f"job-{kind}"):
        with gr.Column(elem_classes="st-empty", min_width=0):  # two parts: Gradio translates one text in each
            gr.HTML(f"<strong>{static(title)}</strong>")
            gr.HTML(f"<span>{static(about)}</span>")
        gr.HTML(f"<div id='body-{kind}'></div>", js_on_load=f"window.studio.show('{kind}')")
        stage = unseen(elem_id=f"stage-{kind}")
        picture = gr.Image(
            alt_text=static("Newest sample picture"),
            show_label=False,
            visible=False,
            interactive=False,
            buttons=[],
            height=300,
            elem_classes="st-sample",
        )
        with gr.Row(elem_classes="st-actions"):
            stop = gr.Button(static("Stop and save"), visible=False, elem_id=f"stop-{kind}")
            resume = gr.Button(static("Continue"), visible=False, elem_id=f"continue-{kind}")
            forward = gr.Button(static(onward), visible=False, variant="primary", elem_id=f"onward-{kind}")
        question = resume_prompt.build(f"continue-{kind}")
    panel = Panel(kind, bool(onward), stage, picture, stop, resume, forward, frame.ended[kind], question)

    def halt(page: Page) -> Any:
        state = studio.runner.newest(kind)
        if state is not None:
            studio.runner.stop(state.id)
        return gr.update(value=page.say("Stopping…"), interactive=False)

    connect(studio, [stop.click], halt, outputs=[stop])

    def again(page: Page) -> Any:
        found = queue.changed(studio, kind)
        if found:
            return [*resume_prompt.ask(page, found), gr.skip()]
        return [*resume_prompt.answered(), queue.resume(studio, kind)]

    def answer(page: Page, how: str) -> Any:
        return [*resume_prompt.answered(), queue.resume(studio, kind, how)]

    outputs = [*question.outputs, frame.news]
    connect(studio, [resume.click], again, outputs=outputs)
    for button, how in ((question.go_on, "always"), (question.anew, "never")):
        connect(studio, [button.click], partial(answer, how=how), outputs=outputs)

    shown = gr.State(Shown())

    def refresh(page: Page, before: Shown) -> Any:
        now, changes = _changes(studio, panel, page, before)
        return {shown: now, **changes} if now != before else gr.skip()

    outputs = [shown, *panel.outputs]
    watch(studio, [stage.change], refresh, inputs={"before": shown}, outputs=outputs)
    return panel


def keep_watch(frame: Frame, panels: Sequence[Panel], load: Any) -> None:
    """Lets the page ask what is new: when it has loaded, each second, and when it has started a job."""
    kinds = json.dumps([panel.kind for panel in panels])
    gr.on(
        [load, gr.Timer(ASK_S).tick, frame.news.change],
        None,
        js=f"() => window.studio.news({kinds})",
        outputs=[panel.stage for panel in panels],
        api_visibility="private",
    )


def _changes(studio: Studio, panel: Panel, page: Page, before: Shown) -> tuple[Shown, dict[Any, Any]]:
    """What a page shows from now on, and new values of the parts that must change for it."""
    state = studio.runner.newest(panel.kind)
    now = Shown(f"{state.id} {state.status}", picture(state)) if state else Shown("none")
    changes: dict[Any, Any] = {}
    if now.picture != before.picture:
        changes[panel.picture] = gr.update(value=now.picture or None, visible=bool(now.picture))
    if now.status != before.status and state:
        changes |= {
            panel.stop: gr.update(visible=state.active, value=page.say("Stop and save"), interactive=True),
            panel.resume: gr.update(visible=queue.can_continue(studio, state)),
            panel.onward: gr.update(visible=state.status == DONE and panel.leads_on),
            **dict(zip(panel.question.outputs, resume_prompt.answered(), strict=True)),
        }
        if not state.active and (before.status or time.time() - (state.ended or 0) < NEWS_S):
            changes[panel.ended] = now.status
    return now, changes


def picture(state: JobState) -> str:
    """A job's newest sample picture, where it still stands; else empty."""
    made = state.progress.picture
    return str(made) if made and Path(made).is_file() else ""


def body(state: JobState, page: Page, ahead: str = "") -> str:
    """The panel's HTML for a state; everything that comes from files or people is escaped.

    `ahead` is the title of the job that this one waits for, empty where it waits for none.
    """
    status = page.say(STATUS[state.status])
    parts = [
        f"<div class='st-job-head'><strong>{escape(state.title)}</strong>"
        f"<span class='st-pill st-{state.status}'>{status}</span></div>"
    ]
    if state.active:
        parts.append(_bar(state, page, ahead))
        parts.append(_look(state, page))
    if state.status == FAILED:
        parts.append(f"<p class='st-error' role='alert'>{escape(_error(state, page))}</p>")
    if state.status == INTERRUPTED:
        parts.append(f"<p class='st-note'>{page.say(INTERRUPTED_NOTE)}</p>")
    if state.status == STOPPED:
        parts.append(f"<p class='st-note'>{page.say(STOPPED_NOTE)}</p>")
    if state.unwritten:
        note = page.say("The disk hasn't this job's state: {reason}", reason=page.sentence(state.unwritten))
        parts.append(f"<p class='st-note' role='status'>{escape(note)}</p>")
    if state.losses:
        parts.append(_curve(state, page))
    parts.append(_log(state, page))
    return "".join(parts)


INTERRUPTED_NOTE = "The studio was closed while this ran. Press Continue to go on from the last checkpoint."
STOPPED_NOTE = "Stopped; what was done is saved. Press Continue to go on, or change something and start anew."


def ahead(runner: Runner, state: JobState) -> str:
    """The title of the job that a waiting one waits for; empty where it waits for none."""
    first = next(iter(runner.active()), state) if state.status == QUEUED else state
    return first.title if first.id != state.id else ""


def _bar(state: JobState, page: Page, ahead: str) -> str:
    p = state.progress
    share = min(100.0, 100 * p.step / p.total) if p.total else 0.0
    words = [escape(page.say("Waiting for: {title}", title=ahead) if ahead else page.say(p.message))]
    if p.total:
        words.append(page.say("{step} of {total}", step=p.step, total=p.total))
    if p.loss is not None:
        words.append(page.say("loss {loss}", loss=f"{p.loss:.4f}"))
    if p.seconds_left is not None and p.seconds_left >= 1:
        words.append(_minutes(p.seconds_left, page))
    unknown = "" if p.total else " st-unknown"
    return (
        f"<div class='st-bar{unknown}' role='progressbar' aria-label='{escape(page.say('Progress'))}' "
        f"aria-valuemin='0' aria-valuemax='100' aria-valuenow='{share:.0f}'>"
        f"<i style='width:{share:.1f}%'></i></div>"
        f"<p class='st-now'>{' · '.join(words)}</p>"
    )


def _look(state: JobState, page: Page) -> str:
    """What is being drawn, inside the page itself: no file is written for it, and Gradio isn't asked."""
    if not state.look:
        return ""
    shown = f"data:image/jpeg;base64,{base64.b64encode(state.look).decode()}"
    return f"<img class='st-look' decoding='sync' alt='{page.say('Being drawn')}' src='{shown}'>"


def _minutes(seconds: float, page: Page) -> str:
    """Time left, as coarse as it is certain: seconds in fives, then minutes."""
    if seconds >= 90:
        return page.say("about {minutes} min left", minutes=round(seconds / 60))
    return page.say("about {seconds} s left", seconds=max(5, 5 * round(seconds / 5)))


def _error(state: JobState, page: Page) -> str:
    if state.error_template and page.language == "en":
        return state.error
    if state.error_template:
        return page.line(from_plain({"template": state.error_template, "values": state.error_values}))
    return page.say("Something went wrong inside the studio: {error}", error=state.error)


def _curve(state: JobState, page: Page) -> str:
    step, loss = state.losses[-1]
    title = page.say("Loss {loss} at step {step}", loss=f"{loss:.4f}", step=step)
    chart, name = loss_chart(state.losses, title, state.held_out), page.say("Loss by step")
    if state.held_out:
        name += " · " + page.say("dots: on held-out samples")
    return f"<figure>{chart}<figcaption>{name}</figcaption></figure>" if chart else ""


def _log(state: JobState, page: Page) -> str:
    """Newest lines first, as the panel is drawn anew and would lose its place; folded when all is over."""
    lines = "".join(f"<li>{escape(page.line(line))}</li>" for line in reversed(state.log[-LOG_LINES:]))
    name = page.say("Log")
    log = f"<ol class='st-log' reversed tabindex='0' aria-label='{name}'>{lines}</ol>" if lines else ""
    return log if state.active or not log else f"<details><summary>{name}</summary>{log}</details>"
