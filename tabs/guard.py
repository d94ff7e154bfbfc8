"""What stands between the network and the window: who may ask, and the page's first bytes.

Two ASGI middlewares, given to Gradio by `launch_arguments`. `Guard` answers only to names that are this
studio's own, so that no foreign page can use a visitor's browser to work it, and slows guessing at the login.
`FrontPage` says the page's language and title before anything is drawn. Neither knows what the window shows.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
import time
from functools import cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    address. Behind a share link all visitors come from one address, so failed logins are counted together.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", share: bool = False) -> None:
        self.app, self.share = app, share
        self.names = {"localhost", host.lower(), socket.gethostname().lower()}
        self.failures: list[float] = []
        self.login = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
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
        if not self.known(urlsplit(f"//{host}").hostname or ""):
            return "This host name is not the studio's own."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin.lower()).netloc != host:
            return "Another site may not ask the studio."
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return "Another site may not ask the studio."
        if re.search(r"/(file|proxy)=https?:", path):
            return "The studio fetches nothing from elsewhere."
        return ""

    def known(self, name: str) -> bool:
        """True for this machine's own names, any IP address, and the share link's while sharing."""
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            return name.removesuffix(".local") in self.names or (self.share and name.endswith(SHARE_DOMAIN))

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
