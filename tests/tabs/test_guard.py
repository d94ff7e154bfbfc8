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

from core.jobs import Mistake
from tabs import window
from tabs.guard import FREE_TRIES, LONGEST_DELAY_S, FrontPage, Guard, host_name

PAGE = '<!doctype html><html\n\tlang="en"><head><meta property="og:image" content="x"/></head></html>'


def client(share: bool = False, allowed: tuple[str, ...] = (), **how) -> TestClient:
    async def page(request):
        return HTMLResponse(PAGE)

    async def login(request):
        return PlainTextResponse("no", status_code=400)

    routes = [
        Route("/", page, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/login", login, methods=["POST"]),
    ]
    middleware = [Middleware(Guard, host="127.0.0.1", share=share, allowed=allowed), Middleware(FrontPage)]
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


def test_a_refused_name_is_told_how_to_be_allowed():
    said = client().get("/", headers={"host": "abc-7994.proxy.runpod.net:443"})
    assert said.status_code == 403 and said.text.endswith("--allow-host abc-7994.proxy.runpod.net")
    assert client().get("/", headers={"host": "[half"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("studio.example.org", 200),
        ("Studio.example.org:8443", 200),
        ("a.b.proxy.test", 200),
        ("proxy.test", 403),
        ("aproxy.test", 403),
        ("other.example.org", 403),
        ("studio.example.org.evil.example", 403),
    ],
)
def test_allowed_names_are_answered(host, status):
    asked = client(allowed=("studio.example.org", "*.proxy.test"))
    assert asked.get("/", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("studio.example.org", "https://studio.example.org", 200),
        ("studio.example.org", "https://studio.example.org:8443", 200),  # nginx' $host drops the port
        ("127.0.0.1:7860", "https://studio.example.org", 200),  # and its default the name
        ("127.0.0.1:7860", "https://mine.proxy.test", 200),
        ("mine.proxy.test", "https://mine.proxy.test", 200),
        ("mine.proxy.test", "https://others.proxy.test", 403),  # another tenant's page
        ("mine.proxy.test", "https://studio.example.org", 403),
        ("studio.example.org", "https://evil.example", 403),
        ("127.0.0.1:7860", "https://evil.example", 403),
        ("127.0.0.1:7860", "https://[half", 403),
    ],
)
def test_pages_of_allowed_names_are_the_studios_own(host, origin, status):
    asked = client(allowed=("studio.example.org", "*.proxy.test"))
    assert asked.post("/", headers={"host": host, "origin": origin}).status_code == status


def test_another_share_link_is_not_the_studios_own():
    for host in ("127.0.0.1:7860", "abc.gradio.live"):
        headers = {"host": host, "origin": "https://evil.gradio.live"}
        assert client(share=True).post("/", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("https://Studio.example.org:8443/x", "studio.example.org"),
        ("studio.example.org:80", "studio.example.org"),
        ("*.proxy.test", "*.proxy.test"),
        ("工作室.example", "xn--2qq421aovb.example"),
        ("203.0.113.5", "203.0.113.5"),
    ],
)
def test_a_name_to_allow_may_be_typed_as_an_address(typed, name):
    assert host_name(typed) == name


@pytest.mark.parametrize("typed", ["", "*", "*.", "a*.example.org", "two names", "http://[half"])
def test_what_is_no_name_is_refused(typed):
    with pytest.raises(Mistake, match="--allow-host takes a name"):
        host_name(typed)


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
    for reach in ({"share": True}, {"names": ("studio.test",)}, {"root": "/studio"}):
        with pytest.raises(AssertionError):
            window.launch_arguments(**reach)
    arguments = window.launch_arguments(share=True, auth=lambda user, password: False)
    assert arguments["share"] and callable(arguments["auth"])


def test_launch_sends_nothing_and_shows_no_api():
    arguments = window.launch_arguments()
    assert arguments["app_kwargs"]["openapi_url"] is None
    assert not arguments["run_history"] and not arguments["enable_monitoring"] and not arguments["ssr_mode"]
    assert arguments["strict_cors"] and arguments["max_file_size"]
