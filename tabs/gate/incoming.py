"""What may come in: how large a question may be, and how much may be uploaded.

`Incoming` is an ASGI middleware between Gradio's own and its pages. Gradio puts uploads, and copies of what a
page shows, into one folder and leaves them there; here they are counted, and old ones removed. Knows nothing
of who may ask, nor what becomes of an upload.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import disk
from core.messages import Mistake
from tabs.gate.logins import address_of
from tabs.shell.wiring import page_of

MB = 1 << 20
ONE_FILE_MB, ONE_GUEST_MB, ALL_MB = 300, 2000, 6000
SPARE_MB = 1000  # stay free on the disk
QUESTION_MB, FORM_MB = 32, 1
# A page hands an upload over as soon as it is there, and reads what it is shown at once: what nobody touched
# for an hour goes where room is needed, after a day in any case.
UNUSED_S, KEPT_S = 3600, 24 * 3600
STRAY_S = 60
UPLOAD = "/gradio_api/upload"


@dataclass
class Uploads:
    """The folder of uploads: whose each is, and those that are still arriving (guest, bytes, start)."""

    folder: Path
    whose: dict[str, str]
    arriving: list[tuple[str, int, float]]

    @contextlib.contextmanager
    def arrival(self, guest: str, size: int, now: float) -> Iterator[None]:
        """Holds the room for an upload while it arrives. Raises Mistake where there is none."""
        self.make_room(guest, size, now)
        mark = (guest, size, now)
        self.arriving.append(mark)
        try:
            yield
        finally:
            self.arriving.remove(mark)

    def make_room(self, guest: str, size: int, now: float) -> None:
        """Removes old files, or all unused ones where that is too little. Raises Mistake where no room is."""
        if self.lack(guest, size, self.sweep(now, KEPT_S)):
            lack = self.lack(guest, size, self.sweep(now, UNUSED_S))
            if lack is not None:
                raise lack

    def lack(self, guest: str, size: int, kept: dict[str, int]) -> Mistake | None:
        """Which limit an upload of `size` bytes would break beside the `kept` files; None where none."""
        mine = sum(bytes_ for path, bytes_ in kept.items() if self.whose.get(path) == guest)
        coming = sum(bytes_ for _, bytes_, _ in self.arriving)
        mine += sum(bytes_ for who, bytes_, _ in self.arriving if who == guest)
        if mine + size > ONE_GUEST_MB * MB:
            return Mistake(
                "You have uploaded {used} MB in the last hour, and {limit} MB are allowed; wait a while and "
                "drop the rest then.",
                used=mine // MB,
                limit=ONE_GUEST_MB,
            )
        if sum(kept.values()) + coming + size > ALL_MB * MB:
            return Mistake(
                "The studio holds {limit} MB of everybody's uploads and no more; try again in an hour.",
                limit=ALL_MB,
            )
        free = shutil.disk_usage(self.folder).free - coming - size
        if free < SPARE_MB * MB:
            return Mistake(
                "This upload would leave less than {spare} MB free on the studio's disk; make room there.",
                spare=SPARE_MB,
            )
        return None

    def sweep(self, now: float, age: float) -> dict[str, int]:
        """Removes what nobody touched for `age` seconds, and what broken uploads left; returns the others.

        Gradio writes what arrives beside the folders of finished uploads; nothing that arrives now is older
        than its start.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        stray = min([now - STRAY_S, *(start for _, _, start in self.arriving)])
        kept: dict[str, int] = {}
        for path in list(self.folder.rglob("*")):
            with contextlib.suppress(
                OSError
            ):  # another page's upload is being renamed, or it is in use on Windows
                if path.is_dir():
                    continue
                about = path.stat()
                touched = max(about.st_mtime, about.st_ctime)
                if touched >= (stray if path.parent == self.folder else now - age):
                    kept[str(path)] = about.st_size
                    continue
                path.unlink()
                if path.parent != self.folder:
                    path.parent.rmdir()
        self.whose = {path: guest for path, guest in self.whose.items() if path in kept}
        return kept


class Incoming:
    """Refuses what is too large, and what would have the studio fetch a file from elsewhere.

    A guest is an address: a login is made anew in a second. `folder` is Gradio's folder of uploads.
    """

    def __init__(self, app: ASGIApp, folder: str, behind_proxy: bool = False) -> None:
        self.app, self.behind_proxy = app, behind_proxy
        self.uploads = Uploads(Path(folder), {}, [])
        self.swept: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it in one sentence."""
        if self.swept is None or time.monotonic() - self.swept > UNUSED_S:
            self.swept = time.monotonic()
            self.uploads.sweep(time.time(), KEPT_S)
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        ask = self.upload if scope["path"].rstrip("/") == UPLOAD else self.question
        try:
            await ask(scope, receive, send)
        except Mistake as mistake:
            said = page_of(gr.Request(Request(scope))).sentence(mistake)
            await PlainTextResponse(said, status_code=413)(scope, receive, send)

    async def upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An upload, within what its guest and all together may leave on the disk."""
        guest = address_of(scope, self.behind_proxy)
        size = Request(scope).headers.get("content-length", "")
        if not size.isdecimal():
            raise Mistake("This upload doesn't say how large it is; use the window in a browser.")
        with self.uploads.arrival(guest, int(size), time.time()):
            answer = Answer()
            try:
                await self.app(scope, receive, answer.take)
            except OSError as error:
                raise disk.mistake(error, self.uploads.folder) or error from error
            if answer.status == 413:
                raise Mistake(
                    "A file may have {limit} MB at most; make it smaller, or copy it into the project's "
                    "folder.",
                    limit=ONE_FILE_MB,
                )
            if answer.status == 200:
                self.uploads.whose.update(dict.fromkeys(json.loads(answer.body), guest))
        await answer.give(send)

    async def question(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Anything else that is sent: read whole, since a page asks little at once."""
        limit = QUESTION_MB if scope["path"].startswith("/gradio_api/") else FORM_MB
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the page went away
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit * MB:
                raise Mistake("That is more than {limit} MB at once; send it as files.", limit=limit)
        if await asyncio.to_thread(names_an_address, body):
            raise Mistake("The studio fetches nothing from elsewhere; drop the file itself.")
        await self.app(scope, _again(body, receive), send)


class Answer:
    """An answer held back until it is whole."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def take(self, message: Message) -> None:
        """One part of it."""
        self.messages.append(message)

    async def give(self, send: Send) -> None:
        """Sends it on."""
        for message in self.messages:
            await send(message)

    @property
    def status(self) -> int:
        """Its status; 0 where none came."""
        return next((one["status"] for one in self.messages if "status" in one), 0)

    @property
    def body(self) -> bytes:
        """Its bytes."""
        return b"".join(one.get("body", b"") for one in self.messages)


def _again(body: bytes, receive: Receive) -> Callable[[], Any]:
    """`receive` for a body that was read: gives it once, then what comes after it."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


def names_an_address(body: bytes) -> bool:
    """Whether a question holds a file whose path is an address on the net, which Gradio would fetch."""
    if b"http" not in body.lower() and b"\\u" not in body:
        return False
    try:
        left = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # Gradio says what is wrong with it
    while left:
        one = left.pop()
        if isinstance(one, dict):
            path = one.get("path")
            if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
                return True
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return False
