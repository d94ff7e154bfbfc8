"""A person's way through the window in a real browser, every job done by the real libraries at tiny sizes."""

from __future__ import annotations

import contextlib
import re
import threading
import time

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.messages import Mistake
from core.progress import Progress
from core.project import write_captions

JOB_TIMEOUT_MS = 300_000


def ended(page: Page, kind: str, status: str = "Done") -> None:
    """Waits until the panel of that tab says how its job ended; fails at once when the job failed."""
    pill = page.locator(f"#job-{kind} .st-pill")
    expect(pill).to_have_text(re.compile(f"{status}|Failed"), timeout=JOB_TIMEOUT_MS)
    assert pill.inner_text() == status, page.locator(f"#job-{kind}").inner_text()


def turn_to(page: Page, tab: str) -> None:
    page.locator(f"#tab-{tab}-button").click()
    expect(page.locator(f"#start-{tab}")).to_be_visible()


def set_number(page: Page, kind: str, label: str, value: str) -> None:
    """Types into a number or slider box of an opened Details."""
    box = page.locator(f"#details-{kind}").get_by_label(label, exact=False).first
    box.fill(value)
    box.press("Tab")


def set_epochs(page: Page, value: str, steps: str) -> None:
    """Types the epochs and waits for the plan; typed again where a box that just opened took its first value.

    On a machine at its limit Gradio fills a box some time after it can be typed into.
    """
    plan = page.locator("#tab-image .st-plan")
    for _ in range(6):
        set_number(page, "image", "Epochs", "1")
        set_number(page, "image", "Epochs", value)
        with contextlib.suppress(AssertionError):
            return expect(plan).to_contain_text(steps, timeout=30_000)
    expect(plan).to_contain_text(steps)


def test_the_main_button_of_each_tab_in_turn_gives_the_video(page, served):
    project = served.studio.project
    expect(page.locator("h1")).to_have_text("LoRA Studio")
    expect(page.locator("#pictures img")).to_have_count(6)
    page.locator("#trigger textarea, #trigger input").first.fill("inkriver")
    page.locator("#start-label").click()
    ended(page, "label")
    lines = (project.images() / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "file_name,text" and len(lines) == 7 and "inkriver" in lines[1]
    expect(page.locator("#captions")).to_contain_text("inkriver")
    page.reload()
    ended(page, "label")
    expect(page.locator("#captions")).to_contain_text("inkriver")

    page.locator("#onward-label").click()
    expect(page.locator("#image-trigger").locator("textarea, input").first).to_have_value("inkriver")
    expect(page.locator("#tab-image .st-plan")).to_contain_text(
        re.compile(r"6 pictures × \d+ passes, 4 at a time: \d+ steps")
    )
    page.locator("#start-image").click()
    ended(page, "image")
    expect(page.locator("#tab-image .st-shelf")).to_contain_text("lora_v1_river-town")
    expect(page.locator("#job-image svg.st-chart")).to_be_visible()
    assert len(project.image_loras()) == 1

    page.locator("#onward-image").click()
    expect(page.locator("#texts")).to_contain_text("an old man")
    page.locator("#start-text").click()
    ended(page, "text")
    assert len(project.text_loras()) == 1

    page.locator("#onward-text").click()
    page.locator("#usual-compose button").first.click()
    expect(page.locator("#use-image input")).to_have_value(project.image_loras()[0].stem)
    expect(page.locator("#use-text input")).to_have_value(project.text_loras()[0].name)
    expect(page.locator("#topic textarea")).to_have_value("a quiet morning in a river town")
    page.locator("#details-compose button").first.click()
    set_number(page, "compose", "Frame rate", "5")
    set_number(page, "compose", "Scenes", "2")
    page.locator("#start-compose").click()
    ended(page, "compose")
    expect(page.locator("#video video")).to_be_visible()
    expect(page.locator("#scenes img")).to_have_count(2)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename.endswith(".mp4")
    assert page.problems == []


def test_training_stops_and_continues_and_asks_where_something_changed(page, served):
    turn_to(page, "image")
    page.locator("#details-image button").first.click()
    set_epochs(page, "500", "1000 steps")
    expect(page.locator("#tab-image .st-plan")).to_contain_text("time: ")
    expect(page.locator("#tab-image .st-plan")).to_contain_text("memory: about 1.0 GB of")
    expect(page.locator("#tab-image .st-plan")).to_contain_text("disk: about")
    page.locator("#start-image").click()
    ended(page, "image", "Running")
    expect(page.locator("#job-image .st-now")).to_contain_text("loss")
    page.locator("#stop-image").click()
    ended(page, "image", "Stopped")
    stopped_at = served.studio.runner.newest("image").progress.step
    page.locator("#continue-image").click()
    ended(page, "image", "Running")
    expect(page.locator("#job-image .st-now")).to_contain_text("loss")
    assert served.studio.runner.newest("image").progress.step > stopped_at
    page.locator("#stop-image").click()
    ended(page, "image", "Stopped")
    changed_settings_are_named_and_the_person_chooses(page, served)


def changed_settings_are_named_and_the_person_chooses(page, served):
    """The run that was stopped; Train asks, and either answer is what is done."""
    set_number(page, "image", "Epochs", "400")
    folders = len(list(served.studio.project.runs().iterdir()))
    stopped_at = served.studio.runner.newest("image").progress.step
    page.locator("#start-image").click()
    expect(page.locator("#question-image")).to_contain_text("epochs: 500 → 400")
    assert not served.studio.runner.active()
    page.locator("#go-on-image").click()
    expect(page.locator("#question-image")).to_be_hidden()
    ended(page, "image", "Running")
    expect(page.locator("#job-image .st-now")).to_contain_text("loss")
    assert served.studio.runner.newest("image").progress.step > stopped_at
    assert len(list(served.studio.project.runs().iterdir())) == folders
    page.locator("#stop-image").click()
    ended(page, "image", "Stopped")
    page.locator("#start-image").click()
    expect(page.locator("#question-image")).to_contain_text("nothing changed since then")
    page.locator("#anew-image").click()
    ended(page, "image", "Running")
    expect(page.locator("#job-image .st-now")).to_contain_text("loss")
    assert len(list(served.studio.project.runs().iterdir())) == folders + 1
    page.locator("#stop-image").click()
    ended(page, "image", "Stopped")
    captions = served.studio.project.images() / "metadata.csv"
    before = captions.read_bytes() if captions.exists() else b""
    stopped_at = served.studio.runner.newest("image").progress.step
    write_captions(captions, {f"scene {number}.png": "a caption of another day" for number in range(1, 7)})
    page.locator("#continue-image").click()
    expect(page.locator("#question-continue-image")).to_contain_text("captions changed")
    assert not served.studio.runner.active()
    page.locator("#go-on-continue-image").click()
    ended(page, "image", "Running")
    expect(page.locator("#question-continue-image")).to_be_hidden()
    expect(page.locator("#job-image .st-now")).to_contain_text("loss")
    assert served.studio.runner.newest("image").progress.step > stopped_at
    page.locator("#stop-image").click()
    ended(page, "image", "Stopped")
    captions.write_bytes(before) if before else captions.unlink()


class TestOnOnePage:
    """What leaves the page as it was, on a page that is loaded once."""

    @pytest.fixture(scope="class")
    def page(self, opening):
        with opening() as page:
            yield page

    def test_regularisation_pictures_are_chosen_or_typed(self, page, served):
        turn_to(page, "image")
        plan = page.locator("#tab-image .st-plan")
        expect(plan).to_contain_text("steps")
        page.locator("#details-image button").first.click()
        page.get_by_role("button", name="What it learns from").first.click()
        box = page.locator("#regular-pictures input")
        box.fill("/no/such folder")
        box.press("Enter")
        expect(plan).to_have_text("There is no folder /no/such folder; check the name.")
        box.fill(str(served.studio.project.images()))
        box.press("Enter")
        expect(plan).to_contain_text("memory: about")

    def test_a_corrected_caption_is_kept(self, page, served):
        turn_to(page, "label")
        cell = page.get_by_test_id("cell-0-1")
        cell.dblclick()
        page.keyboard.press("Control+A")
        page.keyboard.type("a boat under the bridge")
        page.keyboard.press("Enter")
        expect(page.locator(".st-saved").first).to_contain_text("saved")
        written = (served.studio.project.images() / "metadata.csv").read_text(encoding="utf-8")
        assert "scene 1.png,a boat under the bridge" in written

    def test_a_wrong_input_is_one_sentence_and_nothing_is_lost(self, page, served):
        turn_to(page, "compose")
        expect(page.locator("#topic textarea")).not_to_have_value("")  # the suggestion has come
        page.locator("#topic textarea").fill("")
        page.locator("#start-compose").click()
        toast = page.locator(".toast-body")
        expect(toast).to_contain_text("the topic is empty; write what the video is about")
        assert "Traceback" not in page.content()
        assert served.studio.runner.active() == []

    def test_a_failed_job_says_so_in_one_sentence(self, page, served):
        def bad():
            yield Progress("Preparing")
            raise Mistake("The folder {path} holds no pictures; put .png or .jpg files in it.", path="a <b>")

        turn_to(page, "label")
        served.studio.runner.submit("label", "Labelling", bad)
        ended(page, "label", "Failed")
        said = page.locator("#job-label [role=alert]")
        expect(said).to_have_text("The folder a <b> holds no pictures; put .png or .jpg files in it.")


def test_own_pictures_go_into_a_new_project(page, served, tmp_path):
    from PIL import Image

    good, bad = tmp_path / "my photo 照片.png", tmp_path / "broken.png"
    Image.new("RGB", (80, 80), "teal").save(good)
    bad.write_text("not a picture")
    page.locator("#new-project").click()
    page.locator("#project-name textarea, #project-name input").first.fill("Tea shop 茶")
    page.locator("#make-project").click()
    expect(page.locator("#project input")).to_have_value("Tea-shop-茶")
    expect(page.locator("#pictures img")).to_have_count(0)
    page.locator("#drop-pictures input[type=file]").set_input_files([good, bad])
    expect(page.locator("#pictures img")).to_have_count(1)
    expect(page.locator(".toast-body").filter(has_text="broken.png")).to_be_visible()
    assert [path.name for path in served.studio.home.project("Tea-shop-茶").images().glob("*.png")] == [
        good.name
    ]
    page.reload()
    expect(page.locator("#project input")).to_have_value("Tea-shop-茶")


def test_a_running_job_is_found_again_and_stops(page, served, visit):
    """The runner is shared: a reloaded page and a second one show the same bar, and both can stop it."""

    def slow():
        for step in range(1, 10_000):
            yield Progress("Training", step, 10_000, loss=1 / step, seconds_left=120.0)
            time.sleep(0.02)

    job_id = served.studio.runner.submit("image", "Image LoRA 水墨", slow)
    turn_to(page, "image")
    ended(page, "image", "Running")
    expect(page.locator("#job-image .st-now")).to_contain_text("Training · ")
    expect(page.locator("#job-image .st-now")).to_contain_text("of 10000")
    expect(page.locator("#job-image .st-now")).to_contain_text("about 2 min left")
    expect(page.locator("#job-image svg .st-mean")).to_be_attached()
    page.reload()
    turn_to(page, "image")
    ended(page, "image", "Running")
    second = visit(locale="zh-CN")
    second.locator("#tab-image-button").click()
    ended(second, "image", "进行中")
    second.locator("#stop-image").click()
    ended(second, "image", "已停止")
    ended(page, "image", "Stopped")
    assert served.studio.runner.state(job_id).status == "stopped"


def test_a_picture_is_seen_while_it_is_drawn(page, served):
    """In the page itself: what a film draws is kept outside of the folders that pages may be shown."""
    from core.video.picture.frames import glimpse

    gate = threading.Event()

    def drawing():
        for red in (40, 200):
            picture = np.full((224, 128, 3), (red, 120, 90), np.uint8)
            yield Progress("Drawing", 1, 2, look=lambda picture=picture: glimpse([picture]))
            time.sleep(1.1)
        gate.wait(60)

    served.studio.runner.submit("compose", "Film", drawing)
    turn_to(page, "compose")
    seen = page.locator("#job-compose img.st-look")
    expect(seen).to_be_visible()
    red = """one => { const page = document.createElement('canvas').getContext('2d');
        page.drawImage(one, 0, 0); return page.getImageData(5, 5, 1, 1).data[0] }"""
    deadline = time.monotonic() + 60
    while not seen.evaluate(red) > 150 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert abs(seen.evaluate(red) - 200) < 8 and seen.bounding_box()["height"] > 200
    gate.set()
    ended(page, "compose")
    expect(seen).to_have_count(0)
    assert page.problems == []


def test_the_page_speaks_chinese_by_its_browser_and_by_its_switch(visit):
    page = visit(locale="zh-CN")
    expect(page.locator("#start-label")).to_have_text("标注图片")
    expect(page.locator("#captions")).to_contain_text("说明")
    expect(page.locator("html")).to_have_attribute("lang", re.compile("^zh"))
    page.locator("#new-project").click()
    page.locator("#make-project").click()
    expect(page.locator(".toast-body")).to_contain_text("不能用作名称")
    head = "one => [getComputedStyle(one, '::before').content, getComputedStyle(one).fontSize]"
    assert page.locator(".toast-title").evaluate(head) == ['"请检查"', "0px"]
    page.locator("#language").click()
    expect(page.locator("#start-label")).to_have_text("Label pictures")
    page.locator("#language").click()
    expect(page.locator("#start-label")).to_have_text("标注图片")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_is_accessible_and_fits_a_phone(visit, scheme):
    from axe_playwright_python.sync_playwright import Axe

    phone = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    expect(phone.locator("#pictures img")).to_have_count(6)
    for tab in ("label", "image", "text", "compose"):
        turn_to(phone, tab)
        phone.wait_for_timeout(300)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, tab
        found = Axe().run(phone).response["violations"]
        serious = [
            (one["id"], node["html"][:160])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert serious == [], tab
