"""What a guest on the share link can do, over real HTTP, with and without the login."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest
from starlette.requests import Request

from tabs.gate import incoming
from tabs.gate.guard import OPEN
from tests.tabs.conftest import launched, make_studio

LINK, PASSWORD = "abc.gradio.live", "a wide river"
PAGE = {"host": LINK, "origin": f"https://{LINK}", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PARTS = {
    "size": "100000",
    "path": "x",
    "path_or_url": "/etc/hostname",
    "url_path": "x",
    "api_name": "predict",
}


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    studio = replace(make_studio(tmp_path_factory.mktemp("shared")), login=True)
    with launched(studio, share=True, auth=lambda *given: given == ("studio", PASSWORD)) as window:
        yield window


def guest(link: SimpleNamespace, address: str = "203.0.113.1", login: bool = True) -> httpx.Client:
    """A browser on the share link; the tunnel's far end says from which address it comes."""
    asked = httpx.Client(
        base_url=link.url, headers={**PAGE, "x-forwarded-for": address}, trust_env=False, timeout=60
    )
    if login:
        made = asked.post("login", data={"username": "studio", "password": PASSWORD})
        assert made.json() == {"success": True} and "samesite=none" not in str(made.headers).lower()
        for name, value in [one.split(";")[0].split("=", 1) for one in made.headers.get_list("set-cookie")]:
            asked.cookies.set(name, value)
    return asked


def file_of(path: Path) -> str:
    return f"gradio_api/file={path}"


def paths(routes) -> Iterator[str]:
    """An address for each route that Gradio has, its places filled."""
    for route in routes:
        if inside := getattr(route, "original_router", None):
            yield from paths(inside.routes)
        else:
            yield re.sub(r"\{(\w+)[^}]*\}", lambda place: PARTS.get(place[1], "x"), route.path)


def test_without_the_login_nothing_but_its_page_is_answered(link):
    stranger, answered = guest(link, login=False), set()
    known = set(paths(link.app.app.routes))
    assert len(known) > 60
    for path in known:
        for method in ("GET", "POST", "DELETE"):
            said = stranger.request(method, path.lstrip("/"), headers={"content-type": "application/json"})
            assert said.status_code < 500, path
            if said.status_code not in (401, 403, 404, 405):
                answered.add(path)
    assert all(OPEN.fullmatch(path) for path in answered), answered
    assert answered <= {"/", "/login", "/login/", "/logout", "/favicon.ico", "/manifest.json", "/robots.txt",
                        "/theme.css", "/pwa_icon", "/gradio_api/startup-events"}  # fmt: skip


def test_with_the_login_only_what_the_window_uses_is_answered(link):
    asked = guest(link)
    assert asked.get("config").status_code == 200
    refused = (
        "pwa_icon/100000", "svelte/x", "monitoring", "monitoring/summary", "gradio_api/openapi.json",
        "gradio_api/deep_link?session_hash=x", "gradio_api/proxy=x", "gradio_api/file=https://127.0.0.1/x",
        "gradio_api/custom_component/x/client/x/x.js", "gradio_api/run-history/buckets",
    )  # fmt: skip
    for path in refused:
        assert asked.get(path).status_code == 403, path
    for path in (
        "process_recording",
        "component_server",
        "vibe-code",
        "vibe-edit",
        "call/predict",
        "stream/x",
    ):
        assert asked.post(f"gradio_api/{path}", json={}).status_code == 403, path


def test_each_question_of_the_window_wants_the_login_itself(link):
    """Were the guard and Gradio's own check to fail, each handler still asks."""
    asked = gr.Request(Request({"type": "http", "headers": []}))
    handlers = [
        one.fn for one in link.app.fns.values() if one.fn and one.fn.__module__ == "tabs.shell.wiring"
    ]
    assert len(handlers) > 50
    for handler in handlers:
        with pytest.raises(gr.Error, match="log in first"):
            chosen = {"event": None} if "event" in signature(handler).parameters else {}
            list(handler(asked, **chosen) or ())


def test_a_guest_names_no_folder_of_the_disk(link):
    choosers = [one for one in link.app.blocks.values() if isinstance(one, gr.Dropdown)]
    assert len(choosers) > 20 and not any(one.allow_custom_value for one in choosers)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"), ("a.JPG", "image/jpeg"), ("a.webp", "image/webp"), ("a.mp4", "video/mp4"),
        ("a.wav", "audio/wav"), ("a.svg", None), ("a.svgz", None), ("a.html", None), ("a.xhtml", None),
        ("a.xml", None), ("a.js", None), ("a.pdf", None), ("a.txt", None), ("a.png.html", None),
        ("proof.html", None), ("a", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", [{}, {"range": "bytes=0-3"}])
def test_a_dropped_file_never_runs(link, name, kind, part):
    home = link.studio.home.folder
    for folder in (link.studio.project.images(), home / "uploads" / "0"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(SCRIPT)
        said = guest(link).get(file_of(folder / name), headers=part)
        assert said.status_code == (206 if part else 200)
        assert said.headers["content-type"] == (kind or "application/octet-stream")
        assert said.headers["content-disposition"].startswith("inline" if kind else "attachment")
        assert "sandbox" in said.headers["content-security-policy"]
        assert said.headers["x-content-type-options"] == "nosniff" and "cookie" not in said.headers


def test_a_proof_is_shown_without_scripts(link):
    page = link.studio.project.loras() / "x.proof" / "proof.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("<h1>proof</h1>")
    said = guest(link).get(file_of(page))
    assert said.headers["content-type"].startswith("text/html")
    assert (
        "sandbox" in said.headers["content-security-policy"]
        and "script" not in said.headers["content-security-policy"]
    )


def test_nothing_outside_the_projects_is_given(link, tmp_path):
    home, asked = link.studio.home.folder, guest(link)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    model = home / "models" / "LLM" / "x.png"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"secret")
    (link.studio.project.images() / "link.png").symlink_to(secret)
    inside = link.studio.project.images()
    up = f"{inside}/../../../../models/LLM/x.png"
    others = (home / "jobs", "studio.py", "/proc/self/environ", f"{inside}/link.png")
    for path in (secret, model, inside, up, up.replace("../", "..%2f"), *others):
        assert asked.get(file_of(path)).status_code in (403, 404), path


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "", {}, 200),
        ("HEAD", "", {}, 200),
        ("GET", "config", {}, 401),
        ("GET", "", {"host": "evil.example"}, 403),
        ("GET", "", {"host": "[::1"}, 403),
        ("OPTIONS", "login", {"access-control-request-method": "POST"}, 200),
        (
            "OPTIONS",
            "login",
            {"origin": "https://evil.example", "access-control-request-method": "POST"},
            403,
        ),
        ("POST", "login", {}, 422),
        ("GET", "theme.css", {}, 200),
        ("GET", "favicon.ico", {}, 200),
        ("GET", "static/img/logo.svg", {}, 200),
        ("GET", "assets/none.js", {}, 404),
        ("GET", "nothing", {}, 401),
    ],
)
def test_every_answer_keeps_the_page_to_itself(link, method, path, headers, status):
    said = guest(link, login=False).request(method, path, headers=headers)
    assert said.status_code == status
    policy = said.headers.get_list("content-security-policy")
    assert len(policy) == 1 and "frame-ancestors 'none'" in policy[0] and "default-src 'none'" in policy[0]
    assert "'unsafe-inline'" not in policy[0].partition("script-src")[2].partition(";")[0]
    assert said.headers["x-frame-options"] == "DENY" and said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["referrer-policy"] == "same-origin"


def test_the_shared_page_loads_nothing_from_elsewhere(link):
    for asked in (guest(link, login=False), guest(link)):
        page = asked.get("").text
        assert 'src="https:' not in page and 'href="https:' not in page and 'src="./assets/' in page


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-host": "[::1"},
        {"x-forwarded-host": "evil.example"},
        {"x-gradio-server": "http://evil.example"},
    ],
)
def test_a_guest_gives_the_page_no_other_address(link, headers):
    said = guest(link).get("config", headers=headers)
    assert said.status_code == 200 and LINK in said.json()["root"]


def test_the_right_password_never_waits_behind_wrong_ones(link):
    stranger, started = guest(link, "198.51.100.7", login=False), time.monotonic()
    for _ in range(5):
        assert stranger.post("login", data={"username": "studio", "password": "x"}).status_code == 400
    assert time.monotonic() - started < 5
    for number in range(12):  # these are left to wait; a browser would go on at once
        with pytest.raises(httpx.ReadTimeout):
            stranger.post("login", data={"username": "studio", "password": f"{number}"}, timeout=0.2)
    started = time.monotonic()
    guest(link, "198.51.100.7")
    assert (
        guest(link, "198.51.100.8", login=False)
        .post("login", data={"username": "studio", "password": "x"})
        .text
    )
    assert time.monotonic() - started < 3


def test_only_a_page_of_the_studio_logs_out_and_only_itself(link):
    one, other = guest(link), guest(link)
    for elsewhere in (
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    ):
        for path in ("logout", "logout/", "logout?all_session=true"):
            said = one.get(path, headers=elsewhere)
            assert said.status_code in (307, 403) and "set-cookie" not in said.headers
    for told in ({}, {"referer": "https://evil.example/"}):  # a browser over plain http says no more
        bare = httpx.get(
            f"{link.url}logout", headers={"host": LINK, **told}, cookies=one.cookies, trust_env=False
        )
        assert bare.status_code == 403
    assert one.get("gradio_api/login_check").status_code == 200
    assert one.get("logout?all_session=true", headers={"sec-fetch-mode": "navigate"}).status_code == 302
    assert one.get("gradio_api/login_check").status_code == 401
    assert other.get("gradio_api/login_check").status_code == 200


class TestUploads:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        for name, limit in (("ONE_GUEST_MB", 3), ("ALL_MB", 5)):
            monkeypatch.setattr(incoming, name, limit)

    def drop(self, link, address: str, name: str, size: int, **how) -> httpx.Response:
        return guest(link, address).post(
            "gradio_api/upload", files={"files": (name, name.encode() * size)}, **how
        )

    def test_each_guest_and_all_have_a_quota_on_the_disk(self, link):
        first = self.drop(link, "192.0.2.1", "a", 2_000_000)
        kept = Path(first.json()[0])
        assert kept.is_relative_to(link.studio.home.folder / "uploads") and kept.stat().st_size == 2_000_000
        second = self.drop(link, "192.0.2.1", "b", 2_000_000)
        assert second.status_code == 413 and "3 MB are allowed" in second.text and "\n" not in second.text
        said = self.drop(link, "192.0.2.1", "b", 2_000_000, headers={"accept-language": "zh-CN"})
        assert "3 MB" in said.text and "uploaded" not in said.text
        assert self.drop(link, "192.0.2.2", "c", 2_000_000).status_code == 200
        third = self.drop(link, "192.0.2.3", "d", 2_000_000)
        assert third.status_code == 413 and "holds 5 MB" in third.text
        self.old_ones_make_room(link)

    def old_ones_make_room(self, link):
        with pytest.MonkeyPatch.context() as patch:
            later = time.time() + incoming.UNUSED_S + 60
            patch.setattr(incoming.time, "time", lambda: later)
            assert self.drop(link, "192.0.2.1", "e", 2_500_000).status_code == 200
        assert [path.name for path in (link.studio.home.folder / "uploads").rglob("*") if path.is_file()] == [
            "e"
        ]

    def test_a_file_of_an_address_is_not_fetched(self, link):
        file = {"path": "https://example.com/large.bin", "meta": {"_type": "gradio.FileData"}}
        for spelling in (json.dumps([[file]]), json.dumps([[file]]).replace("http", "\\u0068ttp")):
            body = f'{{"fn_index": 1, "session_hash": "x", "data": {spelling}}}'
            said = guest(link).post(
                "gradio_api/queue/join", content=body, headers={"content-type": "application/json"}
            )
            assert said.status_code == 413 and "fetches nothing" in said.text

    def test_a_question_has_a_largest_size(self, link, monkeypatch):
        monkeypatch.setattr(incoming, "QUESTION_MB", 1)
        said = guest(link).post(
            "gradio_api/queue/join", json={"data": ["x" * 1_100_000], "session_hash": "x"}
        )
        assert said.status_code == 413 and "more than 1 MB" in said.text
        form = guest(link, login=False).post(
            "login", data={"username": "studio", "password": "x" * 1_100_000}
        )
        assert form.status_code == 413

    def test_a_file_has_a_largest_size(self, link, monkeypatch):
        monkeypatch.setattr(link.app, "max_file_size", 1000)
        said = self.drop(link, "192.0.2.9", "f", 2000)
        assert said.status_code == 413 and said.text.startswith("A file may have 300 MB at most")
