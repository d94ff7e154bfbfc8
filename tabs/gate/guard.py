"""Who may ask the window, and for what.

`Guard` stands before everything that Gradio serves. It answers only to names that are this studio's own, so
that no foreign page can use a visitor's browser to work it; it lets nobody without a login past the login
page; and it leaves out the addresses of Gradio that the window doesn't use. What its answers carry stands in
`answers`, the login's slow-downs in `logins`, what may come in, and how much, in `incoming`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.messages import Mistake
from tabs.gate.answers import guarded_answer
from tabs.gate.logins import Logins

SHARE_DOMAIN = ".gradio.live"
# `name:port` or `[address]:port`. Python's own reading passes over what stands around them.
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?", re.ASCII)
# What is answered before the login: its page and what that is made of. Gradio asks itself for the last one.
OPEN = re.compile(
    r"/(login|logout|favicon\.ico|manifest\.json|robots\.txt|theme\.css|pwa_icon(/(192|512))?"
    r"|(assets|static)/.*|gradio_api/startup-events)?"
)
# What a page asks Gradio for, of all that Gradio answers; the rest draws icons of any size, cuts films, ….
USED = re.compile(
    r"/gradio_api/(file=.*|upload|upload_progress|queue/(join|data|status)|(run|api)/\w+|cancel|reset"
    r"|heartbeat/\w+|app_id|info|login_check|theme\.css|user|token)/?"
)
UNUSED = re.compile(r"/(gradio_api|monitoring|pwa_icon|svelte)(/.*)?")
# Headers from which Gradio takes the address of the page that it writes.
CLAIMED = (b"x-forwarded-host", b"x-gradio-server")


class Guard:
    """Refuses unknown Host names, foreign pages, and who is not logged in; for every method.

    A bare IP address is a known host: a hostile page can point a name of its own at this machine, never an
    address. `allowed` are further names, as `host_name` gives them. `root` is the path or address at which a
    proxy serves the window, whether or not it takes the path off what it passes on. With `login`, or `share`,
    `allowed` or `root`, which need one, only a logged-in page is answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        share: bool = False,
        allowed: Sequence[str] = (),
        root: str = "",
        login: bool = False,
    ) -> None:
        self.app, self.share, self.allowed, self.prefix = app, share, allowed, urlsplit(root).path
        self.behind_proxy = bool(share or allowed or root)
        self.login = login or self.behind_proxy
        self.names = {"localhost", host.lower(), *_own_names(socket.gethostname().lower())}
        self.logins = Logins(self.behind_proxy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with 401 or 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope = self.cleared(scope)
        send = guarded_answer(scope, send)
        request = HTTPConnection(scope)
        reason = self.refusal(request.headers, scope["path"], scope.get("method", ""))
        if reason:
            await PlainTextResponse(reason, status_code=403)(scope, receive, send)
        elif self.login and not OPEN.fullmatch(scope["path"]) and not logged_in(request):
            await PlainTextResponse("Please log in first.", status_code=401)(scope, receive, send)
        elif _bare(scope["path"]) == "/login" and scope.get("method") == "POST":
            await self.logins.answer(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def cleared(self, scope: Scope) -> Scope:
        """The request as Gradio is to see it: without the proxy's path and without a false address.

        Whoever logs out ends their own login; Gradio would end those of all, since all have one name.
        """
        path = scope["path"]
        if self.prefix and f"{path}/".startswith(f"{self.prefix}/"):
            path = path[len(self.prefix) :] or "/"
        headers = [(name, value) for name, value in scope["headers"] if self.keeps(name, value)]
        query = b"all_session=false" if path == "/logout" else scope.get("query_string", b"")
        nonce = secrets.token_urlsafe(16)
        return {**scope, "path": path, "headers": headers, "query_string": query, "nonce": nonce}

    def keeps(self, name: bytes, value: bytes) -> bool:
        """Whether a header is passed on: a proxy may say by which name it was asked, where that is known."""
        if name not in CLAIMED:
            return True
        first = value.decode("latin-1").partition(",")[0].strip().lower()  # of several, Gradio takes this one
        return name == CLAIMED[0] and self.behind_proxy and self.known(_name(first))

    def refusal(self, headers: Headers, path: str, method: str = "GET") -> str:
        """Why a request is refused; empty where it isn't."""
        host = headers.get("host", "").lower()
        name = _name(host)
        if not name:
            return "This request's host name can't be read."
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
        came_from = self.came_from(headers, host)
        if came_from == "elsewhere" and not (path == "/" and _follows_a_link(headers, method)):
            return "Another site may not ask the studio."
        if _bare(path) == "/logout" and came_from != "here":
            return "Log out from a page of the studio, or by this address in an https or localhost window."
        if re.search(r"/(file|proxy)=https?:", path):
            return "The studio fetches nothing from elsewhere."
        if UNUSED.fullmatch(path) and not USED.fullmatch(path) and not OPEN.fullmatch(path):
            return "The studio has nothing at this address."
        return ""

    def came_from(self, headers: Headers, host: str) -> str:
        """`here`, `elsewhere` (another site, or another port of this one) or empty where nothing says it.

        Browsers say it over https and to this machine itself; over plain http there is the page before.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return "here" if site in ("same-origin", "none") else "elsewhere"
        page = headers.get("referer", "").lower()
        if not page:
            return ""
        scheme, _, rest = page.partition("://")
        return "here" if self.is_own(f"{scheme}://{rest.partition('/')[0]}", host) else "elsewhere"

    def known(self, name: str) -> bool:
        """True for this machine's own and allowed names, any IP address, the share link's while sharing."""
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            own = name in self.names or self.allows(name)
            return own or (self.share and name.endswith(SHARE_DOMAIN))

    def allows(self, name: str) -> bool:
        """Whether a name was allowed, by itself or as one below `*.`."""
        return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in self.allowed)

    def is_own(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` is the studio's own, which was asked for by the name `host`.

        A proxy may change an allowed name's port, or put this machine's address in its place. Where it leaves
        the name, another one is foreign: below `*.` may stand other people's pages.
        """
        address = origin.partition("://")[2]
        page, studio = _name(address), _name(host)
        if self.allows(studio):
            return page == studio
        return self.allows(page) or address == host


def logged_in(request: HTTPConnection) -> bool:
    """Whether a request carries the mark of a login that this window gave."""
    window = request.scope["app"]
    names = (f"access-token-{window.cookie_id}", f"access-token-unsecure-{window.cookie_id}")
    return any(request.cookies.get(name) in window.tokens for name in names)


def host_name(given: str) -> str:
    """A name to allow, from what a person typed: lower case, without scheme and port; `*.` before it is kept.

    Raises Mistake where it is no name.
    """
    name = ""
    with contextlib.suppress(ValueError):
        name = urlsplit(given.lower() if "//" in given else f"//{given.lower()}").hostname or ""
    with contextlib.suppress(UnicodeError):  # a browser asks for 例子.com by this spelling
        name = name.encode("idna").decode()
    if not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)*|[0-9a-f:]+", name, re.ASCII):
        raise Mistake(
            "--allow-host takes a name such as studio.example.org or *.example.org, not {given}.", given=given
        )
    return name


def _own_names(machine: str) -> Iterable[str]:
    """A machine's name, and the one by which its neighbours find it; `localhost` is nobody's own."""
    first = machine.partition(".")[0]
    return (machine,) if first in ("localhost", "") else (machine, f"{first}.local")


def _follows_a_link(headers: Headers, method: str) -> bool:
    """Whether a page is opened as a whole, not in a frame, as a picture or by a form."""
    opens = headers.get("sec-fetch-mode", "navigate") == "navigate"
    return opens and headers.get("sec-fetch-dest", "document") == "document" and method in ("GET", "HEAD")


def _bare(path: str) -> str:
    return path.rstrip("/")


def _name(address: str) -> str:
    """The host in `host:port`; empty where that is anything else."""
    match = HOST.fullmatch(address)
    return (match[1] or match[2]) if match else ""
