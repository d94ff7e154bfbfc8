"""The panel that shows a tab's newest job: bar, time left, loss curve, log, newest sample, Stop, Continue.

A page asks the runner every other second whether there is news, so a reloaded page, or a second person, finds
a running job again. What has not changed is not sent. Knows nothing about what a job does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.jobs import DONE, FAILED, INTERRUPTED, QUEUED, RUNNING, STOPPED, JobState
from tabs import question, work
from tabs.charts import loss_chart
from tabs.frame import Frame
from tabs.widgets import empty
from tabs.wiring import Page, Studio, connect, watch
from tabs.words import static

LOG_LINES = 40
QUIET_S, BUSY_S = 2, 1  # between a page's questions whether there is news
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
    """The panel's parts; `ended` changes when a job of its kind has ended, a new page's only for news."""

    kind: str
    title: str
    about: str
    leads_on: bool
    body: gr.HTML
    picture: gr.Image
    stop: gr.Button
    resume: gr.Button
    onward: gr.Button
    ended: gr.State
    asked: question.Question

    @property
    def outputs(self) -> list[Any]:
        """Everything a refresh may change, in the order of `_changes`."""
        buttons = [self.stop, self.resume, self.onward, *self.asked.outputs]
        return [self.body, self.picture, *buttons, self.ended]


@dataclass(frozen=True)
class Shown:
    """What a page's panel shows; a new page's shows no job."""

    mark: str = ""
    picture: str = ""
    status: str = ""


def build(studio: Studio, frame: Frame, kind: str, title: str, about: str, onward: str = "") -> Panel:
    """The panel of a job kind; `title` and `about` stand there before the first job, `onward` leads on."""
    with gr.Column(elem_classes="st-card st-panel", elem_id=f"job-{kind}"):
        body = gr.HTML()
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
        asked = question.build(f"continue-{kind}")
    panel = Panel(
        kind,
        title,
        about,
        bool(onward),
        body,
        picture,
        stop,
        resume,
        forward,
        ended=frame.ended[kind],
        asked=asked,
    )

    def halt(page: Page) -> Any:
        state = studio.runner.newest(kind)
        if state is not None:
            studio.runner.stop(state.id)
        return gr.update(value=page.say("Stopping…"), interactive=False)

    connect(studio, [stop.click], halt, outputs=[stop])

    def again(page: Page) -> Any:
        found = work.changed(studio, kind)
        if found:
            return [*question.ask(page, found), gr.skip()]
        return [*question.answered(), work.resume(studio, kind)]

    def answer(page: Page, how: str) -> Any:
        return [*question.answered(), work.resume(studio, kind, how)]

    outputs = [*asked.outputs, frame.news]
    connect(studio, [resume.click], again, outputs=outputs)
    for button, how in ((asked.go_on, "always"), (asked.anew, "never")):
        connect(studio, [button.click], partial(answer, how=how), outputs=outputs)
    return panel


def keep_watch(studio: Studio, frame: Frame, panels: Sequence[Panel], load: Any) -> None:
    """Refreshes all panels in one request: when the page has loaded, and at each of the runner's changes.

    A page asks every `QUIET_S` seconds, or `BUSY_S` while a job is at work, whether there was one. That is
    one number past the queue; a refresh costs ten times as much even where nothing has changed.
    """
    shown = gr.State({panel.kind: Shown() for panel in panels})
    timer = gr.Timer(QUIET_S)

    def refresh(page: Page, before: dict[str, Shown]) -> Any:
        now = dict(before)
        changes: dict[Any, Any] = {}
        for panel in panels:
            now[panel.kind], changed = _changes(studio, panel, page, before[panel.kind])
            changes |= changed
        if _busy(now) != _busy(before):
            changes[timer] = gr.Timer(BUSY_S if _busy(now) else QUIET_S)
        return {shown: now, **changes} if changes else gr.skip()

    outputs = [shown, timer, *(part for panel in panels for part in panel.outputs)]
    watch(studio, [timer.tick], lambda page: str(studio.runner.changes), outputs=[frame.news], queue=False)
    watch(studio, [frame.news.change, load], refresh, inputs={"before": shown}, outputs=outputs)


def _busy(shown: dict[str, Shown]) -> bool:
    return any(one.status.endswith((QUEUED, RUNNING)) for one in shown.values())


def _changes(studio: Studio, panel: Panel, page: Page, before: Shown) -> tuple[Shown, dict[Any, Any]]:
    """What a page shows from now on, and new values of the parts that must change for it."""
    state = studio.runner.newest(panel.kind)
    mark = _mark(state, page)
    if mark == before.mark:
        return before, {}
    picture = _picture(state)
    status = f"{state.id} {state.status}" if state else ""
    changes: dict[Any, Any] = {panel.body: body(state, page, panel.title, panel.about, _ahead(studio, state))}
    if picture != before.picture:
        changes[panel.picture] = gr.update(value=picture or None, visible=bool(picture))
    if status != before.status:
        active, done = bool(state and state.active), bool(state and state.status == DONE)
        changes |= {
            panel.stop: gr.update(visible=active, value=page.say("Stop and save"), interactive=True),
            panel.resume: gr.update(visible=work.can_continue(studio, state)),
            panel.onward: gr.update(visible=done and panel.leads_on),
            **dict(zip(panel.asked.outputs, question.answered(), strict=True)),
        }
        if state and not active and (before.mark or time.time() - (state.ended or 0) < NEWS_S):
            changes[panel.ended] = status
    return Shown(mark, picture, status), changes


def _mark(state: JobState | None, page: Page) -> str:
    if state is None:
        return f"none {page.language}"
    p = state.progress
    return "|".join(
        str(part)
        for part in (
            state.id,
            state.status,
            p.message,
            p.step,
            p.total,
            _minutes(p.seconds_left or 0, page),
            p.picture,
            len(state.log),
            state.log[-1:],
            len(state.losses),
            len(state.held_out),
            page.language,
        )
    )


def _picture(state: JobState | None) -> str:
    picture = state.progress.picture if state else None
    return str(picture) if picture and Path(picture).is_file() else ""


def body(state: JobState | None, page: Page, title: str, about: str, ahead: str = "") -> str:
    """The panel's HTML for a state; everything that comes from files or people is escaped.

    `ahead` is the title of the job that this one waits for, empty where it waits for none.
    """
    if state is None:
        return empty(page.say(title), page.say(about))
    status = page.say(STATUS[state.status])
    parts = [
        f"<div class='st-job-head'><strong>{escape(state.title)}</strong>"
        f"<span class='st-pill st-{state.status}'>{status}</span></div>"
    ]
    if state.active:
        parts.append(_bar(state, page, ahead))
    if state.status == FAILED:
        parts.append(f"<p class='st-error' role='alert'>{escape(_error(state, page))}</p>")
    if state.status == INTERRUPTED:
        parts.append(f"<p class='st-note'>{page.say(INTERRUPTED_NOTE)}</p>")
    if state.status == STOPPED:
        parts.append(f"<p class='st-note'>{page.say(STOPPED_NOTE)}</p>")
    if state.losses:
        parts.append(_curve(state, page))
    parts.append(_log(state, page))
    return "".join(parts)


INTERRUPTED_NOTE = "The studio was closed while this ran. Press Continue to go on from the last checkpoint."
STOPPED_NOTE = "Stopped; what was done is saved. Press Continue to go on, or change something and start anew."


def _ahead(studio: Studio, state: JobState | None) -> str:
    running = studio.runner.active()[:1]
    return running[0].title if state and state.status == QUEUED and running[0].id != state.id else ""


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


def _minutes(seconds: float, page: Page) -> str:
    """Time left, as coarse as it is certain: seconds in fives, then minutes."""
    if seconds >= 90:
        return page.say("about {minutes} min left", minutes=round(seconds / 60))
    return page.say("about {seconds} s left", seconds=max(5, 5 * round(seconds / 5)))


def _error(state: JobState, page: Page) -> str:
    if state.error_template and page.language == "en":
        return state.error
    if state.error_template:
        return page.say(state.error_template, **state.error_values)
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
