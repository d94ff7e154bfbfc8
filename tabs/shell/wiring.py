"""How a page talks to Python: who asks, in which language, and what becomes of a mistake.

Every handler of the window is connected here, so that each one authorises itself when the studio is shared
and turns a Mistake into one sentence in the person's language. Knows nothing about any one tab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.requests import Request

from core import disk
from core.jobs import Runner
from core.messages import Mistake, Sentence, printable
from core.project import Home, Project
from tabs.shell.words import language_of, say

# Progress shown on nothing: with each answer a page goes through all its parts, once for every part that ever
# showed progress. Its load took ten seconds where each of its questions, hidden or not, had outputs that did.
QUIETLY: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}


@dataclass(frozen=True)
class Studio:
    """What the window works on: the home folder, the project opened first, the job runner.

    `login` is True where the window stands behind a login: then a request without a user does nothing.
    """

    home: Home
    project: Project
    runner: Runner
    login: bool = False

    def open(self, name: str) -> Project:
        """The project of that name. Raises Mistake where there is none."""
        for project in self.home.projects():
            if project.name == name:
                return project
        raise Mistake("There is no project {name}; choose one from the list.", name=name)

    def project_names(self) -> list[str]:
        """Names of all projects."""
        return [project.name for project in self.home.projects()]


@dataclass(frozen=True)
class Page:
    """The page that asked: its language and the name that was logged in with."""

    language: str
    user: str | None = None

    def say(self, text: str, /, **values: object) -> str:
        """A text or template in the page's language."""
        return say(self.language, text, **values)

    def sentence(self, mistake: Mistake | Sentence) -> str:
        """A mistake or sentence in the page's language; one inside it is said in that language too.

        Where a file's values don't fit its template, that alone is said.
        """
        values = {name: self._value(value) for name, value in mistake.values.items()}
        try:
            return self.say(mistake.template, **values)
        except (LookupError, ValueError, TypeError, AttributeError):
            return mistake.template

    def _value(self, value: object) -> object:
        if isinstance(value, tuple):
            return "; ".join(str(self._value(one)) for one in value)
        return self.sentence(value) if isinstance(value, Mistake | Sentence) else printable(value)

    def line(self, text: str) -> str:
        """A line of a job's log in the page's language, where it is known in that."""
        return self.sentence(text) if isinstance(text, Sentence) else self.say(text)

    def note(self, text: str, /, **values: object) -> None:
        """Shows a short notice at the page's corner."""
        gr.Info(self.say(text, **values), title=self.say("Done"), duration=5)

    def warn(self, mistake: Mistake) -> None:
        """Shows a mistake that stops nothing, such as one picture of many that was set aside."""
        gr.Warning(self.sentence(mistake), title=self.say("Please check"), duration=12)


def page_of(request: gr.Request | None) -> Page:
    """The page behind a request."""
    return Page(language_of(request), getattr(request, "username", None))


def page_behind(studio: Studio, request: Request) -> Page | None:
    """The page behind a request to a route of our own; None where it has to log in first.

    Who is logged in is known as Gradio's own routes know it.
    """
    app = request.app
    cookies = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    token = next(filter(None, map(request.cookies.get, cookies)), None)
    user = app.tokens.get(token)
    return Page(language_of(request), user) if user or not (studio.login or app.auth) else None


def connect(
    studio: Studio,
    triggers: Sequence[Any],
    run: Callable[..., Any],
    inputs: dict[str, Any] | None = None,
    outputs: Sequence[Any] | None = None,
    **how: Any,
) -> Any:
    """Runs `run(page, **values of inputs)` on any of the triggers; returns Gradio's event for `.then`."""

    def handler(request: gr.Request, **values: Any) -> Any:
        with _answering(studio, request) as page:
            return run(page, **values)

    return _on(triggers, handler, inputs, outputs, **how)


def select(
    studio: Studio,
    parts: Any,
    run: Callable[..., Any],
    inputs: dict[str, Any] | None = None,
    outputs: Sequence[Any] | None = None,
) -> Any:
    """Runs `run(page, number, **values of inputs)` when a part of a list is chosen; they count from 0."""

    def handler(request: gr.Request, event: gr.SelectData, **values: Any) -> Any:
        with _answering(studio, request) as page:
            return run(page, int(event.index), **values)

    return _on([parts.select], handler, inputs, outputs, **QUIETLY)


def stream(
    studio: Studio,
    triggers: Sequence[Any],
    run: Callable[..., Iterator[Any]],
    inputs: dict[str, Any] | None = None,
    outputs: Sequence[Any] | None = None,
    **how: Any,
) -> Any:
    """`connect` for a `run` that gives one value after another; each is shown at once, one page at a time."""

    def handler(request: gr.Request, **values: Any) -> Any:
        with _answering(studio, request) as page:
            yield from run(page, **values)

    return _on(triggers, handler, inputs, outputs, concurrency_limit=1, **QUIETLY, **how)


@contextmanager
def _answering(studio: Studio, request: gr.Request) -> Iterator[Page]:
    """Lets in who may ask; says a Mistake, or what the disk did, in the page's language."""
    page = page_of(request)
    if studio.login and not page.user:
        raise gr.Error(page.say("Please log in first."), print_exception=False)
    try:
        yield page
    except Exception as error:
        mistake = error if isinstance(error, Mistake) else disk.mistake(error)
        if mistake is None:
            raise
        raise gr.Error(
            page.sentence(mistake), title=page.say("Please check"), duration=15, print_exception=False
        ) from None


def _on(
    triggers: Sequence[Any],
    handler: Callable[..., Any],
    inputs: dict[str, Any] | None,
    outputs: Sequence[Any] | None,
    **how: Any,
) -> Any:
    return gr.on(
        list(triggers),
        handler,
        inputs_kwargs=inputs or {},
        outputs=list(outputs or []),
        api_visibility="private",
        **how,
    )


def watch(studio: Studio, triggers: Sequence[Any], run: Callable[..., Any], **how: Any) -> Any:
    """`connect` for what a page asks by itself: no spinner, never waiting behind another request.

    What changes while an answer is under way is asked again after it; Gradio would forget it ("once")
    wherever the first of several triggers is not a `.change`.
    """
    return connect(
        studio, triggers, run, trigger_mode="always_last", concurrency_limit=None, **QUIETLY, **how
    )
