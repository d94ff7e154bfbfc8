"""The window under its own policy, in a browser: all that it shows and takes works, and nobody frames it."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import uvicorn
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image
from playwright.sync_api import expect
from starlette.responses import HTMLResponse

from core.lora.proof import image_report
from core.lora.proof import page as proof_page
from core.lora.proof.image_report import Figures, Proof
from core.progress import Progress
from core.project import write_atomic
from tabs.gate import incoming
from tests.tabs.conftest import DESKTOP, TIMEOUT_MS, launched, make_studio

PASSWORD = "a wide river"
NOTES_VIOLATIONS = """
window.broken = [];
addEventListener('securitypolicyviolation', one => broken.push(`${one.violatedDirective} ${one.blockedURI}`));
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A window in its shared form, with a video, a proof and a sample picture to show."""
    studio = replace(make_studio(tmp_path_factory.mktemp("policy")), login=True)
    video = studio.project.new_video("a river") / "video.mp4"
    source = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=1:size=108x192:rate=5",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1",
    ]
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *source, "-pix_fmt", "yuv420p", video], check=True)
    Image.new("RGB", (108, 192), "teal").save(video.with_name("cover.png"))
    (video.parent / "scenes").mkdir()
    Image.new("RGB", (40, 72), "teal").save(video.parent / "mine.png")
    video.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:01,000\na river\n")
    video.with_name("storyboard.yaml").write_text(
        "{version: 2, topic: a river, scenes: [{say: a river, draw: a river, picture: mine.png}]}\n"
    )
    lora = studio.project.loras() / "lora_v1_ink_r8_ep2.safetensors"
    lora.write_bytes(b"")
    folder = proof_page.folder_of(lora)
    folder.mkdir()
    picture = Figures(None, 1.0, 0.7, 0.1, 0.01, 0.3, 0.0, "1.png", 0.7, 0.5, 0)
    for weight in (0.0, 1.0):
        Image.new("RGB", (54, 54), "teal").save(folder / image_report.picture_name(None, weight, 0, 7))
    image_report.write(
        Proof(
            lora.name, "embedded", ("a boat",), (7,), 0.8, 0.9, 0.6, (replace(picture, weight=0.0), picture)
        ),
        folder,
    )
    with (folder / "proof.html").open("a") as written:
        written.write("<script>document.title = 'run'</script>")
    with launched(studio, share=True, auth=lambda *given: given == ("studio", PASSWORD)) as window:
        yield window


@pytest.fixture
def page(browser, shared):
    """A page of a guest who logged in at the login page."""
    with browser.new_context(viewport=DESKTOP, locale="en-US") as fresh:
        fresh.add_init_script(NOTES_VIOLATIONS)
        page = fresh.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
        page.on(
            "request",
            lambda asked: (
                page.problems.append(asked.url)
                if not asked.url.startswith((shared.url, "data:", "blob:"))
                else None
            ),
        )
        page.goto(shared.url)
        page.locator("input").first.fill("studio")
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button").first.click()
        page.wait_for_selector("#start-label")
        yield page


def test_all_that_the_window_shows_and_takes_works_under_its_policy(page, shared, tmp_path):
    pictures = page.locator("#pictures img")
    expect(pictures).to_have_count(6)
    Image.new("RGB", (80, 80), "red").save(tmp_path / "a dropped one.png")
    page.locator("#drop-pictures input[type=file]").set_input_files(tmp_path / "a dropped one.png")
    expect(pictures).to_have_count(7)
    page.wait_for_function(
        "[...document.querySelectorAll('#pictures img')].every(one => one.naturalWidth > 0)"
    )
    sample = write_atomic(
        shared.studio.project.folder / "sample.png", (tmp_path / "a dropped one.png").read_bytes()
    )

    def job() -> Iterator[Progress]:
        for step in range(1, 4):
            yield Progress("Training", step, 3, loss=1 / step, picture=sample)

    shared.studio.runner.wait(shared.studio.runner.submit("image", "Image LoRA", job), 60)
    page.locator("#tab-image-button").click()
    expect(page.locator("#job-image svg.st-chart")).to_be_visible()
    with page.context.expect_page() as opened:
        page.locator("#tab-image .st-shelf a").click()
    opened.value.wait_for_load_state()
    assert opened.value.locator("h1").count() == 1 and opened.value.title() != "run"
    opened.value.wait_for_function("[...document.images].every(one => one.naturalWidth > 0)")
    opened.value.close()
    page.locator("#tab-text-button").click()
    expect(page.locator("#texts")).to_contain_text("an old man")
    page.locator("#tab-compose-button").click()
    page.wait_for_function("document.querySelector('#video video')?.readyState > 0")
    page.locator("#video video").evaluate("film => { film.muted = true; return film.play() }")
    page.wait_for_function("document.querySelector('#video video').currentTime > 0.2")
    page.wait_for_function("document.querySelector('#scenes img')?.naturalWidth == 40")
    for button in ("#download", "#subtitles"):
        with page.expect_download() as download:
            page.locator(button).click()
        assert download.value.path().stat().st_size > 0
    page.locator("#light").click()
    expect(page.locator("body.dark")).to_have_count(1)
    assert page.evaluate("broken") == []
    page.locator("#language").click()
    expect(page.locator("#start-label")).to_have_text("标注图片")
    expect(page.locator("body.dark")).to_have_count(1)
    assert page.evaluate("broken") == [] and page.problems == []


def test_an_upload_that_is_too_much_is_one_sentence(page, tmp_path, monkeypatch):
    monkeypatch.setattr(incoming, "ONE_GUEST_MB", 0)
    Image.new("RGB", (80, 80), "blue").save(tmp_path / "one more.png")
    page.locator("#drop-pictures input[type=file]").set_input_files(tmp_path / "one more.png")
    expect(page.locator("body")).to_contain_text("0 MB are allowed; wait a while")
    assert "Traceback" not in page.content() and page.evaluate("broken") == []


def test_a_script_that_gets_into_the_page_doesnt_run(page):
    page.evaluate(
        """() => {
        for (const [name, value] of [['src', 'https://evil.test/x.js'], ['textContent', 'window.ran = 1']]) {
            const script = document.createElement('script');
            script[name] = value;
            document.body.append(script);
        }
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.ran = 1">');
    }"""
    )
    page.wait_for_function("broken.length >= 3")
    assert page.evaluate("window.ran") is None and "script-src-elem https://evil.test/x.js" in page.evaluate(
        "broken"
    )


def test_no_other_page_holds_the_window_in_a_frame(browser, tmp_path):
    """Nor where it is not shared."""

    async def holder(scope, receive, send):
        await HTMLResponse(f"<iframe src='{window.url}'></iframe>")(scope, receive, send)

    with launched(make_studio(tmp_path)) as window, socket.create_server(("127.0.0.1", 0)) as listening:
        other = uvicorn.Server(uvicorn.Config(holder, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=other.run, args=([listening],), daemon=True)
        thread.start()
        with browser.new_context() as fresh:
            page = fresh.new_page()
            page.goto(f"http://evil.test:{listening.getsockname()[1]}/")
            page.wait_for_timeout(1000)
            (frame,) = page.frames[1:]
            assert frame.locator("gradio-app").count() == 0
            page.goto(window.url)
            page.wait_for_selector("#start-label")
        other.should_exit = True
        thread.join(10)
