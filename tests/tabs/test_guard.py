"""Who may ask: known host names, the studio's own pages, and nobody at the login again and again."""

from __future__ import annotations

import time

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tabs import window
from tabs.guard import FREE_TRIES, LONGEST_DELAY_S, FrontPage, Guard

PAGE = '<!doctype html><html\n\tlang="en"><head><meta property="og:image" content="x"/></head></html>'


def client(share: bool = False, **how) -> TestClient:
    async def page(request):
        return HTMLResponse(PAGE)

    async def login(request):
        return PlainTextResponse("no", status_code=400)

    routes = [
        Route("/", page, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/login", login, methods=["POST"]),
    ]
    middleware = [Middleware(Guard, host="127.0.0.1", share=share), Middleware(FrontPage)]
    return TestClient(
        Starlette(routes=routes, middleware=middleware), base_url="http://127.0.0.1:7860", **how
    )


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "192.168.1.20:7860"])
def test_own_names_and_addresses_are_answered(host):
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:7860", "abc.gradio.live", ""])
def test_other_names_are_refused(host):
    assert client().get("/", headers={"host": host}).status_code == 403


def test_the_share_links_name_is_known_only_while_sharing():
    assert client(share=True).get("/", headers={"host": "abc.gradio.live"}).status_code == 200
    assert client(share=True).get("/", headers={"host": "gradio.live.evil.example"}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:7860"]
)
def test_foreign_origins_are_refused_for_every_method(method, origin):
    assert client().request(method, "/", headers={"origin": origin}).status_code == 403


def test_the_own_origin_may_ask():
    assert client().post("/", headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


def test_a_cross_site_picture_is_refused_but_a_link_is_followed():
    cross = {"sec-fetch-site": "cross-site"}
    assert client().get("/", headers={**cross, "sec-fetch-mode": "no-cors"}).status_code == 403
    assert client().get("/", headers={**cross, "sec-fetch-mode": "navigate"}).status_code == 200


def test_nothing_is_fetched_from_elsewhere():
    assert client().get("/gradio_api/file=https://evil.example/x").status_code == 403
    guard = Guard(app=None)
    assert guard.refusal(Headers({"host": "localhost"}), "/gradio_api/proxy=http://10.0.0.1/") != ""


def test_failed_logins_are_slowed():
    guard = Guard(app=None)
    now = time.monotonic()
    assert guard.delay(now) == 0
    guard.failures = [now] * (FREE_TRIES - 1)
    assert guard.delay(now) == 0
    guard.failures = [now] * (FREE_TRIES + 2)
    assert guard.delay(now) == 4
    guard.failures = [now] * 100
    assert guard.delay(now) == LONGEST_DELAY_S
    assert guard.delay(now + 3600) == 0


def test_the_sixth_wrong_password_waits():
    asked = client()
    for _ in range(FREE_TRIES):
        assert asked.post("/login").status_code == 400
    started = time.monotonic()
    asked.post("/login")
    assert time.monotonic() - started > 0.9


def test_the_page_comes_in_the_chosen_language_with_the_studios_title():
    plain = client().get("/").text
    assert "<title>LoRA Studio</title>" in plain and "og:image" not in plain
    asked = client(cookies={"studio_lang": "zh"})
    assert 'lang="zh"' in asked.get("/").text
    assert "alert" not in client(cookies={"studio_lang": "zh'alert(1)"}).get("/").text


def test_a_shared_window_needs_a_login():
    with pytest.raises(AssertionError):
        window.launch_arguments(share=True)
    arguments = window.launch_arguments(share=True, auth=lambda user, password: False)
    assert arguments["share"] and callable(arguments["auth"])


def test_launch_sends_nothing_and_shows_no_api():
    arguments = window.launch_arguments()
    assert arguments["app_kwargs"]["openapi_url"] is None
    assert not arguments["run_history"] and not arguments["enable_monitoring"] and not arguments["ssr_mode"]
    assert arguments["strict_cors"] and arguments["max_file_size"]
