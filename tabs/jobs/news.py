"""What is new of the jobs: the one question that every open page asks each second, past Gradio's events.

Gradio answers an event in some milliseconds, and each part that it may refresh takes one more, which forty
open pages took from a training. Here a panel is drawn once for all pages of a language, once a second at
most while its job gets on, and sent to those that have not had it. Knows nothing of buttons: where a
panel's `stage` has changed, the page asks Gradio for them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
import uuid
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.jobs import Runner
from core.jobstate import JobState
from tabs.jobs import panel, queue
from tabs.shell.wiring import Page, Studio, page_behind
from tabs.shell.words import LANGUAGES

PATH = "/news"
REDRAW_S = 0.9  # what a job reports is drawn no more often than this; its begin and its end at once


@dataclass(frozen=True)
class Drawn:
    """A panel's HTML, what it was drawn from, and the number of the first drawing with it.

    `stage` is another one when its buttons or its picture must change too.
    """

    html: str
    stage: str
    state: JobState
    ahead: str
    number: int


class Board:
    """All panels in one language. A kind of which there was no job has none: what to press stands there."""

    def __init__(self, runner: Runner, language: str) -> None:
        self.runner, self.page = runner, Page(language)
        self.name = f"{uuid.uuid4().hex}-{language}"  # after a restart another one: no page has seen anything
        self.number = 0  # of the newest drawing that differs from the one before
        self.panels: dict[str, Drawn] = {}
        self._packed: dict[tuple[str, ...], bytes] = {}
        self._drawn_at, self._changes = 0.0, -1
        self._at_work: list[tuple[str, str]] = []

    def news(self, seen: str) -> bytes | None:
        """Gzipped JSON for a page whose last answer had this `seen`; None where nothing has changed since.

        Its `panels` are those that changed, `html` and `stage` by kind.
        """
        self._look()
        name, _, number = seen.rpartition("-")
        known = int(number) if name == self.name and re.fullmatch(r"\d{1,9}", number) else -1
        if known == self.number:
            return None
        kinds = tuple(kind for kind, one in self.panels.items() if one.number > known)
        if kinds not in self._packed:
            drawn = {kind: self.panels[kind] for kind in kinds}
            panels = {kind: {"html": one.html, "stage": one.stage} for kind, one in drawn.items()}
            parts = {"seen": f"{self.name}-{self.number}", "panels": panels}
            self._packed[kinds] = gzip.compress(json.dumps(parts, ensure_ascii=False).encode(), 3)
        return self._packed[kinds]

    def _look(self) -> None:
        """Draws where a job has begun or ended, and where one has got on and it is time."""
        changes = self.runner.changes
        if changes == self._changes:
            return
        at_work = [(state.id, state.status) for state in self.runner.active()]
        if at_work == self._at_work and time.monotonic() - self._drawn_at < REDRAW_S:
            return
        self._draw()
        self._drawn_at, self._changes, self._at_work = time.monotonic(), changes, at_work

    def _draw(self) -> None:
        states = [state for state in map(self.runner.newest, queue.KINDS) if state is not None]
        panels = {state.kind: self._panel(state) for state in states}
        if panels != self.panels:
            self.panels = panels
            self.number += 1
            self._packed.clear()

    def _panel(self, state: JobState) -> Drawn:
        """The panel of a job: as it was where nothing in it is new."""
        before, ahead = self.panels.get(state.kind), panel.ahead(self.runner, state)
        if before and before.state is state and before.ahead == ahead:
            return before
        html = panel.body(state, self.page, ahead)
        stands = repr((self.name, state.id, state.status, panel.picture(state)))
        stage = hashlib.sha256(stands.encode()).hexdigest()
        if before and (before.html, before.stage) == (html, stage):
            return before
        return Drawn(html, stage, state, ahead, self.number + 1)


def route(studio: Studio) -> Route:
    """Where a page asks: `GET /news?seen=…` is answered with a board's news, with 204 where there are none.

    One that has to log in first is told so by 401.
    """
    boards = {language: Board(studio.runner, language) for language in LANGUAGES}

    async def news(request: Request) -> Response:
        page = page_behind(studio, request)
        if page is None:
            return Response(status_code=401)
        body = boards[page.language].news(request.query_params.get("seen", ""))
        headers = {"cache-control": "no-store"}
        if body is None:
            return Response(status_code=204, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        return Response(body, headers=headers, media_type="application/json")

    return Route(PATH, news)
