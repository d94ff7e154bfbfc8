"""What stands between the network and the window: who may ask, and the page's first bytes.

Two ASGI middlewares, given to Gradio by `launch_arguments`. `Guard` answers only to names that are this
studio's own, so that no foreign page can use a visitor's browser to work it, and slows guessing at the login.
`FrontPage` says the page's language and title before anything is drawn. Neither knows what the window shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import socket
import time
from collections.abc import Sequence
from functools import cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.jobs import Mistake
from core.settings import ROOT
from tabs.words import COOKIE, LANGUAGES

SHARE_DOMAIN = ".gradio.live"
FREE_TRIES = 5
FORGET_SECONDS = 15 * 60
LONGEST_DELAY_S = 30.0
# Gradio knows zh-CN and zh-TW; a plain zh would be shown in English.
TAGS = {"en": "en", "zh": "zh-CN"}


class Guard:
    """Refuses unknown Host names and foreign Origins for every method; slows repeated failed logins.

    A bare IP address is a known host: a hostile page can point a name of its own at this machine, never an
    address. `allowed` are further names, as `host_name` gives them. `root` is the path or address at which a
    proxy serves the window, whether or not it takes the path off what it passes on. Behind a share link or a
    proxy all visitors come from one address, so failed logins are counted together.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        share: bool = False,
        allowed: Sequence[str] = (),
        root: str = "",
    ) -> None:
        self.app, self.share, self.allowed, self.prefix = app, share, allowed, urlsplit(root).path
        self.names = {"localhost", host.lower(), socket.gethostname().lower()}
        self.failures: list[float] = []
        self.login = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if self.prefix and f"{scope['path']}/".startswith(f"{self.prefix}/"):
            scope = {**scope, "path": scope["path"][len(self.prefix) :] or "/"}
        reason = self.refusal(Headers(scope=scope), scope["path"])
        if reason:
            await PlainTextResponse(reason, status_code=403)(scope, receive, send)
        elif scope["path"].rstrip("/") == "/login" and scope.get("method") == "POST":
            await self.slowed(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def refusal(self, headers: Headers, path: str) -> str:
        """Why a request is refused; empty where it isn't."""
        host = headers.get("host", "").lower()
        name = _name(f"//{host}")
        if not self.known(name):
            return (
                f"The host name {name} is not the studio's own. If it is yours, as of a proxy or a rented "
                f"machine, start the studio with --allow-host {name}"
            )
        origin = headers.get("origin")
        if origin is not None and not self.is_own(origin.lower(), host):
            return (
                "Another site may not ask the studio. If it is yours, start the studio with --allow-host NAME"
            )
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return "Another site may not ask the studio."
        if re.search(r"/(file|proxy)=https?:", path):
            return "The studio fetches nothing from elsewhere."
        return ""

    def known(self, name: str) -> bool:
        """True for this machine's own and allowed names, any IP address, the share link's while sharing."""
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            own = name.removesuffix(".local") in self.names or self.allows(name)
            return own or (self.share and name.endswith(SHARE_DOMAIN))

    def allows(self, name: str) -> bool:
        """Whether a name was allowed, by itself or as one below `*.`."""
        return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in self.allowed)

    def is_own(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` is the studio's own, which was asked for by the name `host`.

        A proxy may change an allowed name's port, or put this machine's address in its place. Where it leaves
        the name, another one is foreign: below `*.` may stand other people's pages.
        """
        asking, asked = _name(origin), _name(f"//{host}")
        if self.allows(asked):
            return asking == asked
        return self.allows(asking) or origin.partition("//")[2] == host

    def delay(self, now: float) -> float:
        """Seconds that the next login waits: none for the first tries, then doubling."""
        self.failures = [at for at in self.failures if now - at < FORGET_SECONDS]
        over = len(self.failures) - FREE_TRIES
        return min(2.0**over, LONGEST_DELAY_S) if over >= 0 else 0.0

    async def slowed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One login at a time, each after its delay; counts those that fail."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self.failures.append(time.monotonic())
            await send(message)

        async with self.login:
            await asyncio.sleep(self.delay(time.monotonic()))
            await self.app(scope, receive, counted)


def host_name(given: str) -> str:
    """A name to allow, from what a person typed: lower case, without scheme and port; `*.` before it is kept.

    Raises Mistake where it is no name.
    """
    name = _name(given.lower() if "//" in given else f"//{given.lower()}")
    with contextlib.suppress(UnicodeError):  # a browser asks for 例子.com by this spelling
        name = name.encode("idna").decode()
    if not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)*|[0-9a-f:]+", name, re.ASCII):
        raise Mistake(
            "--allow-host takes a name such as studio.example.org or *.example.org, not {given}.", given=given
        )
    return name


def _name(address: str) -> str:
    """The host in `scheme://host:port` or `//host:port`; empty where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


class FrontPage:
    """Puts the person's language and the studio's title into the page that Gradio serves at `/`.

    Gradio shows its texts in the browser's language and adds `head` too late to change that; the switch's
    cookie is therefore made the browser's language in the first script of the page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on but the page itself, which is changed on its way."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = front_page(body.decode("utf-8"), chosen_language(Headers(scope=scope))).encode("utf-8")
            kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, changed)


def chosen_language(headers: Headers) -> str:
    """The language of the switch's cookie; empty where the browser's own holds."""
    match = re.search(rf"(?:^|;\s*){COOKIE}=(\w+)", headers.get("cookie", ""))
    return match[1] if match and match[1] in LANGUAGES else ""


def front_page(page: str, language: str) -> str:
    """Gradio's page with the studio's title, without its own pictures' and project's links."""
    page = re.sub(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>', "", page)
    own = f"<title>LoRA Studio</title>{_script(language)}<style>{_login_style()}</style>"
    page = page.replace("<head>", f"<head>{own}", 1)
    return page.replace('lang="en"', f'lang="{language or "en"}"', 1)


@cache
def _login_style() -> str:
    """The login page's looks: Gradio shows it without the window's style sheet and head."""
    return (ROOT / "assets" / "css" / "login.css").read_text(encoding="utf-8")


def _script(language: str) -> str:
    if not language:
        return "<script>document.documentElement.lang=(navigator.language||'en').slice(0,2)</script>"
    name = json.dumps(TAGS[language])
    return (
        "<script>Object.defineProperty(navigator,'language',{get:()=>" + name + "});"
        "Object.defineProperty(navigator,'languages',{get:()=>[" + name + "]})</script>"
    )
