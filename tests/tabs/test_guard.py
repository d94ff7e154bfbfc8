"""Who may ask: known host names and the studio's own pages."""

from __future__ import annotations

import socket

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.messages import Mistake
from tabs import window
from tabs.gate.guard import Guard, host_name


def client(share: bool = False, allowed: tuple[str, ...] = ()) -> TestClient:
    async def page(request):
        return HTMLResponse("<html></html>")

    routes = [Route("/{path:path}", page, methods=["GET", "POST", "PUT", "DELETE"])]
    middleware = [Middleware(Guard, host="127.0.0.1", share=share, allowed=allowed)]
    return TestClient(Starlette(routes=routes, middleware=middleware), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "192.168.1.20:7860"])
def test_own_names_and_addresses_are_answered(host):
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:7860", "abc.gradio.live", "", "localhost.local", "localhost.",
     "[::1", "[::1]x", "[::1]:x", "[fe80::1%25eth0]", "evil@127.0.0.1", "127.0.0.1/evil", "127.0.0.1?",
     "127.0.0.1#x", "127.0.0.1:7860:1", "127.0.0.1 ", "a b"],
)  # fmt: skip
def test_other_names_are_refused(host):
    assert client().get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    ("machine", "known", "unknown"),
    [
        ("Box", {"box", "box.local"}, {"other.local"}),
        ("mac.local", {"mac.local"}, {"mac.local.local"}),
        ("box.example.org", {"box.example.org", "box.local"}, {"box.example.org.local"}),
        ("localhost", {"localhost"}, {"localhost.local"}),
        ("localhost.localdomain", {"localhost"}, {"localhost.local"}),
    ],
)
def test_only_the_machines_own_name_stands_before_local(monkeypatch, machine, known, unknown):
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    guard = Guard(app=None)
    assert all(map(guard.known, known)) and not any(map(guard.known, unknown))


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


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}),  # another port of this machine
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}),
        ("/config", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("/logout", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("/logout", {"referer": "http://evil.example/"}),
        ("/logout", {}),
        ("/config", {"referer": "http://127.0.0.1:9999/"}),  # over plain http a browser says no more
    ],
)
def test_another_site_opens_the_page_itself_and_nothing_else(path, headers):
    assert client().get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"referer": "http://127.0.0.1:7860/"}, {"sec-fetch-site": "none"}])
def test_the_own_page_logs_out(headers):
    assert client().get("/logout", headers=headers).status_code == 200


def test_nothing_is_fetched_from_elsewhere():
    assert client().get("/gradio_api/file=https://evil.example/x").status_code == 403
    guard = Guard(app=None)
    assert guard.refusal(Headers({"host": "localhost"}), "/gradio_api/proxy=http://10.0.0.1/") != ""


def test_a_shared_window_needs_a_login(studio):
    for reach in ({"share": True}, {"names": ("studio.test",)}, {"root": "/studio"}):
        with pytest.raises(AssertionError):
            window.launch_arguments(studio, **reach)
    arguments = window.launch_arguments(studio, share=True, auth=lambda user, password: False)
    assert arguments["share"] and callable(arguments["auth"])


def test_launch_sends_nothing_and_shows_no_api(studio):
    arguments = window.launch_arguments(studio)
    assert arguments["app_kwargs"]["openapi_url"] is None
    assert not arguments["run_history"] and not arguments["enable_monitoring"] and not arguments["ssr_mode"]
    assert arguments["strict_cors"] and arguments["max_file_size"]


@pytest.mark.parametrize(
    ("told", "allowed", "kept"),
    [
        (b"studio.test, inner.test", ("studio.test",), True),
        (b"evil.example, studio.test", ("studio.test",), False),
        (b"[::1", ("studio.test",), False),
        (b"localhost", (), False),
    ],
)
def test_a_proxys_word_for_the_address_is_passed_on_where_it_is_known(told, allowed, kept):
    assert Guard(app=None, allowed=allowed).keeps(b"x-forwarded-host", told) is kept
