"""The page's first bytes: its language, its title and its own scripts, before anything is drawn.

Knows nothing of who may ask, nor what the window shows.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import gradio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.project import ROOT
from tabs.shell import theme
from tabs.shell.words import COOKIE, LANGUAGES

# Gradio knows zh-CN and zh-TW; a plain zh would be shown in English.
TAGS = {"en": "en", "zh": "zh-CN"}


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
            language = chosen_language(Headers(scope=scope))
            page = front_page(body.decode("utf-8"), language, scope.get("nonce", "")).encode("utf-8")
            kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, changed)


def chosen_language(headers: Headers) -> str:
    """The language of the switch's cookie; empty where the browser's own holds."""
    match = re.search(rf"(?:^|;\s*){COOKIE}=(\w+)", headers.get("cookie", ""))
    return match[1] if match and match[1] in LANGUAGES else ""


def front_page(page: str, language: str, nonce: str) -> str:
    """Gradio's page with the studio's title, without its own pictures' and project's links.

    `nonce` marks the scripts that stand in the page, so that the browser runs no others. While sharing,
    Gradio's page takes its whole front end from a server elsewhere; here it comes from this machine.
    """
    page = re.sub(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>', "", page)
    page = re.sub(r'<script type="module" crossorigin src="https:[^>]*></script>', _front_end(), page)
    own = f"<title>LoRA Studio</title>{_script(language)}{theme.HEAD}"
    own += f"<style>{_login_style()}{theme.notice_heads()}</style>"
    page = page.replace("<head>", f"<head>{own}", 1)
    page = re.sub(r"<script(?=[\s>])", f'<script nonce="{nonce}"', page)
    return page.replace('lang="en"', f'lang="{language or "en"}"', 1)


@cache
def _front_end() -> str:
    """The tags that load Gradio's front end from this machine: those of its page for a window not shared."""
    page = Path(gradio.__file__).parent / "templates" / "frontend" / "index.html"
    tags = (
        r'<script type="module" crossorigin src="\./[^>]*></script>|<link rel="stylesheet" crossorigin [^>]*>'
    )
    return "".join(re.findall(tags, page.read_text(encoding="utf-8")))


@cache
def _login_style() -> str:
    """The login page's looks: Gradio shows it without the window's style sheet."""
    return (ROOT / "assets" / "css" / "login.css").read_text(encoding="utf-8")


def _script(language: str) -> str:
    if not language:
        return "<script>document.documentElement.lang=(navigator.language||'en').slice(0,2)</script>"
    name = json.dumps(TAGS[language])
    return (
        "<script>Object.defineProperty(navigator,'language',{get:()=>" + name + "});"
        "Object.defineProperty(navigator,'languages',{get:()=>[" + name + "]})</script>"
    )
