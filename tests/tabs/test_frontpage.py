"""The page's first bytes: language, title, and marks on the scripts that may run."""

from __future__ import annotations

import re

import gradio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tabs.gate.frontpage import FrontPage, front_page

PAGE = '<!doctype html><html\n\tlang="en"><head><meta property="og:image" content="x"/></head></html>'
SHARED = '<script type="module" crossorigin src="https://gradio.s3.example/6.31.0/gradio.js"></script>'


def client(**how) -> TestClient:
    async def page(request):
        return HTMLResponse(PAGE)

    return TestClient(Starlette(routes=[Route("/", page)], middleware=[Middleware(FrontPage)]), **how)


def test_the_page_comes_in_the_chosen_language_with_the_studios_title():
    plain = client().get("/").text
    assert "<title>LoRA Studio</title>" in plain and "og:image" not in plain
    asked = client(cookies={"studio_lang": "zh"})
    assert 'lang="zh"' in asked.get("/").text
    assert "alert" not in client(cookies={"studio_lang": "zh'alert(1)"}).get("/").text


def test_every_script_in_it_is_marked():
    page = front_page(f"<head></head>{SHARED}<script>1</script>", "zh", "n0")
    assert page.count("<script") == page.count('<script nonce="n0"') == 4


def test_a_shared_page_takes_its_front_end_from_this_machine():
    page = front_page(f"<head>{SHARED}</head>", "", "n0")
    assert "https:" not in page
    own = re.findall(r'(?:src|href)="\./(assets/index-[^"]+)"', page)
    templates = f"{gradio.__path__[0]}/templates/frontend"
    assert {one.rpartition(".")[2] for one in own} == {"js", "css"}
    for one in own:
        with open(f"{templates}/{one}", "rb") as file:
            assert file.read(1)
