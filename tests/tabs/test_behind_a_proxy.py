"""The window behind a reverse proxy, as on a rented machine: another name, a path, a login."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tabs.shell.wiring import Studio
from tests.tabs.conftest import TIMEOUT_MS, make_studio

NAME, PATH, PASSWORD = "studio.test", "/studio", "a wide river"  # the tests' browser finds *.test here
OWN_OF_A_HOP = {"host", "connection", "transfer-encoding"}


def reverse_proxy(window: str, strips: bool, names_host: bool) -> Starlette:
    """nginx's `location /studio/`; a streamed answer is passed on as it is made."""
    upstream = httpx.AsyncClient(base_url=window, timeout=None, trust_env=False)

    async def passed_on(request: Request) -> StreamingResponse:
        path = request.url.path.removeprefix(PATH) if strips else request.url.path
        headers = {name: value for name, value in request.headers.items() if name not in OWN_OF_A_HOP}
        if names_host:
            headers["host"] = request.headers["host"]
        asked = upstream.build_request(
            request.method, f"{path}?{request.url.query}", headers=headers, content=await request.body()
        )
        answer = await upstream.send(asked, stream=True)
        passed = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        passed.raw_headers = [
            one for one in answer.headers.raw if one[0].decode().lower() not in OWN_OF_A_HOP
        ]
        return passed

    return Starlette(
        routes=[Route(f"{PATH}/{{path:path}}", passed_on, methods=["GET", "HEAD", "POST", "DELETE"])]
    )


@pytest.fixture(params=["takes the path off", "hides the name"])
def proxied(request, tmp_path) -> Iterator[tuple[str, Studio]]:
    """The address at which a proxy serves a studio; the second proxy knows nothing of what it serves."""
    from tabs import window

    strips = request.param == "takes the path off"
    studio = make_studio(tmp_path)
    app = window.build(studio)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        at = f"http://{NAME}:{listening.getsockname()[1]}{PATH}"
        arguments = window.launch_arguments(
            studio,
            port=None,
            auth=lambda user, password: (user, password) == ("studio", PASSWORD),
            allowed=(str(studio.home.folder),),
            names=(NAME,),
            root=PATH if strips else at,
        )
        _, local, _ = app.launch(**arguments, prevent_thread_lock=True)
        proxy = uvicorn.Server(uvicorn.Config(reverse_proxy(local, strips, strips), log_level="warning"))
        thread = threading.Thread(target=proxy.run, args=([listening],), daemon=True)
        thread.start()
        yield at, studio
        proxy.should_exit = True
        app.close(verbose=False)
        thread.join(10)


def test_a_page_loads_and_works_behind_a_proxy(browser, proxied):
    address, studio = proxied
    wrong: list[str] = []
    with browser.new_context(locale="en-US") as fresh:
        page = fresh.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status >= 400 else None
        )
        page.goto(f"{address}/")
        page.locator("input").first.fill("studio")
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button").first.click()
        page.wait_for_selector("#start-label")
        expect(page.locator("#pictures img")).to_have_count(6)
        page.wait_for_function(
            "[...document.querySelectorAll('#pictures img')].every(picture => picture.naturalWidth == 64)"
        )
        page.locator("#new-project").click()
        page.locator("#project-name textarea, #project-name input").first.fill("Tea shop")
        page.locator("#make-project").click()
        expect(page.locator("#project input")).to_have_value(re.compile("Tea-shop"))
        studio.runner.submit("label", "Labelling", lambda: iter(()))
        expect(page.locator("#job-label .st-pill")).to_have_text("Done")
    assert wrong == []
